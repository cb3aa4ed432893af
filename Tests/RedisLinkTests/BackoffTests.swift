import RedisLink
import System
import Testing

@Suite struct BackoffTests {
  let start = Instant(nanoseconds: 1_000)

  /// The longest delays of the next `count` failures.
  private func longest(_ backoff: inout Backoff, _ count: Int) -> [UInt64] {
    (0..<count).map { _ in backoff.failed(at: start, random: .max) }
  }

  @Test("the longest delay doubles from 250 ms to 30 s and stays there, at any number of failures")
  func doubling() {
    var backoff = Backoff()
    let milliseconds = longest(&backoff, 9).map { $0 / 1_000_000 }
    #expect(milliseconds == [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
    for _ in 0..<10_000 { #expect(backoff.failed(at: start, random: .max) == .seconds(30)) }
  }

  @Test("the delay is spread from 0 to the longest by the random bits")
  func jitter() {
    for (random, expected) in [(0, 0), (.max / 2, 125), (.max / 4 * 3, 187), (.max, 250)] as [(UInt64, UInt64)] {
      var backoff = Backoff()
      let delay = backoff.failed(at: start, random: random)
      #expect(delay / 1_000_000 == expected || delay / 1_000_000 + 1 == expected, "\(random): \(delay)")
    }
  }

  @Test("a link that comes up and drops before 30 s goes on where it was")
  func flapping() {
    var backoff = Backoff()
    _ = longest(&backoff, 4)
    backoff.ready(at: start)
    #expect(backoff.failed(at: start + (.seconds(30) - 1), random: .max) == .seconds(4))
    // The time of two short lives is not added up.
    backoff.ready(at: start + .seconds(31))
    #expect(backoff.failed(at: start + .seconds(32), random: .max) == .seconds(8))
  }

  @Test("a link that was healthy for 30 s is tried again at once, and then as if it had never failed")
  func healthy() {
    var backoff = Backoff()
    _ = longest(&backoff, 6)
    backoff.ready(at: start)
    backoff.ready(at: start + .seconds(29))
    #expect(backoff.failed(at: start + .seconds(30), random: .max) == 0)
    #expect(backoff.failed(at: start + .seconds(90), random: .max) == .milliseconds(250))
    #expect(backoff.failed(at: start + .seconds(90), random: .max) == .milliseconds(500))
  }

  @Test("what a failure asks for at least is waited also after a long health, and jitter comes on top")
  func leastDelays() {
    var backoff = Backoff()
    #expect(backoff.failed(at: start, least: .seconds(60), random: 0) == .seconds(60))
    #expect(backoff.failed(at: start, least: .seconds(60), random: .max) == .seconds(60) + .milliseconds(500))
    backoff.ready(at: start)
    #expect(backoff.failed(at: start + .seconds(3600), least: .seconds(60), random: .max) == .milliseconds(60_250))
  }
}
