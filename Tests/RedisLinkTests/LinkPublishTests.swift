import Bytes
import Network
import RESP
import RedisLink
import System
import TestSupport
import Testing

@Suite("A link that publishes")
struct LinkPublishTests {
  private static func denial(_ command: String) -> String {
    "NOPERM this user has no permissions to run the '\(command)' command"
  }

  @Test("the text of the script goes over once, and again when the server has forgotten it: nothing is stored twice")
  func noScript() throws {
    let test = try SimulatedLink()
    try test.startUp()
    for _ in 0..<2 {
      test.publish("a")
      try test.run()
      test.publish("b", "c")
      try test.run()
      test.redis.flushScripts()
    }
    #expect(test.log.outcomes.map(\.number) == Array(1...6) && test.log.refused.isEmpty)
    #expect(test.redis.commandCounts["EVALSHA"] == 4 && test.redis.commandCounts["EVAL"] == 2 + 2)
    #expect(test.redis.published == ["a", "b", "c", "a", "b", "c"].map(object))
    #expect(test.log.messages == test.redis.announced)
  }

  @Test("the epoch of a stream is random, and stays when it has one", arguments: [true, false])
  func epoch(isUpstash: Bool) throws {
    let test = try SimulatedLink()
    var next: UInt64 = 0x1122_3344_5566_7788
    test.redis.knowsMark = isUpstash
    try test.startUp()
    test.roll {
      next &+= 1
      return next
    }
    test.publish("a")
    try test.run()
    let epoch = try #require(test.redis.meta["epoch"])
    #expect(epoch == "1122334455667789112233445566778a")
    test.publish("b")
    try test.run()
    #expect(test.redis.meta == ["epoch": epoch, "seq": "2"])
    #expect(test.redis.stream.map { $0["e"] } == [epoch, epoch] && test.redis.stream.map { $0["s"] } == ["1", "2"])
    #expect(
      test.log.messages.last
        == "\(object("b").dropLast()),\"bus\":\"\(epoch):2:\(test.redis.stream[1].id.text):\(test.redis.stream[0].id.text)\"}"
    )
    let evals = try test.commander.commands.filter { $0.hasPrefix("EVAL ") && $0.contains("XADD") }
    #expect(evals.allSatisfy { $0.contains("allow-key-locking") == isUpstash } && evals.count == 1)
  }

  @Test("the stream keeps as many messages as it is set to")
  func keeps() throws {
    let test = try SimulatedLink(streamMaxLength: 3)
    try test.startUp()
    test.publish("a", "b", "c", "d", "e")
    try test.run()
    #expect(test.redis.stream.map(\.object) == ["c", "d", "e"].map(object) && test.redis.published.count == 5)
  }

  @Test(
    "what an earlier call has stored, whose answer was lost, is found behind the place that is named, and not stored again"
  )
  func unknownOutcome() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.publish("a")
    try test.run()
    test.redis.diesAfter = ["EVALSHA"]
    test.publish("b", "c")
    try test.run()
    #expect(test.log.events == ["ready", "down", "ready"] && test.redis.published.count == 3)
    test.redis.diesAfter = []
    let (first, ids) = (test.redis.stream[0].id, test.redis.stream.map(\.id))
    test.publish("b", "new", "c", after: first)
    try test.run()
    #expect(test.log.outcomes.dropFirst().first == .found(ids[1]) && test.log.outcomes.last == .found(ids[2]))
    #expect(test.redis.published == ["a", "b", "c", "new"].map(object))
    // Behind that place it is another message.
    test.publish("c", after: ids[2])
    try test.run()
    #expect(test.log.outcomes.last?.number == 5)
  }

  @Test("that a message is stored and may not be announced is told for each")
  func unannounced() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.errors["PUBLISH"] = "ERR The user executing the script can't publish to the channel"
    test.publish("a", "b")
    try test.run()
    let text = "ERR The user executing the script can't publish to the channel"
    let ids = test.redis.stream.map(\.id)
    #expect(
      test.log.outcomes == [
        .stored(number: 1, ids[0], announced: false, text: text),
        .stored(number: 2, ids[1], announced: false, text: text),
      ])
    #expect(test.link.isReady && test.log.holds.isEmpty && test.log.messages == [])
  }

  @Test(
    "without the right to run scripts messages are stored one after the other and announced as they are; it is said once"
  )
  func withoutScripts() throws {
    let test = try SimulatedLink()
    test.redis.errors["EVALSHA"] = Self.denial("evalsha")
    test.redis.errors["EVAL"] = Self.denial("eval")
    try test.startUp()
    let objects = (0..<20).map { object("\($0)") }
    for _ in 0..<2 {
      test.publish(objects: objects)
      try test.run()
      try test.subscriber.end()
      try test.run(for: .seconds(1))
    }
    #expect(test.log.outcomes.count == 40 && test.log.outcomes.allSatisfy { $0.isArrived && $0.number == 0 })
    #expect(test.redis.published == objects + objects && test.log.messages == objects + objects)
    #expect(test.redis.stream.allSatisfy { $0.fields.map(\.name) == ["m"] } && test.redis.meta == [:])
    #expect(test.log.withoutScript == [Self.denial("eval")] && test.link.storesWithoutScript)

    test.redis.errors = [:]
    try test.subscriber.end()
    try test.run(for: .seconds(1))
    test.publish("with")
    try test.run()
    #expect(test.log.outcomes.last?.number == 1 && !test.link.storesWithoutScript)
    test.redis.errors = ["EVALSHA": Self.denial("evalsha"), "EVAL": Self.denial("eval")]
    test.publish("without")
    try test.run()
    #expect(test.log.withoutScript.count == 2, "it was permitted meanwhile")
  }

  @Test(
    "a message that this server never takes is refused before the link goes down, also where writing fails first",
    arguments: [false, true])
  func tooLarge(writeFails: Bool) throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.publish("small")
    try test.run()
    test.redis.longestWord = 1000
    let commander = try test.commander
    if writeFails { commander.failsWriting(after: 4000) }
    test.publish("before", String(repeating: "x", count: 100_000))
    try test.run()
    #expect(test.log.all == ["ready", "published", "refused", "down", "ready"])
    #expect(test.log.refused.map(\.kind) == [.tooLarge] && test.redis.published == [object("small")])
    #expect(test.log.refused.first?.text == "ERR Protocol error: invalid bulk length")
    test.redis.longestWord = .max
    test.publish("after")
    try test.run()
    #expect(test.log.outcomes.last?.number == 2)
  }

  @Test("a probe tells where the stream is")
  func marks() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.publish("a")
    try test.run(for: .seconds(61))
    #expect(test.log.marks == [":", "\(test.redis.meta["epoch"] ?? "no epoch"):1"])
    test.redis.publish("anyone's: ", on: SimulatedRedis.probeChannel)
    try test.run()
    #expect(test.log.marks.last == "anyone's: ")

    let plain = try SimulatedLink()
    plain.redis.errors["EVAL"] = Self.denial("eval")
    try plain.startUp()
    #expect(plain.log.probes == [.publish] && plain.log.marks == ["-"], "it does not know")
  }
}

