import Bytes
import Inbox
import Message
import Ring
import TestSupport
import Testing

@Suite("The tally")
struct TallyTests {
  private func tally(_ queue: borrowing Queue, _ name: String? = nil) throws -> Tally {
    var consumer = try queue.consumer(name, readOnly: true)
    let tally = try consumer.tally()
    #expect(tally.unread + tally.lost <= tally.total)
    #expect(tally.read == tally.total - tally.unread - tally.lost)
    return tally
  }

  @Test("counts what was given, what waits and what is lost, before and after reading")
  func counts() throws {
    var queue = try Queue()
    var now = try tally(queue)
    #expect(now.total == 0)
    try queue.append(4)
    try queue.lose(3, .trimmed)
    try queue.append(2)
    now = try tally(queue)
    #expect(now.total == 9 && now.unread == 6 && now.lost == 3 && now.read == 0)
    try queue.get(nil, BatchLimits(entries: 2, bytes: .max))
    now = try tally(queue)
    #expect(now.total == 9 && now.unread == 4 && now.lost == 3 && now.read == 2)
    try queue.get()
    now = try tally(queue)
    #expect(now.total == 9 && now.unread == 0 && now.lost == 3 && now.read == 6)
  }

  @Test("a loss of unknown number counts for the number that it occupies")
  func uncounted() throws {
    var queue = try Queue()
    try queue.append(2)
    try queue.lose(1, .resetUnknown)
    try queue.append(1)
    for unread: UInt64 in [3, 0] {
      let now = try tally(queue)
      #expect(now.total == 4 && now.unread == unread && now.lost == 1)
      try queue.get()
    }
  }

  @Test("what a filter passes over is not unread")
  func filtered() throws {
    var queue = try Queue()
    try queue.append(2, from: "elon")
    try queue.append(3, from: "ann")
    let now = try tally(queue, "elon")
    #expect(now.total == 5 && now.unread == 3 && now.lost == 0)
  }

  @Test("a consumer that never read has read nothing of what was overwritten before it came")
  func newcomer() throws {
    var queue = try Queue()
    try queue.append(3)
    try queue.lap()
    let now = try tally(queue, "bob")
    #expect(now.read == 0 && now.lost == 0 && now.total == now.unread && now.total > 0)
    let first = try tally(queue)
    #expect(first.read == 0 && first.lost > 0 && first.total == queue.writer.nextSequence - 1)
  }

  @Test("a cursor of a queue that is gone counts nothing of it")
  func newQueue() throws {
    var queue = try Queue()
    try queue.append(3)
    try queue.lap()
    // Began beyond 1, and lost something there.
    try queue.get("bob")
    try queue.lose(5, .trimmed)
    try queue.get("bob")
    try queue.replace()
    try queue.append(4)
    let now = try tally(queue, "bob")
    #expect(now.total == 4 && now.unread == 4 && now.lost == 0 && now.read == 0)
  }
}

@Suite("The daemon's health")
struct DaemonHealthTests {
  static let second: UInt64 = 1_000_000
  static let start: UInt64 = 1_700_000_000 * second

  private func status(_ redis: RedisState, since: UInt64 = start, error: String = "") -> DaemonStatus {
    var status = DaemonStatus(pid: 77, version: 1, startedAt: Self.start, heartbeatAt: Self.start)
    status.redis = redis
    status.redisSince = since
    status.redisError = error
    return status
  }

  private func health(_ status: DaemonStatus?, after seconds: UInt64, isLocked: Bool = true) -> DaemonHealth {
    DaemonHealth(isLocked: isLocked, status: status, now: Self.start + seconds * Self.second)
  }

  @Test("nothing is said of one that works", arguments: [RedisState.off, .ready])
  func fine(redis: RedisState) {
    for seconds in [0, 30, 90] as [UInt64] {
      let health = health(status(redis), after: seconds)
      #expect(health.state == .running && health.complaint == nil)
    }
  }

  @Test("without the lock it is stopped, whatever its page says; the line names the command that starts it")
  func stopped() throws {
    let fresh = health(status(.ready), after: 1, isLocked: false)
    #expect(fresh.state == .stopped)
    let line = try #require(fresh.complaint)
    #expect(line.contains("not running (last seen ") && line.contains("clawd run") && !line.contains("\n"))
    // One that holds the lock has not begun before it says so on the page.
    var left = status(.ready)
    left.isStopped = true
    #expect(health(left, after: 1).state == .stopped && health(nil, after: 1).state == .stopped)
    let never = try #require(health(nil, after: 0, isLocked: false).complaint)
    #expect(never.contains("not running:"), "nobody knows since when")
  }

