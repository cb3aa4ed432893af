import Network
import RedisLink
import System
import TestSupport
import Testing

@Suite("When the link tries again")
struct LinkBackoffTests {
  static let refused = TransportFault.system(SystemError(code: 111, call: "connect", subject: "127.0.0.1:6379"))

  @Test("the pauses begin below 250 ms and double to 30 s, anywhere between nothing and that")
  func doubles() throws {
    let test = try SimulatedLink()
    test.roll { .max }
    test.redis.connectFault = Self.refused
    test.link.start()
    try test.run(for: .seconds(200))
    let ceilings: [UInt64] = [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000].map { .milliseconds($0) }
    #expect(Array(test.log.delays.prefix(10)) == ceilings)
    // And they are waited for: each attempt is as long after the one before.
    let times = Set(test.redis.attemptTimes).sorted()
    for (index, ceiling) in ceilings.prefix(8).enumerated() {
      #expect(times[index + 1] - times[index] == ceiling)
    }

    let lucky = try SimulatedLink()
    var generator = SeededGenerator()
    lucky.roll { generator.next() }
    lucky.redis.connectFault = Self.refused
    lucky.link.start()
    try lucky.run(for: .seconds(3600))
    for (index, delay) in lucky.log.delays.enumerated() {
      #expect(delay <= ceilings[min(index, 9)], "\(generator)")
    }
    #expect(Set(lucky.log.delays).count > lucky.log.delays.count / 2, "\(generator)")
  }

  @Test("a server that is away is asked a few times a minute, not in a loop")
  func noHotLoop() throws {
    let test = try SimulatedLink()
    var generator = SeededGenerator()
    test.roll { generator.next() }
    test.redis.connectFault = Self.refused
    test.link.start()
    let turns = try test.run(for: .seconds(3600))
    // Full jitter: 15 s on average. Two turns for each attempt, one that dials and one that waited.
    #expect(test.log.delays.count < 600, "\(generator)")
    #expect(turns <= 2 * test.log.delays.count + 2, "\(generator)")
  }

  @Test("wrong credentials are tried again after a minute at the earliest")
  func wrongPassword() throws {
    let test = try SimulatedLink(RedisLogin(password: "wrong"))
    test.redis.password = "right"
    test.link.start()
    try test.run(for: .seconds(60) - 1)
    #expect(test.log.delays == [.seconds(60)])
    #expect(test.redis.attempts == 1)
    try test.run(for: 1)
    #expect(test.redis.attempts == 2)
  }

  @Test("a link that drops soon after it was ready is not tried as fast as a first failure; after 30 s of health it is")
  func resets() throws {
    let test = try SimulatedLink()
    test.roll { .max }
    try test.startUp()
    for expected: UInt64 in [250, 500, 1000, 2000] {
      try test.run(for: .seconds(29))
      try test.subscriber.end()
      try test.run(for: .milliseconds(expected))
      #expect(test.log.delays.last == .milliseconds(expected))
      #expect(test.link.isReady)
    }
    try test.run(for: .seconds(30))
    try test.subscriber.end()
    try test.run()
    #expect(test.log.delays.last == 0, "such a drop is tried again at once, once")
    try test.subscriber.end()
    try test.run()
    #expect(test.log.delays.last == .milliseconds(250))
  }

  @Test("after stop nobody is told anything, and nothing is left in the loop", arguments: 0..<5)
  func stops(stage: Int) throws {
    let test = try SimulatedLink()
    test.roll { .max }
    switch stage {
    case 0: test.redis.connectsNever = true
    case 1: test.redis.ignoredCommands = ["HELLO"]
    case 2: test.redis.ignoredCommands = ["SUBSCRIBE"]
    case 3: test.redis.connectFault = Self.refused
    default: break
    }
    test.link.start()
    if stage != 0 { try test.run() } else { try test.world.run(test.loop) }
    let told = test.log.events
    if test.link.isReady {
      test.redis.publish("unheard")
      test.publish("unanswered")
    }
    test.link.stop()
    #expect(test.redis.open.isEmpty && test.world.watchedDevices == 0)
    let turns = try test.run(for: .seconds(3600))
    #expect(turns == 0, "no timer is left")
    #expect(test.log.events == told && test.log.messages == [] && test.log.batches == [])
    #expect(test.world.mistakes == [])
    // And it can be started again.
    test.redis.connectsNever = false
    test.redis.connectFault = nil
    test.redis.ignoredCommands = []
    test.link.start()
    try test.run()
    #expect(test.link.isReady)
  }

  @Test("a dial that hangs is given up after its own deadline")
  func hangingDial() throws {
    let test = try SimulatedLink()
    test.redis.connectsNever = true
    test.link.start()
    try test.run(for: .seconds(5))
    #expect(test.log.events == ["down"])
    guard case .dialing(let failure) = try #require(test.log.failures.first) else {
      Issue.record("\(test.log.failures)")
      return
    }
    #expect(failure.faults == [.timedOut(activity: "connecting to 127.0.0.1:6379", after: .seconds(5))])
    let closed = test.redis.connections.prefix(1).map { $0.isClosed }
    #expect(closed == [true])
    #expect(test.world.mistakes == [])
  }
}