@Suite("A link that reads the stream")
struct LinkFetchTests {
  @Test("answers what is asked in its order, in pages of the asked size, from either end")
  func pages() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.publish("a", "b", "c", "d")
    try test.run()
    let ids = test.redis.stream.map(\.id)
    let entries = zip(ids, ["a", "b", "c", "d"]).map { "\($0.text)=\(object($1))" }
    for request in [
      StreamRequest.meta, .page(from: .zero, count: 2), .page(from: ids[1], count: 9), .newest(before: nil, count: 2),
      .newest(before: ids[2], count: 9), .page(from: StreamID(milliseconds: .max, sequence: 0), count: 1), .length,
      .trim(to: 3), .trim(to: 3),
    ] {
      test.link.fetch(request)
    }
    test.link.turnEnded()
    try test.run()
    #expect(
      test.log.answers == [
        "meta \(String(repeating: "0", count: 32)) 4", "page \(entries[0]) \(entries[1])",
        "page \(entries[1]) \(entries[2]) \(entries[3])", "page \(entries[3]) \(entries[2])",
        "page \(entries[1]) \(entries[0])", "page ", "length 4", "\(StreamRequest.trim(to: 3)) 1",
        "\(StreamRequest.trim(to: 3)) 0",
      ])
  }

  @Test("a refused request is told, and leads to what its error leads to")
  func refused() throws {
    for (error, kind, events) in [
      ("NOPERM no", RedisErrorKind.permission, ["ready"]), ("LOADING x", .notReady, ["ready", "held", "ready"]),
      ("NOAUTH x", .authentication, ["ready", "down"]),
    ] {
      let test = try SimulatedLink()
      try test.startUp()
      test.redis.errors["XRANGE"] = error
      test.link.fetch(.page(from: .zero, count: 1))
      test.link.turnEnded()
      try test.run(for: .seconds(1))
      #expect(test.log.answers == ["refused \(kind): \(error)"] && test.log.events == events)
    }
  }

  @Test("an answer of another shape ends the link")
  func malformed() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.ignoredCommands = ["XRANGE"]
    test.link.fetch(.page(from: .zero, count: 1))
    test.link.turnEnded()
    try test.commander.send("*1\r\n*2\r\n$3\r\nabc\r\n*0\r\n")
    try test.run()
    #expect(test.log.failures.map(\.fault) == [.violation(.badAnswer)] && test.log.answers == [])
  }

  @Test("a page is waited for as long as it comes in, however slowly, and 10 s longer")
  func slowPage() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.ignoredCommands = ["XRANGE"]
    test.link.fetch(.page(from: .zero, count: 1))
    test.link.turnEnded()
    let commander = try test.commander
    commander.send("*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nm\r\n$100000\r\n")
    for _ in 0..<20 {
      try test.run(for: .seconds(9))
      commander.send(String(repeating: "x", count: 5000))
      // Others are heard: only the page is slow.
      test.redis.publish("heard")
    }
    try test.run()
    #expect(test.log.events == ["ready"])
    commander.send("\r\n")
    try test.run()
    #expect(test.log.answers.count == 1 && test.log.events == ["ready"])

    test.link.fetch(.page(from: .zero, count: 1))
    test.link.turnEnded()
    commander.send("*1\r\n*2\r\n$3\r\n1-0\r\n")
    try test.run(for: .seconds(21))
    guard case .noAnswer(to: "XRANGE", _) = test.log.failures.first else {
      Issue.record("\(test.log.failures)")
      return
    }
  }

  @Test("an answer that is larger than we take is told from bytes that are no RESP: a smaller page may be asked for")
  func tooLargePage() throws {
    let test = try SimulatedLink()
    try test.startUp()
    test.redis.ignoredCommands = ["XRANGE"]
    test.link.fetch(.page(from: .zero, count: 10_000))
    test.link.turnEnded()
    try test.commander.send("*\(Limits.respElements + 1)\r\n")
    try test.run()
    #expect(test.log.failures.first?.isTooLargeAnswer == true && test.link.isReady)

    test.link.fetch(.page(from: .zero, count: 100))
    test.link.turnEnded()
    let commander = try test.commander
    let message = String(repeating: "x", count: Limits.respBulkBytes)
    commander.send("*100\r\n")
    for index in 0..<(Limits.respFrameBytes / Limits.respBulkBytes + 1) where !commander.isClosed {
      commander.send("*2\r\n\(SimulatedRedis.bulk("\(index)-0"))*2\r\n+m\r\n\(SimulatedRedis.bulk(message))")
      try test.run()
    }
    #expect(test.log.failures.map(\.isTooLargeAnswer) == [true, true])

    try test.commander.send("HTTP/1.1 400 Bad Request\r\n")
    try test.run()
    #expect(test.log.failures.map(\.isTooLargeAnswer) == [true, true, false])
  }
}
