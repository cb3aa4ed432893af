import Bytes
import Synchronization
import System
import TestSupport
import Testing

@testable import Ring

@Suite("The queue: going to a sequence number")
struct SeekTests {
  /// A queue that went round, with losses and positions among the messages.
  private func queue(
    _ folder: borrowing Folder, _ random: inout SeededGenerator
  ) throws -> Model {
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    while model.end < 100_000 {
      switch random.next() % 6 {
      case 0: try model.append(lossOf: 1 + random.next() % 6, to: &writer)
      case 1: try model.appendPosition(to: &writer)
      default: try model.append(random.bytes(Int(random.next() % 3000)), to: &writer)
      }
    }
    return model
  }

  /// What `next` must answer first after a seek to `number`, positions aside.
  private func expect(
    _ reader: inout RingReader, at number: UInt64, _ model: Model, _ note: Comment
  ) throws {
    let oldest = model.entries[model.oldest].header.sequence
    var found = try reader.next()
    while case .record(let header) = found, header.kind == .position { found = try reader.next() }
    if number < oldest {
      #expect(found == .overwritten(oldest - number), note)
    } else if number >= model.nextSequence {
      #expect(found == .end, note)
      #expect(reader.sequence == model.nextSequence, note)
    } else {
      let entry = try #require(
        model.entries.first { $0.header.sequence <= number && number < $0.header.nextSequence }, note)
      #expect(found == .record(entry.header), note)
      let same = equal(reader.payload, entry.payload.span)
      #expect(same, note)
    }
  }

  @Test("Every number is found: before the oldest, within a loss, at the end, beyond it; with any hint")
  func everyNumber() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try queue(folder, &random)
    var reader = try RingReader.open("queue.ring", in: folder)
    let oldest = model.entries[model.oldest].header.sequence
    for number in max(1, oldest - min(oldest - 1, 5))...model.nextSequence + 3 {
      let own = model.entries.first { $0.header.sequence == number && $0.header.span > 0 }?.start ?? model.end
      let other = model.entries.randomElement(using: &random)?.start ?? 0
      let hints: [UInt64] = [
        0, own, other, other + 8, own &- 8, own + 8, own + 3, model.end, model.end + 8, model.end - 8, own + 65536,
        own &- 65536, 1 << 62, .max, .max - 7,
      ]
      for hint in hints {
        try reader.seek(to: number, hint: hint)
        #expect(reader.sequence <= number)
        try expect(&reader, at: number, model, "to \(number) by \(hint), seed \(random.seed)")
      }
    }
  }

  @Test("A reader that goes to a number lying a whole queue back is told all that is missing")
  func farBack() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try queue(folder, &random)
    var reader = try RingReader.open("queue.ring", in: folder)
    try reader.seek(to: 1)
    let oldest = model.entries[model.oldest].header.sequence
    #expect(oldest > 1)
    #expect(try reader.next() == .overwritten(oldest - 1))
  }

  @Test("There is no number 0: going there is going to 1")
  func numberZero() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    var reader = try RingReader.open("queue.ring", in: folder)
    try reader.seek(to: 0)
    guard case .record(let header) = try reader.next() else {
      Issue.record("a loss in a queue that lost nothing")
      return
    }
    #expect(header.kind == .position)
  }

  @Test("A seek that the writer overtakes still leaves what is missing to be reported")
  func overtaken() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    let path = temporary.path
    let flag = Flag()
    let thread = TestThread {
      guard let folder = try? Folder(path), var writer = try? openWriter(folder) else { return }
      let object = [UInt8](repeating: 7, count: 100)
      while !flag.isSet { for _ in 0..<64 { _ = try? writer.append(message: object.span, receivedAt: 1) } }
    }
    defer {
      flag.set()
      thread.join()
    }
    var reader = try RingReader.open("queue.ring", in: folder)
    for round in 0..<4000 {
      let last = try reader.nextSequence()
      // Somewhere in the older half, where the writer comes by while the reader walks there.
      let target = last > 300 ? last - 300 : 1
      try reader.seek(to: target)
      try #require(reader.sequence <= target, "round \(round): stands at \(reader.sequence), beyond \(target)")
      let before = reader.sequence
      switch try reader.next() {
      case .record(let header): try #require(header.sequence == before)
      case .overwritten(let count): try #require(reader.sequence == before + count)
      case .end: Issue.record("the end, at \(target)")
      }
    }
  }
}

/// A flag between threads.
final class Flag: Sendable {
  private let value = Atomic<Bool>(false)
  var isSet: Bool { value.load(ordering: .acquiring) }
  func set() { value.store(true, ordering: .releasing) }
}
