import Bytes
import Daemon
import EventLoop
import Network
import Ring
import System
import TestSupport
import Testing

@Suite("The daemon with Redis")
struct RedisBusTests {
  static let full = "OOM command not allowed when used memory > 'maxmemory'."

  private func objects(_ count: Int) -> [String] { (0..<count).map { message("\($0)") } }

  @Test("publishes in order, takes a file away when Redis has answered, and reads its own messages back")
  func delivers() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.holdsAnswers = true
    try test.send(objects(5))
    try test.run()
    #expect(test.redis.published == objects(5))
    #expect(try test.files("new").count == 5, "nothing is answered yet")
    test.redis.releaseAnswers()
    try test.run(for: .seconds(1))
    let found = try test.queue()
    let left = try test.files("new")
    #expect(found == objects(5) && left == [])
  }

  @Test("more than goes into one batch goes out in order, one batch after the answer to the other")
  func window() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.holdsAnswers = true
    try test.send(objects(300))
    for batch in 1..<5 {
      try test.run()
      #expect(test.redis.published.count == batch * Limits.publishBatchMessages)
      #expect(try test.files("new").count == 300 - (batch - 1) * Limits.publishBatchMessages)
      test.redis.releaseOneAnswer()
    }
    test.redis.holdsAnswers = false
    try test.run(for: .seconds(1))
    #expect(test.redis.published == objects(300))
    #expect(try test.queue() == objects(300))
    #expect(try test.files("new") == [])
  }

  @Test("messages too large to go together go one after the other")
  func large() throws {
    let test = try SimulatedDaemon(messageBytes: 700_000)
    try test.start()
    let sent = (0..<4).map { message("\($0)" + String(repeating: "x", count: 600_000)) }
    try test.send(sent)
    try test.run()
    #expect(test.redis.published == sent)
    #expect(try test.files("new") == [])
  }

  @Test("nothing is published before the subscription stands")
  func waits() throws {
    let test = try SimulatedDaemon()
    test.redis.ignoredCommands = ["SUBSCRIBE"]
    try test.start()
    try test.send(objects(2))
    try test.run(for: .seconds(20))
    #expect(test.redis.published == [])
    #expect(try test.files("new").count == 2)
  }

  @Test("what Redis refuses is held, tried with pauses, and arrives once and in order when it is taken")
  func refused() throws {
    let test = try SimulatedDaemon()
    try test.start()
    var tries: [UInt64] = []
    test.redis.refusal = { text in
      if text == message("0") { tries.append(test.world.time.nanoseconds) }
      return Self.full
    }
    try test.send(objects(3))
    let turns = try test.run(for: .seconds(600))
    #expect(test.redis.published == [])
    #expect(try test.files("new").count == 3)
    let pauses = zip(tries, tries.dropFirst()).map { ($1 - $0) / UInt64.seconds(1) }
    #expect(pauses.starts(with: [1, 2, 4, 8, 16, 30, 30, 30]), "\(pauses)")
    #expect(turns < 160, "no hot loop")
    #expect(test.log().count == 1, "one thing is said once: \(test.log())")
    #expect(try test.status().redisError.contains("OOM"))
    test.redis.refusal = { _ in nil }
    try test.run(for: .seconds(62))
    #expect(test.redis.published == objects(3))
    #expect(try test.queue() == objects(3))
    #expect(try test.files("new") == [])
    #expect(try test.status().redis == .ready, "it is over")
    #expect(test.log(.notice).last == "Redis takes messages again")
  }

  @Test("a second outage of the same kind is said again, and begins with short pauses")
  func refusedAgain() throws {
    let test = try SimulatedDaemon()
    try test.start()
    for round in 0..<2 {
      test.redis.refusal = { _ in Self.full }
      try test.send(message("\(round)"))
      try test.run(for: .seconds(100))
      test.redis.refusal = { _ in nil }
      try test.run(for: .seconds(61))
      #expect(test.redis.published.count == round + 1)
      #expect(test.log().count == round + 1)
    }
  }

  @Test("a refused message goes again also where the answer comes late, and none passes it")
  func refusedThenSlow() throws {
    let test = try SimulatedDaemon()
    try test.start()
    var isFull = true
    test.redis.refusal = { text in isFull && text == message("0") ? Self.full : nil }
    test.redis.holdsAnswers = true
    try test.send(objects(2))
    try test.run()
    test.redis.releaseOneAnswer()
    isFull = false
    try test.run(for: .seconds(5))
    test.redis.holdsAnswers = false
    test.redis.releaseAnswers()
    try test.run(for: .seconds(5))
    #expect(test.redis.published == objects(2))
    #expect(try test.files("new") == [])
  }

  @Test(
    "a batch that the link drops in goes again where Redis did not have it, in order, and is not stored twice where it did"
  )
  func drop() throws {
    let test = try SimulatedDaemon()
    try test.start()
    let objects = (0..<6).map { numbered($0) }
    test.redis.holdsAnswers = true
    try test.send(Array(objects[..<3]))
    try test.run()
    #expect(test.redis.published == Array(objects[..<3]), "stored, and not answered")
    try #require(test.redis.commanders.first).end()
    test.redis.holdsAnswers = false
    try test.run(for: .seconds(5))
    #expect(test.redis.published == Array(objects[..<3]))
    #expect(try test.files("new") == [])
    test.redis.isFrozen = true
    try test.send(Array(objects[3...]))
    try test.run()
    try #require(test.redis.commanders.first).end()
    test.redis.isFrozen = false
    try test.run(for: .seconds(5))
    #expect(test.redis.published == objects, "not stored before")
    #expect(try test.files("new") == [])
    #expect(try test.queue() == objects)
    #expect(try test.status().redis == .ready)
  }

  @Test("a drop while a large message is half written sends it again whole")
  func dropHalfWritten() throws {
    let test = try SimulatedDaemon(messageBytes: 200_000)
    try test.start()
    let commander = try #require(test.redis.commanders.first)
    commander.writeRoom = 1000
    let large = message(String(repeating: "x", count: 100_000))
    try test.send(large, message("next"))
    #expect(try test.run(for: .seconds(9)) <= 2, "blocked, it waits")
    commander.fault = .closed
    try test.run(for: .seconds(5))
    #expect(test.redis.published == [large, message("next")])
    #expect(try test.files("new") == [])
  }

  @Test("Redis away for a day costs a few turns a minute, one line, and no message")
  func away() throws {
    let test = try SimulatedDaemon()
    test.redis.connectFault = .system(SystemError(code: 111, call: "connect", subject: "127.0.0.1:6379"))
    try test.start()
    try test.send(objects(10))
    let began = test.world.wallClock() / 1000
    let turns = try test.run(for: .seconds(86_400))
    #expect(turns < 86_400 / 4)
    #expect(test.log().count == 1, "\(test.log())")
    let page = try test.status()
    #expect(page.redis == .waiting && page.redisSince <= began && page.redisError.contains("connect"))
    test.redis.connectFault = nil
    try test.run(for: .seconds(31))
    #expect(test.redis.published == objects(10))
    #expect(try test.status().redis == .ready)
  }

  @Test("the page says since when Redis is unusable, not when it was last tried")
  func since() throws {
    let test = try SimulatedDaemon()
    try test.start()
    let ready = try test.status()
    #expect(ready.redis == .ready)
    try test.run(for: .seconds(100))
    test.redis.connectFault = .closed
    let fell = test.world.wallClock() / 1000
    test.redis.open.first?.end()
    try test.run(for: .seconds(100))
    let page = try test.status()
    #expect(page.redis == .waiting && page.redisSince == fell)
    test.redis.connectFault = nil
    try test.run(for: .seconds(40))
    let now = try test.status()
    #expect(now.redis == .ready && now.redisSince > fell)
    #expect(now.redisError == page.redisError, "what it was can still be read")
  }

  @Test("garbage from the channel is counted and costs nothing else")
  func garbage() throws {
    let test = try SimulatedDaemon()
    try test.start()
    for index in 0..<100 { test.redis.publish(index % 10 == 0 ? message("\(index)") : "garbage") }
    try test.run(for: .seconds(30))
    let page = try test.status()
    #expect(page.received == 10 && page.lost == 90 && page.redis == .ready)
    #expect(test.log().count <= 2)
    let found = try test.queue()
    #expect(found.filter { $0 == "lost 1 invalid" }.count == 90)
  }

  @Test("a message too large to be kept at all is one loss in its place, and the link stays")
  func oversized() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.publish(message("before"))
    test.redis.publish(String(repeating: "x", count: Limits.respBulkBytes + 1))
    test.redis.publish(message("next"))
    try test.run()
    #expect(try test.queue() == [message("before"), "lost 1 too_large", message("next")])
    #expect(test.redis.attempts == 2)
    #expect(test.log().contains { $0.contains("\(Limits.respBulkBytes + 1) bytes where ") })
  }

  @Test(
    "asked to stop, it waits for the answers to what is in flight, and hands out nothing more",
    arguments: [true, false])
  func stopsWhenAnswered(answers: Bool) throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.holdsAnswers = true
    try test.send(objects(3))
    try test.run()
    test.daemon.received(.terminate)
    try test.send(message("late"))
    try test.run(for: .seconds(1))
    #expect(!test.loop.isStopping)
    if answers { test.redis.releaseAnswers() }
    try test.run(for: answers ? 0 : .seconds(1))
    #expect(test.loop.isStopping, "no longer than 2 s")
    #expect(try test.files("new").count == (answers ? 1 : 4))
  }

  @Test("an outage is counted from its beginning, also where the link comes up for a moment now and then")
  func flapping() throws {
    let test = try SimulatedDaemon()
    try test.start()
    try test.run(for: .seconds(60))
    let began = test.world.wallClock() / 1000
    for _ in 0..<10 {
      for connection in test.redis.open { connection.end() }
      try test.run(for: .seconds(20))
    }
    test.redis.connectFault = .closed
    for connection in test.redis.open { connection.end() }
    try test.run(for: .seconds(5))
    let since = try test.status().redisSince
    #expect(try test.status().redis == .waiting)
    #expect(since >= began && since < began + 1_000_000)
  }

  @Test("stopping with messages in flight keeps their files for the next start, and hears nothing more")
  func shutdown() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.holdsAnswers = true
    try test.send(message("0"))
    try test.run()
    try test.send(message("1"), message("2"))
    test.redis.releaseOneAnswer()
    try test.run()
    #expect(test.redis.published == objects(3))
    test.daemon.end()
    test.redis.releaseAnswers()
    #expect(test.redis.open.isEmpty && test.world.mistakes == [])
    #expect(try test.files("new").count == 2)
    #expect(try test.status().isStopped)
  }

  @Test("an outbox removed with messages in flight is made anew, and the link stays")
  func removedInFlight() throws {
    let test = try SimulatedDaemon()
    try test.start()
    try test.run(for: .seconds(25))
    test.redis.holdsAnswers = true
    try test.send(objects(3))
    try test.run()
    test.shell("rm -r outbox")
    try test.run(for: .seconds(6))
    test.redis.holdsAnswers = false
    test.redis.releaseAnswers()
    try test.run()
    try test.send(message("after"))
    try test.run()
    #expect(test.redis.published == objects(3) + [message("after")])
    #expect(test.redis.attempts == 2)
  }

  @Test("a file that cannot be taken away after Redis has it is not sent again, and tried with pauses")
  func cannotRemove() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.holdsAnswers = true
    try test.send(objects(2))
    try test.run()
    // unlink of a folder fails for everyone, also for root.
    test.shell("cd outbox/new && for f in *; do rm $f; mkdir $f; done")
    test.redis.holdsAnswers = false
    test.redis.releaseAnswers()
    let turns = try test.run(for: .seconds(600))
    #expect(turns < 200)
    #expect(test.redis.published == objects(2))
    test.shell("rmdir outbox/new/*")
    try test.send(message("after"))
    try test.run(for: .seconds(61))
    #expect(test.redis.published == objects(2) + [message("after")])
  }

  @Test("an idle daemon with a ready link turns once in 30 s, and three times for a probe")
  func idle() throws {
    let test = try SimulatedDaemon()
    try test.start()
    #expect(try test.run(for: .seconds(3000)) <= 100 + 3 * 50)
  }
}
