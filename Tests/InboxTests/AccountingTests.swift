import Bytes
import Inbox
import Message
import Ring
import System
import TestSupport
import Testing

/// What one consumer was told of each sequence number.
private struct Account {
  enum Outcome { case delivered, passedOver, lost }

  /// The agent; nil reads all.
  let name: String?
  var begin: UInt64?
  var outcomes: [UInt64: Outcome] = [:]
  var twice: [UInt64] = []
  var wrong: [UInt64] = []
  var lost: UInt64 { UInt64(outcomes.values.filter { $0 == .lost }.count) }

  mutating func note(_ sequence: UInt64, _ outcome: Outcome) {
    if outcomes.updateValue(outcome, forKey: sequence) != nil { twice.append(sequence) }
  }

  /// Notes a batch that began at `start` and ended before `end`; what is not mentioned in it must have been passed over
  /// with reason.
  mutating func note(_ entries: [Entry], _ range: Range<UInt64>, _ written: [UInt64: Written]) {
    var next = range.lowerBound
    func isOurs(_ sequence: UInt64) -> Bool? {
      guard case .message(let from, let to)? = written[sequence] else { return nil }
      guard let name else { return true }
      return from != name && (to == nil || to == name)
    }
    for entry in entries {
      let place: Range<UInt64>
      switch entry {
      case .message(let sequence):
        place = sequence..<(sequence + 1)
        if isOurs(sequence) != true { wrong.append(sequence) }
      // One of unknown number is told as 0 and occupies one.
      case .loss(let sequence, let count, _): place = sequence..<(sequence + max(count, 1))
      }
      if place.lowerBound < next { wrong.append(place.lowerBound) }
      while next < place.lowerBound {
        if isOurs(next) != false { wrong.append(next) }
        note(next, .passedOver)
        next += 1
      }
      if case .message = entry { note(place.lowerBound, .delivered) } else { for lost in place { note(lost, .lost) } }
      next = place.upperBound
    }
    while next < range.upperBound {
      if isOurs(next) != false { wrong.append(next) }
      note(next, .passedOver)
      next += 1
    }
  }
}

/// What stands under a sequence number.
private enum Written {
  case message(from: String, to: String?)
  case loss
}

@Suite("Every sequence number")
struct AccountingTests {
  static let names = ["ann", "bob", "cid"]

  private func write(_ queue: inout Queue, _ written: inout [UInt64: Written], _ random: inout SeededGenerator) throws {
    if UInt8.random(in: 0..<6, using: &random) == 0 {
      let isCounted = Bool.random(using: &random)
      let count = isCounted ? UInt64.random(in: 1...20, using: &random) : 1
      let next = queue.writer.nextSequence
      for sequence in next..<(next + count) { written[sequence] = .loss }
      return try queue.lose(count, isCounted ? .trimmed : .trimmedUnknown)
    }
    // Up to several times round the ring.
    let size = [0, 50, 500, 7000].randomElement(using: &random) ?? 0
    for _ in 0..<Int.random(in: 0...40, using: &random) {
      let from = Self.names.randomElement(using: &random) ?? ""
      let to = Bool.random(using: &random) ? nil : Self.names.randomElement(using: &random)
      written[queue.writer.nextSequence] = .message(from: from, to: to)
      try queue.append(1, from: from, to: to, size: size)
    }
  }

  /// One `clawq get`: `isWhole` without limits, else with random ones and perhaps without commit.
  private func read(
    _ queue: borrowing Queue, _ account: inout Account, _ written: [UInt64: Written], isWhole: Bool,
    _ random: inout SeededGenerator
  ) throws {
    let note = Comment(rawValue: "\(random)")
    var consumer = try queue.consumer(account.name)
    let start = consumer.next
    account.begin = account.begin ?? start
    var counting = try queue.consumer(account.name, readOnly: true)
    let tally = try counting.tally()
    #expect(tally.unread + tally.lost <= tally.total && tally.read == tally.total - tally.unread - tally.lost, note)
    #expect(tally.total == queue.writer.nextSequence - (account.begin ?? 1), note)
    let limits = BatchLimits(
      entries: Int.random(in: 1...30, using: &random), bytes: Int.random(in: 1...20_000, using: &random))
    let format = Bool.random(using: &random) ? BatchFormat.array : .lines
    var buffer = ByteBuffer(capacity: 1024)
    let batch = try consumer.collect(isWhole ? .none : limits, format, to: &buffer)
    let entries = try parse(buffer.readable, format)
    guard isWhole || Bool.random(using: &random) else { return }
    try consumer.commit(batch)
    account.note(entries, start..<batch.end, written)
    let mark = try queue.cursor(account.name ?? "default")
    #expect(mark?.next == batch.end && mark?.lost == account.lost, note)
  }

  @Test("is delivered, passed over or reported lost to every consumer exactly once", arguments: 0..<12 as Range<UInt64>)
  func exactlyOnce(round: UInt64) throws {
    let seed = SeededGenerator().seed
    let note = Comment(rawValue: "OPENCLAW_BUS_TEST_SEED=\(seed), round \(round)")
    var random = SeededGenerator(seed: seed &+ round)
    var queue = try Queue()
    var written: [UInt64: Written] = [:]
    var accounts = [Account(name: nil)] + Self.names.map { Account(name: $0) }
    for _ in 0..<120 {
      if Bool.random(using: &random) {
        try write(&queue, &written, &random)
      } else {
        let index = Int.random(in: 0..<accounts.count, using: &random)
        try read(queue, &accounts[index], written, isWhole: false, &random)
      }
    }
    for index in accounts.indices {
      try read(queue, &accounts[index], written, isWhole: true, &random)
      let account = accounts[index]
      let all = (account.begin ?? 1)..<queue.writer.nextSequence
      #expect(account.outcomes.count == all.count && account.outcomes.keys.allSatisfy(all.contains), note)
      #expect(account.twice == [] && account.wrong == [], note)
    }
  }
}