  @Test("a Redis that will not come back by itself is said at once")
  func needsPerson() throws {
    var refused = status(.waiting, error: "WRONGPASS x")
    #expect(health(refused, after: 1).complaint == nil)
    refused.redisNeedsPerson = true
    let line = try #require(health(refused, after: 0).complaint)
    #expect(line.contains("WRONGPASS x") && line.contains("redis_url"))
  }

  @Test("after 90 s without a heartbeat it hangs, and not before")
  func hung() throws {
    #expect(health(status(.ready), after: 90).state == .running)
    let hung = DaemonHealth(isLocked: true, status: status(.ready), now: Self.start + 90 * Self.second + 1)
    #expect(hung.state == .hung)
    let line = try #require(hung.complaint)
    #expect(line.contains("pid 77") && line.contains("since ") && line.contains("restart"))
  }

  @Test(
    "a Redis that was unusable for more than 60 s is told, with the reason",
    arguments: [RedisState.connecting, .waiting])
  func outage(redis: RedisState) throws {
    #expect(health(status(redis), after: 60).complaint == nil)
    let line = try #require(health(status(redis, error: "refused"), after: 61).complaint)
    #expect(line.hasPrefix("Redis is unusable since ") && line.contains("(refused)") && line.contains("clawq status"))
  }

  @Test("a catch-up that takes long is told with how far it has come, and not as an outage")
  func catchingUp() throws {
    var status = status(.catchingUp, error: "refused")
    #expect(health(status, after: 60).complaint == nil)
    for (done, total, text) in [
      (12_000, 100_000, "(12,000 of about 100,000)"), (0, 0, "(0 so far)"), (999, 0, "(999 so far)"),
      (1_234_567, 1000, "(1,234,567 of about 1,234,567)"),
    ] as [(UInt64, UInt64, String)] {
      status.catchUpDone = done
      status.catchUpTotal = total
      let line = try #require(health(status, after: 61).complaint)
      #expect(line.hasPrefix("clawd is catching up with Redis since ") && line.contains(text))
      #expect(!line.contains("unusable") && !line.contains("refused"))
    }
    let progress = health(status, after: 1).progress
    #expect(progress?.done == 1_234_567 && progress?.total == 1_234_567, "more than was thought")
    #expect(health(status, after: 1, isLocked: false).progress == nil, "one that is gone catches up with nothing")
    status.redis = .ready
    #expect(health(status, after: 1).progress == nil)
  }

  @Test("what holds a message up is known at once, before it is a complaint")
  func hindrance() throws {
    #expect(health(status(.ready), after: 1).hindrance == nil && health(status(.off), after: 1).hindrance == nil)
    let waiting = health(status(.waiting, error: "refused"), after: 1)
    #expect(waiting.complaint == nil)
    #expect(waiting.hindrance?.hasPrefix("Redis is unusable since ") == true)
    #expect(waiting.hindrance?.contains("(refused)") == true)
    #expect(health(status(.catchingUp), after: 1).hindrance?.hasPrefix("clawd is catching up") == true)
    #expect(health(nil, after: 1).hindrance?.contains("start") == true, "it has its lock, and has said nothing yet")
    for health in [health(status(.ready), after: 1, isLocked: false), health(status(.ready), after: 91)] {
      #expect(health.hindrance != nil && health.hindrance == health.complaint)
    }
  }

  @Test("a clock that was set back makes nothing hang and nothing trap")
  func setBack() {
    for now in [0, 1, Self.start - Self.second] as [UInt64] {
      let health = DaemonHealth(isLocked: true, status: status(.waiting), now: now)
      #expect(health.state == .running && health.complaint == nil)
      #expect(DaemonHealth(isLocked: false, status: status(.waiting), now: now).complaint != nil)
    }
    var broken = status(.waiting, since: .max)
    broken.heartbeatAt = .max
    #expect(DaemonHealth(isLocked: true, status: broken, now: 5).complaint == nil)
    #expect(DaemonHealth(isLocked: false, status: broken, now: 5).complaint != nil)
  }
}
