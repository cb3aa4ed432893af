import Daemon
import EventLoop
import Network
import Ring
import System
import TestSupport
import Testing

@Suite("What the daemon says of Redis")
struct HoldTests {
  @Test("while a message is held back the page says waiting, whatever else goes through")
  func readyWhileHeld() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.refusal = { $0 == message("1") ? "BUSY x" : nil }
    try test.send(message("0"), message("1"), message("2"))
    try test.run()
    #expect(test.redis.published == [message("0")])
    #expect(try test.status().redis == .waiting)
    #expect(test.log(.notice).last == "Redis: Redis is not ready: BUSY x; messages wait until it can")
    test.redis.refusal = { _ in nil }
    try test.run(for: .seconds(2))
    #expect(try test.status().redis == .ready)
    #expect(test.redis.published == [message("0"), message("1"), message("2")])
  }

  @Test("a message that went through beside a refused probe does not end the hold")
  func heldByProbe() throws {
    let test = try SimulatedDaemon()
    try test.start()
    // From now on Redis knows the script by its name, and EVAL is the probe's alone.
    try test.send(message("before"))
    try test.run(for: .seconds(66))
    test.redis.isFrozen = true
    test.redis.errors["EVAL"] = "OOM x"
    try test.run(for: .seconds(3))
    try test.send(message("0"))
    try test.run()
    test.redis.isFrozen = false
    try test.run()
    #expect(test.redis.published == [message("before"), message("0")])
    #expect(try test.status().redis == .waiting)
    try test.run(for: .seconds(100))
    #expect(test.log().count == 1, "said once: \(test.log())")
  }

  @Test(
    "the hold ends also where what was held back has been taken away", arguments: ["rm outbox/new/*", "rm -r outbox"])
  func heldAndRemoved(how: String) throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.refusal = { _ in "BUSY x" }
    try test.send(message("0"))
    try test.run()
    #expect(try test.status().redis == .waiting)
    test.shell(how)
    test.redis.refusal = { _ in nil }
    try test.run(for: .seconds(60))
    #expect(try test.status().redis == .ready)
  }

  @Test("a link whose first probe was held says that it is connected when it passes, and the page knows at once")
  func heldAtFirst() throws {
    let test = try SimulatedDaemon()
    test.redis.errors["EVAL"] = "LOADING x"
    try test.start()
    #expect(try test.status().redis == .waiting)
    test.redis.errors = [:]
    try test.run(for: .seconds(2))
    #expect(test.log(.notice).last == "connected to Redis, subscribed to openclaw-chat")
    #expect(try test.status().redis == .ready)
  }

  @Test("a failure that differs only in its numbers, as a clock's, is said once")
  func changingNumbers() throws {
    let test = try SimulatedDaemon()
    for second in 0..<50 {
      test.redis.connectFault = .unresolved(host: "x", reason: "the clock says \(second)")
      if second == 0 { try test.start() } else { try test.run(for: .seconds(60)) }
    }
    #expect(test.redis.attempts > 50 && test.log().count == 1, "\(test.log())")
    test.redis.connectFault = .unresolved(host: "x", reason: "something else")
    try test.run(for: .seconds(60))
    #expect(test.log().count == 2)
  }

  @Test("what fails while a turn ends is on the page in that turn")
  func failsAtEndOfTurn() throws {
    let test = try SimulatedDaemon()
    try test.start()
    let commander = try #require(test.redis.commanders.first)
    commander.writeRoom = 0
    try test.send(message("0"))
    try test.run()
    test.redis.connectFault = .closed
    commander.fault = .closed
    try test.run()
    #expect(try test.status().redis == .waiting)
  }

  @Test("an outage begins when something fails, not when the link was first made")
  func sinceTheFailure() throws {
    let test = try SimulatedDaemon()
    try test.start()
    try test.run(for: .seconds(15))
    test.redis.refusal = { _ in "BUSY x" }
    let failed = test.world.wallClock() / 1000
    try test.send(message("0"))
    try test.run()
    #expect(try test.status().redisSince == failed)
  }

  @Test("what only a person can mend is marked as such, and SIGHUP tries again at once")
  func needsPerson() throws {
    let test = try SimulatedDaemon()
    test.redis.errors["HELLO"] = "NOAUTH Authentication required."
    try test.start()
    let refused = try test.status()
    #expect(refused.redisNeedsPerson && refused.redisError.contains("redis_url has no password"))
    test.redis.errors = [:]
    try test.run(for: .seconds(1))
    #expect(try test.status().redis == .waiting)
    test.daemon.received(.hangUp)
    try test.run()
    let mended = try test.status()
    #expect(mended.redis == .ready && !mended.redisNeedsPerson)
  }

  @Test("a message that was refused and then taken is said twice: that it waits, and that it does not")
  func refusedAndTaken() throws {
    let test = try SimulatedDaemon()
    try test.start()
    var tries = 0
    test.redis.refusal = { _ in
      tries += 1
      return "NOPERM no stream"
    }
    try test.send(message("0"))
    try test.run(for: .seconds(59))
    #expect(tries == 1, "that is tried again after a minute")
    test.redis.refusal = { _ in nil }
    try test.run(for: .seconds(1))
    #expect(test.redis.published == [message("0")])
    let said = test.log(.notice).suffix(2)
    #expect(said.first?.hasPrefix("Redis refuses a message: NOPERM no stream; README, ") == true)
    #expect(said.last == "messages leave the outbox again")
  }
}
