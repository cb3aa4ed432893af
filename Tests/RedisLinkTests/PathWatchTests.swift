import RedisLink
import System
import TestSupport
import Testing

@Suite("Whether the path is good")
struct PathWatchTests {
  let start = Instant(nanoseconds: .seconds(1000))

  /// A watch whose first probe went out and came back at `start`.
  private func ready(random: UInt64 = 0) -> PathWatch {
    var watch = PathWatch(openedAt: start)
    #expect(watch.due(at: start, random: { random }) == .probe)
    watch.sent()
    watch.answered(at: start)
    watch.heard(at: start)
    let isProved = watch.concludes(at: start, random: { random })
    #expect(isProved && watch.isReady)
    return watch
  }

  @Test(
    "it is proved when a probe was answered and something was heard, whichever comes first", arguments: [true, false])
  func proves(answerFirst: Bool) {
    var watch = PathWatch(openedAt: start)
    watch.heard(at: start)
    watch.sent()
    var isProved = watch.concludes(at: start, random: { 0 })
    #expect(!isProved, "what was heard before the probe says nothing about it")
    if answerFirst { watch.answered(at: start) } else { watch.heard(at: start) }
    isProved = watch.concludes(at: start, random: { 0 })
    #expect(!isProved && !watch.isReady)
    if answerFirst { watch.heard(at: start) } else { watch.answered(at: start) }
    isProved = watch.concludes(at: start, random: { 0 })
    #expect(isProved && watch.isReady)
    isProved = watch.concludes(at: start, random: { 0 })
    #expect(!isProved, "said once")
  }

  @Test("a probe is due after 60 s of silence and up to 15 s more")
  func silence() {
    for (random, wait) in [(0, .seconds(60)), (.max, .seconds(75)), (.max / 2, .milliseconds(67_500))]
      as [(UInt64, UInt64)]
    {
      var watch = ready(random: random)
      #expect(watch.deadline.map { $0 - start } == wait || watch.deadline.map { $0 - start } == wait - 1)
      #expect(watch.due(at: start + (wait - 2), random: { random }) == .nothing)
      #expect(watch.due(at: start + wait, random: { random }) == .probe)
    }
  }

  @Test("whatever is heard puts it off, and the random bits are asked once in a silence, not for each message")
  func traffic() {
    var watch = ready()
    var asked = 0
    let random = { () -> UInt64 in
      asked += 1
      return 0
    }
    for second in 1...50 as ClosedRange<UInt64> { watch.heard(at: start + .seconds(second)) }
    #expect(watch.due(at: start + .seconds(60), random: random) == .nothing)
    #expect(asked == 1 && watch.deadline == start + .seconds(110))
    #expect(watch.due(at: start + .seconds(110), random: random) == .probe)
    #expect(asked == 1)
  }

  @Test("answered and not heard for 10 s, the subscription is dead; heard in time, it is not")
  func unheard() {
    for isHeard in [true, false] {
      var watch = ready()
      #expect(watch.due(at: start + .seconds(60), random: { 0 }) == .probe)
      watch.sent()
      #expect(watch.deadline == nil, "how long the answer may take is not its affair")
      watch.answered(at: start + .seconds(63))
      #expect(watch.deadline == start + .seconds(73))
      if isHeard { watch.heard(at: start + .seconds(72)) }
      #expect(watch.due(at: start + .seconds(73), random: { 0 }) == (isHeard ? .nothing : .unheard))
    }
  }

  @Test("held, it probes after 1, 2, 4 … 30 s until one passes, and begins anew after 30 s of health")
  func holds() {
    var watch = ready()
    var now = start
    var pauses: [UInt64] = []
    for _ in 0..<8 {
      watch.held(at: now, isProbe: true)
      #expect(!watch.isReady)
      let next = watch.deadline ?? now
      pauses.append((next - now) / .seconds(1))
      #expect(watch.due(at: next, random: { 0 }) == .probe)
      watch.sent()
      now = next
    }
    #expect(pauses == [1, 2, 4, 8, 16, 30, 30, 30])
    watch.answered(at: now)
    watch.heard(at: now)
    let isProved = watch.concludes(at: now, random: { 0 })
    #expect(isProved && watch.isReady)
    // Where a probe passes and what is published does not, it is not tried every second for ever.
    var soon = watch
    soon.held(at: now + .seconds(29), isProbe: false)
    #expect(soon.deadline == now + .seconds(59))
    watch.held(at: now + .seconds(30), isProbe: false)
    #expect(watch.deadline == now + .seconds(31))
  }

  @Test("a probe that is out while something else is refused goes on, and no second one is sent")
  func heldMeanwhile() {
    var watch = PathWatch(openedAt: start)
    watch.sent()
    watch.held(at: start, isProbe: false)
    #expect(watch.due(at: start + .seconds(100), random: { 0 }) == .nothing)
    watch.answered(at: start)
    watch.heard(at: start)
    let isProved = watch.concludes(at: start, random: { 0 })
    #expect(isProved && watch.isReady)
  }
}
