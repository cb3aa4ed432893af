import EventLoop
import Network
import RedisLink
import System
import TestSupport
import Testing

@Suite("A link that is never silently dead")
struct LinkPathTests {
  /// An idle link, whose next probe is due 60 s after `startUp`.
  private func idle() throws -> SimulatedLink {
    let test = try SimulatedLink()
    try test.startUp()
    try test.run(for: .seconds(60) - 1)
    #expect(test.log.events == ["ready"])
    return test
  }

  @Test("a server that stands still is noticed 70 s after it was last heard, by the answer that does not come")
  func frozen() throws {
    let test = try idle()
    test.redis.isFrozen = true
    try test.run(for: .seconds(10))
    #expect(test.log.events == ["ready"])
    try test.run(for: 1)
    #expect(test.log.failures == [.noAnswer(to: "EVAL", after: .seconds(10))])
    // While it stands still, each attempt waits for HELLO; when it goes on, the next one succeeds.
    try test.run(for: .seconds(30))
    #expect(test.log.failures.dropFirst().allSatisfy { $0 == .noAnswer(to: "HELLO", after: .seconds(10)) })
    test.redis.isFrozen = false
    try test.run(for: .seconds(11))
    #expect(test.link.isReady && test.redis.open.count == 2 && test.world.mistakes == [])
  }

