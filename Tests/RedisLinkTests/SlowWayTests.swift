import Network
import RedisLink
import System
import TestSupport
import Testing

@Suite("A link whose way is slow")
struct SlowWayTests {
  @Test("an answer on a slow way is waited for as long as something gets through, and no longer")
  func slowWay() throws {
    let test = try SimulatedLink()
    try test.startUp()
    let commander = try test.commander
    commander.isSilenced = true
    commander.unacknowledged = 1_000_000
    test.publish("a")
    for left in [900_000, 500_000, 10] {
      try test.run(for: .seconds(10))
      commander.unacknowledged = left
      #expect(test.log.events == ["ready"])
    }
    try test.run(for: .seconds(10))
    #expect(test.log.events == ["ready"])
    try test.run(for: .seconds(10))
    #expect(test.log.failures == [.noAnswer(to: "EVALSHA", after: .seconds(50))], "the true time is said")
  }

  @Test("on a slow way what is asked meanwhile does not count against what gets through")
  func slowWayAndMore() throws {
    let test = try SimulatedLink()
    try test.startUp()
    let commander = try test.commander
    commander.isSilenced = true
    commander.unacknowledged = 20_000
    test.publish("a")
    try test.run(for: .seconds(10))
    // A part of it gets through, and more than that is written beside it.
    let before = commander.writes.reduce(0, +)
    for _ in 0..<100 { test.link.fetch(.length) }
    test.link.turnEnded()
    let written = commander.writes.reduce(0, +) - before
    #expect(written > 1000)
    commander.unacknowledged = 20_000 + written - 1000
    try test.run(for: .seconds(10))
    #expect(test.log.events == ["ready"])
    try test.run(for: .seconds(10))
    #expect(test.log.events == ["ready", "down", "ready"], "now nothing did")
  }

  @Test("an answer ends what was known of the way: the next command has its own ten seconds")
  func slowWayOnce() throws {
    let test = try SimulatedLink()
    try test.startUp()
    let commander = try test.commander
    test.redis.holdsAnswers = true
    commander.unacknowledged = 1000
    test.publish("a")
    try test.run(for: .seconds(15))
    test.redis.releaseAnswers()
    try test.run()
    commander.unacknowledged = 0
    test.publish("b")
    try test.run(for: .seconds(10) - 1)
    #expect(test.log.events == ["ready"])
    // Slow again, and for the first time: that is waited for, whatever was under way before.
    commander.unacknowledged = 5000
    try test.run(for: 1)
    #expect(test.log.events == ["ready"])
    try test.run(for: .seconds(10))
    #expect(test.log.failures == [.noAnswer(to: "EVALSHA", after: .seconds(20))])
  }

  @Test("a probe behind a large message that comes in slowly is waited for; when that stops, it is not")
  func slowMessage() throws {
    let test = try SimulatedLink()
    try test.startUp()
    let subscriber = try test.subscriber
    // The probe's echo stands behind the message: it is sent by hand when that is through.
    test.redis.isDeaf = true
    subscriber.send(">3\r\n$7\r\nmessage\r\n$13\r\nopenclaw-chat\r\n$4000000\r\n")
    for _ in 0..<80 {
      subscriber.send(String(repeating: "x", count: 50_000))
      try test.run(for: .seconds(1))
    }
    subscriber.send("\r\n")
    subscriber.send(subscriber.pubsub("message", SimulatedRedis.probeChannel, SimulatedRedis.bulk(":")))
    try test.run()
    #expect(test.log.events == ["ready"] && test.log.messages.count == 1)

    subscriber.send(">3\r\n$7\r\nmessage\r\n$13\r\nopenclaw-chat\r\n$4000000\r\n")
    try test.run(for: .seconds(90))
    #expect(test.log.failures.first == .unheard(after: .seconds(10)))
  }

  @Test(
    "behind a proxy that takes all and passes it on slowly, a large message has the time that it needs, and then no more"
  )
  func slowProxy() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.isFrozen = true
    test.publish(String(repeating: "a", count: 1_000_000))
    try test.run(for: .seconds(65))
    #expect(test.log.events == ["ready"])
    test.redis.isFrozen = false
    try test.run()
    #expect(test.log.outcomes.map(\.isArrived) == [true])
    test.redis.isFrozen = true
    test.publish(String(repeating: "a", count: 1_000_000))
    try test.run(for: .seconds(70))
    #expect(test.log.events == ["ready", "down"])
  }
}
