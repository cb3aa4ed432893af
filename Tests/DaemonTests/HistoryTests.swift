import Bytes
import Daemon
import Network
import Ring
import Settings
import System
import TestSupport
import Testing

@Suite("Whatever happens in whatever order")
struct HistoryTests {
  /// How many histories; each has a seed of its own.
  static let count = 150

  private struct History {
    let test: SimulatedDaemon
    var random: SeededGenerator
    /// Accepted of us, in order, and stored by others.
    var sent: [String] = []
    var foreign: Set<String> = []
    var number = 0
    var isDown = false

    init(_ seed: UInt64) throws {
      random = SeededGenerator(seed: seed)
      var choice = Choice()
      choice.firstStart = .all
      test = try SimulatedDaemon(choice)
      try test.start()
    }

    mutating func pick(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

    mutating func next() -> String {
      number += 1
      return numbered(number)
    }

    mutating func step() throws {
      switch pick(0..<24) {
      case 0..<6:
        let objects = (0..<pick(1..<(pick(0..<10) == 0 ? 150 : 4))).map { _ in next() }
        try test.send(objects)
        sent += objects
      case 6..<9:
        let objects = (0..<pick(1..<5)).map { _ in next() }
        test.redis.store(objects)
        // Not all of it where Redis refuses.
        foreign.formUnion(objects.filter(Set(test.stored).contains))
      case 9..<14: try test.run(for: UInt64(pick(0..<3_000)) * 1_000_000)
      case 14: for connection in test.redis.open { connection.end() }
      case 15: test.redis.open.randomElement(using: &random)?.end()
      case 16:
        test.kill()
        try test.startAgain()
      case 17: test.redis.holdsAnswers.toggle()
      case 18: test.redis.releaseOneAnswer()
      case 19: test.redis.isFrozen.toggle()
      case 20: test.redis.flushScripts()
      case 21:
        test.redis.diesAfter = pick(0..<2) == 0 ? [] : [["EVALSHA", "EVAL", "XRANGE", "HMGET"][pick(0..<4)]]
      case 22:
        let refused = pick(0..<3)
        test.redis.refusal = { refused > 0 && $0.utf8.count % 3 == refused ? "OOM command not allowed" : nil }
      default:
        test.redis.connectFault = pick(0..<2) == 0 ? nil : .closed
      }
    }

    /// Every fault ends, and there is time.
    mutating func settle() throws {
      test.redis.connectFault = nil
      test.redis.refusal = { _ in nil }
      test.redis.diesAfter = []
      test.redis.holdsAnswers = false
      test.redis.isFrozen = false
      test.redis.releaseAnswers()
      try test.run(for: .seconds(200))
    }
  }

  @Test(
    "what was accepted and what others stored is in the queue once, in the order of the stream, and nothing waits for ever",
    arguments: 0..<count)
  func history(index: Int) throws {
    let seed = SeededGenerator().seed &+ UInt64(index)
    var history = try History(seed)
    for _ in 0..<history.pick(10..<80) { try history.step() }
    try history.settle()
    let test = history.test
    var seen: Set<String> = []
    let stored = test.stored.filter { seen.insert($0).inserted }
    let queue = try test.queue()
    #expect(queue == stored, "OPENCLAW_BUS_TEST_SEED=\(seed)")
    #expect(test.stored.count == stored.count, "stored twice; OPENCLAW_BUS_TEST_SEED=\(seed)")
    #expect(seen == Set(history.sent).union(history.foreign), "OPENCLAW_BUS_TEST_SEED=\(seed)")
    #expect(stored.filter { !history.foreign.contains($0) } == history.sent, "OPENCLAW_BUS_TEST_SEED=\(seed)")
    #expect(try test.files("new") == [], "OPENCLAW_BUS_TEST_SEED=\(seed)")
    #expect(try test.status().redis == .ready, "OPENCLAW_BUS_TEST_SEED=\(seed)")
  }
}