  @Test("what is published and not answered within 10 s costs the link, and not the message")
  func unansweredPublish() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.isFrozen = true
    test.publish("a")
    try test.run(for: .seconds(10) - 1)
    #expect(test.log.events == ["ready"])
    try test.run(for: 1)
    #expect(test.log.failures == [.noAnswer(to: "EVALSHA", after: .seconds(10))])
    #expect(test.log.batches == [] && test.log.refused.isEmpty)
  }

  @Test("a server that answers and delivers nothing is noticed 10 s after its answer")
  func deaf() throws {
    let test = try idle()
    test.redis.isDeaf = true
    try test.run(for: .seconds(10))
    #expect(test.log.events == ["ready"])
    try test.run(for: 1)
    #expect(test.log.failures == [.unheard(after: .seconds(10))])
    // And it is not taken for ready again as long as it is so.
    try test.run(for: .seconds(300))
    #expect(test.log.events.filter { $0 == "ready" }.count == 1)
    test.redis.isDeaf = false
    try test.run(for: .seconds(41))
    #expect(test.link.isReady)
  }

  @Test("silence in one direction is noticed, on either connection", arguments: [true, false])
  func oneWay(isSubscriber: Bool) throws {
    let test = try idle()
    (isSubscriber ? try test.subscriber : try test.commander).isSilenced = true
    try test.run(for: .seconds(11))
    #expect(
      test.log.failures.first
        == (isSubscriber ? .unheard(after: .seconds(10)) : .noAnswer(to: "EVAL", after: .seconds(10))))
    #expect(test.link.isReady, "a new connection mends it, at once after so long a health")
  }

  @Test("anyone's message puts the probe off; without any there is one a minute")
  func trafficIsProof() throws {
    let test = try SimulatedLink()
    var generator = SeededGenerator()
    test.roll { generator.next() }
    try test.startUp()
    for _ in 0..<100 {
      try test.run(for: .seconds(59))
      test.redis.publish("x")
    }
    #expect(test.redis.probeTimes.count == 1, "\(generator)")
    try test.run(for: .seconds(3600))
    let pauses = zip(test.redis.probeTimes.dropFirst(), test.redis.probeTimes.dropFirst(2)).map { $1 - $0 }
    #expect(pauses.allSatisfy { $0 >= .seconds(60) && $0 <= .seconds(75) }, "\(generator)")
    #expect(Set(pauses).count > pauses.count / 2, "\(generator)")
  }

  @Test("ten idle daemons share one probe a minute: less than 100,000 commands a month, all told")
  func monthlyBill() throws {
    let world = try SimulatedWorld()
    let redis = SimulatedRedis(world)
    var generator = SeededGenerator()
    let loop = EventLoop(poller: world)
    let all = (0..<10).map { _ in SimulatedLink(world: world, redis: redis, loop: loop, random: { generator.next() }) }
    for one in all { one.link.start() }
    let days: UInt64 = 2
    try world.run(loop, for: days * .seconds(86_400), atMost: 1_000_000)
    let commands = redis.commandCounts.values.reduce(0, +)
    #expect(commands * 31 / Int(days) < 100_000, "\(redis.commandCounts) \(generator)")
    #expect(redis.commandCounts["EVAL", default: 0] > 1300 * Int(days), "they do probe: \(redis.commandCounts)")
    for one in all { #expect(one.log.events == ["ready"]) }
    for one in all { one.link.stop() }
  }

  @Test("while Redis loads, the link stays, hears, holds back, and asks again after 1, 2, 4 … 30 s")
  func loading() throws {
    let test = try SimulatedLink()
    test.redis.errors["EVAL"] = "LOADING Redis is loading the dataset in memory"
    test.link.start()
    try test.run(for: .seconds(62))
    #expect(test.log.events == Array(repeating: "held", count: 7), "at 0, 1, 3, 7, 15, 31 and 61 s")
    #expect(test.log.holds.allSatisfy { $0.kind == .notReady } && !test.link.isReady && !test.link.canPublish)
    test.redis.publish("heard")
    try test.run()
    #expect(test.log.messages == ["heard"] && test.redis.attempts == 2)
    test.redis.errors = [:]
    try test.run(for: .seconds(30))
    #expect(test.link.isReady && test.log.events.last == "ready" && test.redis.attempts == 2)
  }

  @Test(
    "what Redis cannot take now is held, and the link stays, for each such error",
    arguments: [
      "LOADING x", "MASTERDOWN x", "BUSY x", "TRYAGAIN x", "CLUSTERDOWN x", "OOM x", "NOREPLICAS x", "MISCONF x",
    ])
  func holds(error: String) throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.refusal = { _ in error }
    test.publish("a", "b")
    try test.run()
    #expect(test.log.outcomes.map { $0.refusal == nil } == [false, true] && test.log.outcomes.last == .notTried)
    #expect(test.log.all == ["ready", "published", "held"])
    #expect(!test.link.isReady && !test.link.canPublish && test.redis.open.count == 2)
    test.redis.refusal = { _ in nil }
    try test.run(for: .seconds(1))
    #expect(test.link.isReady && test.redis.attempts == 2 && test.log.failures == [])
  }

  /// As Redis 7 and as Redis 6 say it of a script.
  static let readOnly = [
    "READONLY You can't write against a read only replica.",
    "ERR Error running script (call to f_8a1c): @user_script:1: @user_script: 1: -READONLY You can't write against a "
      + "read only replica.",
  ]

  @Test(
    "a server that became a replica is left, at the next probe or message", arguments: [readOnly[0], readOnly[1], nil])
  func demoted(probeSays: String?) throws {
    let test = try idle()
    test.roll { .max }
    let byProbe = probeSays != nil
    if let probeSays {
      test.redis.errors["EVAL"] = probeSays
    } else {
      test.redis.refusal = { _ in "READONLY You can't write against a read only replica." }
      test.publish("a")
    }
    try test.run(for: byProbe ? 1 : 0)
    #expect(test.log.failures.first?.fault == .refused(.readOnly))
    #expect(test.redis.connections.prefix(2).allSatisfy { $0.isClosed }, "both")
  }

  @Test(
    "what only a person can mend is tried once a minute; a used-up quota every quarter of an hour",
    arguments: [
      ("NOAUTH Authentication required.", 60), ("ERR max requests limit exceeded. Limit: 1, Usage: 1", 900),
    ] as [(String, UInt64)])
  func slowRetries(error: String, least: UInt64) throws {
    for command in ["HELLO", "SUBSCRIBE", "EVAL"] {
      let test = try SimulatedLink()
      var generator = SeededGenerator()
      test.roll { generator.next() }
      test.redis.errors[command] = error
      test.link.start()
      try test.run(for: .seconds(3600))
      let attempts = Set(test.redis.attemptTimes).sorted()
      let pauses = zip(attempts, attempts.dropFirst()).map { $1 - $0 }
      #expect(pauses.allSatisfy { $0 >= .seconds(least) && $0 <= .seconds(least + 30) }, "\(command) \(generator)")
      #expect(pauses.count >= 3600 / Int(least + 30), "\(command)")
    }
  }

  @Test("each way to probe that is refused gives way to a weaker one, which proves the path all the same")
  func degrades() throws {
    let test = try SimulatedLink()
    test.redis.knowsMark = true
    try test.startUp()
    #expect(test.redis.commandCounts["EVAL"] == 1, "Upstash takes the marked script")

    let plain = try SimulatedLink()
    try plain.startUp()
    try plain.subscriber.end()
    try plain.run()
    #expect(
      plain.redis.commandCounts["EVAL"] == 3, "that it does not know the mark is tried once, not at each connection")
    #expect(plain.log.probes == [])

    let noScript = try SimulatedLink()
    noScript.redis.errors["EVAL"] = "NOPERM this user has no permissions to run the 'eval' command"
    try noScript.startUp()
    #expect(noScript.log.probes == [.publish])
    noScript.redis.isDeaf = true
    try noScript.run(for: .seconds(71))
    #expect(noScript.log.failures == [.unheard(after: .seconds(10))])

    let noProbes = try SimulatedLink()
    noProbes.redis.forbidsProbes = true
    try noProbes.startUp()
    #expect(noProbes.log.probes == [.ping] && noProbes.redis.commandCounts["EVAL"] == nil)
    #expect(try noProbes.subscriber.channels == ["openclaw-chat"])
    try noProbes.run(for: .seconds(3600))
    #expect(noProbes.log.events == ["ready"])
    try noProbes.subscriber.isSilenced = true
    try noProbes.run(for: .seconds(71))
    #expect(noProbes.log.failures == [.unheard(after: .seconds(10))])
  }

  @Test("that the script's mark is unknown is remembered only where the script without it is taken")
  func markForgotten() throws {
    let test = try SimulatedLink()
    test.redis.knowsMark = true
    test.redis.errors["EVAL"] = "ERR internal error, try again"
    test.link.start()
    try test.run()
    #expect(test.log.probes == [.publish], "what was tried and refused on the way there is not said")
    test.redis.errors = [:]
    try test.subscriber.end()
    try test.run()
    let evals = try test.commander.commands.filter { $0.hasPrefix("EVAL") }
    #expect(evals.count == 1 && evals[0].contains("allow-key-locking"))
  }

  @Test("PING proves both connections in RESP2, too, and a refused PING is an answer")
  func pings() throws {
    let test = try SimulatedLink()
    test.redis.knowsHello = false
    test.redis.forbidsProbes = true
    try test.startUp()
    let other = try SimulatedLink()
    other.redis.forbidsProbes = true
    other.redis.errors["PING"] = "NOPERM this user has no permissions to run the 'ping' command"
    try other.startUp()
    try other.run(for: .seconds(600))
    #expect(other.log.events == ["ready"])
  }

  @Test(
    "each step of connecting has its deadline, and says what was awaited", arguments: ["HELLO", "SUBSCRIBE", "EVAL"])
  func deadlines(command: String) throws {
    let test = try SimulatedLink()
    test.roll { .max }
    test.redis.ignoredCommands = [command]
    test.link.start()
    try test.run(for: .seconds(10) - 1)
    #expect(test.log.events == [])
    try test.run(for: 1)
    #expect(test.log.failures == [.noAnswer(to: command, after: .seconds(10))])
    test.redis.ignoredCommands = []
    try test.run(for: .seconds(1))
    #expect(test.log.events == ["down", "ready"])
    try test.run(for: .seconds(120))
    #expect(test.log.events == ["down", "ready"], "the deadline went with the link that met it")
  }

  @Test("a server that says this and that, and never the answer, does not hold up the handshake")
  func chatter() throws {
    let test = try SimulatedLink()
    test.roll { .max }
    test.redis.ignoredCommands = ["HELLO"]
    test.link.start()
    try test.run(for: .seconds(9))
    for connection in test.redis.open { connection.send(">1\r\n+x\r\n") }
    try test.run(for: .seconds(1))
    #expect(test.log.failures == [.noAnswer(to: "HELLO", after: .seconds(10))])
  }

  @Test("reading that had to wait until it could be written leaves nothing that is ready for ever")
  func readWaitsToWrite() throws {
    let test = try SimulatedLink()
    test.redis.readsAhead = true
    test.redis.readChunk = 70
    try test.startUp()
    let subscriber = try test.subscriber
    test.log.onMessage = {
      test.log.onMessage = {}
      subscriber.readsWaitToWrite = true
      subscriber.writeRoom = 0
    }
    for _ in 0..<4 { test.redis.publish("0123456789") }
    try test.run()
    #expect(test.world.interest(in: subscriber.rawDescriptor) == .both && test.log.messages.count < 4)
    subscriber.writeRoom = .max
    subscriber.readsWaitToWrite = false
    try test.run()
    #expect(test.world.interest(in: subscriber.rawDescriptor) == .readable && test.log.messages.count == 4)
  }

  @Test("a drop at any moment of connecting is one failure, and the next attempt begins from the start")
  func dropsWhileConnecting() throws {
    for dropAt in ["HELLO", "SUBSCRIBE", "EVAL"] {
      for isSecondDrop in [false, true] {
        let test = try SimulatedLink()
        test.redis.ignoredCommands = [dropAt]
        test.link.start()
        try test.run()
        for connection in test.redis.open { connection.end() }
        if isSecondDrop {
          try test.run()
          for connection in test.redis.open { connection.end() }
        }
        test.redis.ignoredCommands = []
        try test.run(for: .seconds(1))
        #expect(test.log.events.last == "ready" && test.redis.subscribers.count == 1, "\(dropAt)")
        #expect(test.log.events.filter { $0 == "down" }.count == (isSecondDrop ? 2 : 1), "\(dropAt)")
        test.redis.publish("heard once")
        try test.run()
        #expect(test.log.messages == ["heard once"], "\(dropAt)")
        #expect(test.world.mistakes == [])
      }
    }
  }

  @Test("what answers in another protocol is named")
  func foreignProtocols() throws {
    for (bytes, word) in [
      ([21, 3, 3, 0, 2, 2, 70] as [UInt8], "rediss://"), (Array("HTTP/1.1 400 Bad\r\n".utf8), "HTTP"),
    ] {
      let test = try SimulatedLink()
      test.redis.ignoredCommands = ["HELLO"]
      test.link.start()
      try test.run()
      try #require(test.redis.open.first).send(bytes)
      try test.run()
      let said = try #require(test.log.failures.first).description
      #expect(said.contains(word), "\(said)")
    }
    let test = try SimulatedLink()
    test.redis.ignoredCommands = ["HELLO"]
    test.link.start()
    try test.run()
    try #require(test.redis.open.first).fault = .system(SystemError(code: 104, call: "recv"))
    try test.run()
    #expect(test.log.failures.first == .closedDuringHandshake(mayWantTLS: true), "what it did not even read")
    try #require(test.redis.open.first).end()
    try test.run()
    #expect(test.log.failures.first == .closedDuringHandshake(mayWantTLS: true))
  }
}
