import Bytes
import EventLoop
import Network
import RESP
import RedisLink
import System
import TestSupport
import Testing

@Suite("The link to Redis")
struct LinkTests {
  @Test("greets in RESP3, subscribes on one connection only, and is ready when a probe has come back")
  func connects() throws {
    let test = try SimulatedLink(RedisLogin(user: "u", password: "pw", database: 3, clientName: "me"))
    test.redis.password = "pw"
    try test.startUp()
    #expect(test.log.events == ["ready"])
    #expect(try test.subscriber.commands == ["HELLO 3 AUTH u pw SETNAME me", "SELECT 3", subscribes])
    let commands = try test.commander.commands
    #expect(commands.prefix(2) == ["HELLO 3 AUTH u pw SETNAME me", "SELECT 3"])
    #expect(commands.dropFirst(2).allSatisfy { $0.hasPrefix("EVAL ") } && commands.count == 4)
    #expect(test.redis.open.count == 2)
    #expect(test.world.mistakes == [])
  }

  @Test("falls back to RESP2 where HELLO is unknown, and hears messages in it")
  func fallsBack() throws {
    let test = try SimulatedLink(RedisLogin(password: "pw", clientName: "me"))
    test.redis.knowsHello = false
    test.redis.password = "pw"
    try test.startUp()
    #expect(
      try test.commander.commands.prefix(3) == ["HELLO 3 AUTH default pw SETNAME me", "AUTH pw", "CLIENT SETNAME me"])
    test.redis.publish("hello")
    try test.run()
    #expect(test.log.messages == ["hello"])
  }

  @Test("a ready link that has nothing to do probes once a minute and does nothing else")
  func idles() throws {
    let test = try SimulatedLink()
    try test.startUp()
    // Three turns each: the probe goes out, is answered on the one connection, is heard on the other.
    #expect(try test.run(for: .seconds(3600)) <= 180)
    #expect(
      test.redis.commandCounts["EVAL"] == 62, "one for each minute, one at first, and the one that was not compiled")
  }

  @Test(
    "handshake and messages come through in order, however the bytes are cut",
    arguments: [1, 2, 3, 7, 64, Int.max])
  func drips(chunk: Int) throws {
    let test = try SimulatedLink()
    test.redis.readChunk = chunk
    test.link.start()
    try test.run()
    let messages = (0..<40).map { "message \($0) \r\n *3\r\n" + String(repeating: "x", count: $0 * 7) } + [""]
    for message in messages { test.redis.publish(message) }
    try test.run()
    #expect(test.log.messages == messages)
    test.publish(objects: (0..<10).map { object("own \($0)") })
    try test.run()
    #expect(test.log.outcomes.map(\.number) == Array(1...10) && test.log.outcomes.allSatisfy(\.isArrived))
    #expect(test.log.messages == test.redis.announced && test.log.messages.count == messages.count + 10)
    #expect(test.log.messages.last?.hasPrefix(#"{"text":"own 9","bus":"0000"#) == true, "with its place in the stream")
    #expect(test.log.events == ["ready"])
  }

  @Test("a batch, and all that is asked in the same turn, is written at once, as one command each")
  func batches() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.publish("teaches the script")
    try test.run()
    let before = try test.commander.writes.count
    let objects = (0..<20).map { object("m\($0)") }
    for text in objects { test.link.batch.append(Array(text.utf8).span) }
    test.link.publishBatch()
    test.link.fetch(.length)
    test.redis.publish("wakes the loop")
    try test.run()
    #expect(try test.commander.writes.count == before + 1)
    #expect(test.log.outcomes.map(\.number) == Array(1...21))
    #expect(Array(test.redis.published.dropFirst()) == objects && test.redis.commandCounts["EVALSHA"] == 2)
    #expect(test.log.answers == ["length 21"])
  }

  @Test("nothing may be published before the subscription is confirmed")
  func waitsForSubscription() throws {
    let test = try SimulatedLink()
    test.redis.ignoredCommands = ["SUBSCRIBE"]
    test.link.start()
    try test.run(for: .seconds(5))
    #expect(test.redis.open.count == 1, "whoever is refused is refused once")
    #expect(!test.link.isReady && !test.link.canPublish && test.log.events == [])
    let subscriber = try #require(test.redis.open.first { $0.commands.contains(subscribes) })
    test.redis.ignoredCommands = []
    test.redis.serve(["SUBSCRIBE", "openclaw-chat", SimulatedRedis.probeChannel], subscriber)
    try test.run()
    #expect(test.link.isReady && test.link.canPublish)
    #expect(test.redis.published == [])
  }

  @Test("nor before the other connection is greeted, and the probe has come back")
  func waitsForCommander() throws {
    let test = try SimulatedLink()
    test.link.start()
    test.redis.errors["EVAL"] = "ERR unknown command 'EVAL'"
    test.redis.ignoredCommands = ["PUBLISH"]
    try test.run()
    #expect(test.redis.open.count == 2 && test.redis.subscribers.count == 1)
    #expect(!test.link.isReady && !test.link.canPublish && test.log.events == [])
    test.redis.publish("heard already")
    try test.run()
    #expect(test.log.messages == ["heard already"] && !test.link.isReady, "that is no answer")
    try test.commander.send(":1\r\n")
    try test.run()
    #expect(test.link.isReady)
  }

  @Test("the second connection goes to the address that the first one found")
  func sameServer() throws {
    let world = try SimulatedWorld()
    let loop = EventLoop(poller: world)
    let redis = SimulatedRedis(world)
    final class Names: Resolver, TimerHandler {
      var lookups = 0
      var answer: () -> Void = {}
      let loop: EventLoop
      init(_ loop: EventLoop) { self.loop = loop }
      func resolve(
        _ host: String, port: UInt16, _ handler: any ResolutionHandler
      ) throws(TransportFault) -> ResolutionToken {
        lookups += 1
        let token = ResolutionToken(raw: UInt64(lookups))
        // The order changes from lookup to lookup, as it does with several servers behind a name.
        let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].compactMap { SocketAddress(numericHost: $0, port: port) }
        let turned = Array(addresses[(lookups % 3)...] + addresses[..<(lookups % 3)])
        answer = { handler.resolved(turned, token) }
        _ = loop.arm(at: loop.now, self)
        return token
      }
      func cancel(_ token: ResolutionToken) { answer = {} }
      func timerFired(_ token: TimerToken) { answer() }
    }
    var tried: [String] = []
    let names = Names(loop)
    let log = LinkLog()
    let target = RedisTarget(
      endpoint: .tcp(host: "redis.test", port: 1), login: RedisLogin(), channel: "openclaw-chat",
      streamMaxLength: 10)
    let link = RedisLink(
      loop, names, target, random: { 0 }, handler: log,
      makeTransport: { (address) throws(TransportFault) in
        tried.append(address.description)
        guard address.description != "10.0.0.2:1" else { throw .closed }
        return try redis.connect(address)
      })
    link.start()
    try world.run(loop)
    #expect(link.isReady && names.lookups == 1)
    #expect(tried == ["10.0.0.2:1", "10.0.0.3:1", "10.0.0.3:1"])
    link.stop()
  }

  @Test("where one connection fails both are closed, told once, and both made anew", arguments: [true, false])
  func oneTakesBothDown(isSubscriber: Bool) throws {
    let test = try SimulatedLink()
    try test.startUp()
    (isSubscriber ? try test.subscriber : try test.commander).end()
    try test.run()
    #expect(test.log.events == ["ready", "down", "ready"], "the first wait is 0 with these dice")
    #expect(test.log.failures == [.closedByPeer])
    #expect(test.redis.attempts == 4 && test.redis.open.count == 2)
    #expect(test.world.mistakes == [])
  }

  @Test("both failing in the same turn is one failure")
  func bothFail() throws {
    let test = try SimulatedLink()
    try test.startUp()
    for connection in test.redis.open { connection.end() }
    try test.run()
    #expect(test.log.events == ["ready", "down", "ready"])
  }

  @Test("what was in flight when the link dropped gets no outcome, then or later")
  func unknownOutcomes() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.holdsAnswers = true
    test.publish("a", "b", "c")
    try test.run()
    #expect(test.redis.published.count == 3 && test.log.batches == [] && test.link.batch.count == 3)
    try test.commander.end()
    try test.run()
    #expect(test.log.events == ["ready", "down", "ready"] && test.link.batch.count == 0)
    test.redis.holdsAnswers = false
    test.redis.releaseAnswers()
    test.publish("d")
    try test.run(for: .seconds(60))
    #expect(test.log.outcomes.map(\.number) == [4] && test.log.refused.isEmpty)
  }

  @Test("a write that blocks goes on where it stopped when there is room, and no turn is made meanwhile")
  func blockedWrite() throws {
    let test = try SimulatedLink()
    try test.startUp()
    let commander = try test.commander
    commander.writeRoom = 10
    let large = String(repeating: "y", count: 100_000)
    test.publish(large, "after")
    #expect(try test.run(for: .seconds(9)) == 0)
    #expect(test.log.batches == [])
    #expect(test.world.interest(in: commander.rawDescriptor) == .both)
    for room in [1, 50_000, 3] {
      commander.writeRoom = room
      try test.run()
    }
    #expect(test.log.batches == [])
    commander.writeRoom = .max
    try test.run()
    #expect(test.log.outcomes.map(\.number) == [1, 2])
    #expect(test.redis.published == [object(large), object("after")])
    #expect(try test.run(for: .seconds(40)) <= 1, "nothing waits to write any more: only the deadline is looked at")
    #expect(test.world.interest(in: commander.rawDescriptor) == .readable)
  }

  @Test("one batch is in flight at a time, and what is asked meanwhile is answered in its turn")
  func oneInFlight() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.publish("teaches the script")
    try test.run()
    test.redis.holdsAnswers = true
    test.publish("first")
    test.link.fetch(.length)
    try test.run()
    #expect(!test.link.canPublish && test.link.isReady && !test.link.batch.canTake(1))
    test.redis.store(object("somebody else's"))
    test.link.fetch(.length)
    try test.run()
    #expect(test.log.answers == [] && test.log.batches.count == 1)
    test.redis.releaseAnswers()
    try test.run()
    #expect(test.log.answers == ["length 2", "length 3"] && test.log.outcomes.map(\.number) == [1, 2])
    #expect(test.link.canPublish && test.link.batch.canTake(1))
    test.redis.holdsAnswers = false
    test.publish("second")
    try test.run()
    #expect(test.log.outcomes.map(\.number) == [1, 2, 4])
  }

  @Test("bytes that are no RESP end the link, on either connection", arguments: [true, false])
  func malformed(isSubscriber: Bool) throws {
    let test = try SimulatedLink()
    try test.startUp()
    (isSubscriber ? try test.subscriber : try test.commander).send("HTTP/1.1 400 Bad Request\r\n\r\n")
    try test.run()
    guard case .malformed = try #require(test.log.failures.first) else {
      Issue.record("\(test.log.failures)")
      return
    }
    #expect(test.link.isReady, "and it is made anew")
  }

  @Test("a message longer than any setting allows is told with its size, in its place, and the link stays")
  func oversized() throws {
    let test = try SimulatedLink()
    try test.startUp()
    let longest = String(repeating: "l", count: Limits.respBulkBytes)
    for text in ["first", longest, longest + "x", longest + "xy", "last"] { test.redis.publish(text) }
    try test.run()
    #expect(test.log.messages == ["first", longest, "oversized", "oversized", "last"])
    #expect(test.log.oversized == [Limits.respBulkBytes + 1, Limits.respBulkBytes + 2])
    #expect(test.log.events == ["ready"] && test.redis.attempts == 2)
  }

  @Test("a length beyond what Redis can send ends the link")
  func impossibleLength() throws {
    let test = try SimulatedLink()
    try test.startUp()
    let subscriber = try test.subscriber
    subscriber.send(">3\r\n$7\r\nmessage\r\n$13\r\nopenclaw-chat\r\n$\(Limits.respSkippedBytes + 1)\r\n")
    try test.run()
    guard case .malformed(let fault, _) = try #require(test.log.failures.first) else {
      Issue.record("\(test.log.failures)")
      return
    }
    #expect(fault.reason == .bulkTooLong)
  }

  @Test("an oversized reply to a command ends the link, whether it comes at once or in the handshake")
  func oversizedReply() throws {
    let reply = "$\(Limits.respBulkBytes + 1)\r\n" + String(repeating: "x", count: Limits.respBulkBytes + 1) + "\r\n"
    let test = try SimulatedLink()
    try test.startUp()
    try test.commander.send(reply)
    try test.run()
    #expect(test.log.failures.map(\.fault) == [.violation(.unexpectedReply)])

    let other = try SimulatedLink()
    other.redis.ignoredCommands = ["HELLO"]
    other.link.start()
    try other.run()
    try #require(other.redis.connections.first).send(reply)
    try other.run()
    #expect(other.log.failures.map(\.fault) == [.violation(.badHello)])
  }

  @Test("an error that nothing asked for ends the link; a refused message does not, and nothing behind it is tried")
  func errorsMidStream() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.refusal = { $0 == object("b") ? "ERR not this one" : nil }
    test.publish("a", "b", "c")
    try test.run()
    let outcomes = test.log.outcomes
    #expect(outcomes.first?.isArrived == true)
    #expect(Array(outcomes.dropFirst()) == [.refused(.other, text: "ERR not this one"), .notTried])
    #expect(test.redis.published == [object("a")] && test.link.isReady && test.link.canPublish)

    try test.subscriber.send("-ERR max number of clients reached\r\n")
    try test.run()
    #expect(test.log.failures.map(\.fault) == [.refused(.tooManyClients)])
  }

  @Test("a refusal that shows the server to be a replica ends the link")
  func refusedByReplica() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.refusal = { _ in "READONLY You can't write against a read only replica." }
    test.publish("a")
    try test.run()
    #expect(test.log.all.prefix(3) == ["ready", "published", "down"])
    #expect(test.log.outcomes.map(\.refusal) == [.readOnly] && test.log.delays == [0])
  }

  @Test("a user who may not publish goes on hearing the others")
  func refusedForLackOfRights() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.refusal = { _ in "NOPERM no key" }
    test.publish("a")
    try test.run()
    #expect(test.log.outcomes.map(\.refusal) == [.permission])
    #expect(test.link.isReady && test.log.failures.isEmpty)
  }

  @Test(
    "the password is never in what the link says, though the server repeats it",
    arguments: ["HELLO", "EVAL", "EVALSHA", "XADD", "PUBLISH"])
  func hidesPassword(command: String) throws {
    let test = try SimulatedLink(RedisLogin(password: "hunter2"))
    test.redis.password = "hunter2"
    let error = "NOAUTH you said hunter2"
    if command == "PUBLISH" || command == "XADD" || command == "EVALSHA" {
      try test.startUp()
      test.redis.errors[command] = error
      test.publish("a")
    } else {
      test.redis.errors[command] = error
      test.link.start()
    }
    try test.run()
    let told = test.log.outcomes.map { "\($0)" }.joined() + test.log.refused.map(\.text).joined()
    let said = (test.log.failures.first?.description ?? "") + told
    #expect(said.contains("withheld") && !said.contains("hunter2"))
  }

  @Test(
    "bytes that the transport has taken already are read without waiting for the descriptor", arguments: [1, 7, 4096])
  func readsAhead(chunk: Int) throws {
    let test = try SimulatedLink()
    test.redis.readChunk = chunk
    test.redis.readsAhead = true
    try test.startUp()
    let messages = (0..<200).map { "message \($0)" }
    for message in messages { test.redis.publish(message) }
    try test.run()
    #expect(test.log.messages == messages)
    #expect(test.world.mistakes == [])
    // Closed with more to read, it leaves nothing in the loop.
    for message in messages { test.redis.publish(message) }
    try test.loop.turn()
    test.link.stop()
    #expect(try test.run(for: .seconds(3600)) == 0)
  }
}

private let subscribes = "SUBSCRIBE openclaw-chat {openclaw-chat}:probe"

extension LinkFailure {
  var fault: RedisFault? {
    guard case .redis(let fault, _) = self else { return nil }
    return fault
  }
}
