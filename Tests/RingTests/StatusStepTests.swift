import Bytes
import System
import TestSupport
import Testing

@testable import Ring

/// Every moment between two stores of the writer, and between two loads of a reader, one after the other.
@Suite("The status page, step by step")
struct StatusStepTests {
  /// The page's part of the file.
  private static let page = Word.statusCount..<Word.statusSlots[1] + 2048

  /// Texts of different lengths, so that a mixture of two states would show.
  private static func state(_ number: UInt64) -> DaemonStatus {
    var state = DaemonStatus(pid: number, version: number, startedAt: number, heartbeatAt: number)
    state.redisSince = number
    state.received = number
    state.published = number
    state.lost = number
    state.redisError = String(repeating: "\(number % 10)", count: Int(number * 37 % 90))
    return state
  }

  /// The page before each store of the publications 1 to `last`, and at the end; and the number of the state that is
  /// the newest whole one there (0: none).
  private static func moments(last: UInt64) throws -> [(page: [UInt8], newest: UInt64)] {
    let temporary = TemporaryFolder(inMemory: true)
    let writer = try openWriter(try temporary.open())
    var moments: [(page: [UInt8], newest: UInt64)] = []
    for number in 1...last {
      let before = moments.count
      Steps.watch({ step in
        if step.changesSomething { moments.append((Array(contents(temporary.queue)[page]), number - 1)) }
      }) {
        writer.publish(state(number))
      }
      // The number of words, 13 words, the text, and the count.
      #expect(moments.count - before == 14 + (state(number).redisError.utf8.count + 7) / 8 + 1)
    }
    moments.append((Array(contents(temporary.queue)[page]), last))
    return moments
  }

  @Test(
    "A writer that died before any of its stores leaves the last whole state, and the next writer's is whole again")
  func diedAnywhere() throws {
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    let reader = try RingReader.open("queue.ring", in: folder)
    for (step, moment) in try Self.moments(last: 4).enumerated() {
      overwrite(temporary.queue, at: Self.page.lowerBound, moment.page)
      let found = reader.daemonStatus
      #expect(found == (moment.newest == 0 ? nil : Self.state(moment.newest)), "before store \(step)")
      for number: UInt64 in 7...8 {
        try openWriter(folder).publish(Self.state(number))
        let found = reader.daemonStatus
        #expect(found == Self.state(number), "published after a death before store \(step)")
      }
    }
  }

  @Test("A reader that stalls before any of its loads, while the writer goes on as far as it likes: one state, whole")
  func stalledAnywhere() throws {
    var random = SeededGenerator()
    let seed = random.seed
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    let reader = try RingReader.open("queue.ring", in: folder)
    let moments = try Self.moments(last: 5)
    overwrite(temporary.queue, at: Self.page.lowerBound, moments[moments.count - 1].page)
    let loads = Steps.count { _ = reader.daemonStatus }
    #expect(loads == 258, "the count, a slot, and the count again")
    let wholes = (1...5).compactMap { number in moments.firstIndex { $0.newest == number } }
    for stall in 0..<loads {
      // From each whole state to each later one, and between moments in the middle of a publication.
      var pairs = wholes.flatMap { from in wholes.filter { $0 > from }.map { (from, $0) } }
      for _ in 0..<6 {
        let from = Int.random(in: moments.indices, using: &random)
        pairs.append((from, Int.random(in: from..<moments.count, using: &random)))
      }
      for (from, to) in pairs {
        overwrite(temporary.queue, at: Self.page.lowerBound, moments[from].page)
        var step = 0
        var found: DaemonStatus?
        Steps.watch({ _ in
          if step == stall { overwrite(temporary.queue, at: Self.page.lowerBound, moments[to].page) }
          step += 1
        }) { found = reader.daemonStatus }
        let number = found?.pid ?? 0
        let isWhole = found == (number == 0 ? nil : Self.state(number))
        if !isWhole || number < moments[from].newest || number > moments[to].newest {
          Issue.record("\(String(describing: found)): load \(stall), from \(from) to \(to), seed \(seed)")
        }
      }
    }
  }

  @Test("A writer that makes several stores at each of a reader's loads: one state, whole", arguments: 1...8)
  func alwaysMoving(stores: Int) throws {
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    let reader = try RingReader.open("queue.ring", in: folder)
    let moments = try Self.moments(last: 40)
    for start in 0..<40 {
      var next = start
      var found: DaemonStatus?
      Steps.watch({ _ in
        overwrite(temporary.queue, at: Self.page.lowerBound, moments[min(next, moments.count - 1)].page)
        next += stores
      }) { found = reader.daemonStatus }
      if let found { #expect(found == Self.state(found.pid), "from moment \(start) on") }
    }
  }
}
