import Bytes
import Daemon
import Ring
import System
import TestSupport
import Testing

/// What is in the stream, in its order.
extension SimulatedDaemon {
  var stored: [String] { redis.stream.compactMap(\.object) }
}

@Suite("What leaves the outbox is in the stream and in the queue once, whatever becomes of the answers")
struct PublishingTests {
  private func objects(_ numbers: Range<Int>) -> [String] { numbers.map { numbered($0) } }

  private func judge(_ test: SimulatedDaemon, _ objects: [String]) throws {
    #expect(test.stored == objects)
    let queue = try test.queue()
    #expect(queue == objects)
    let left = try test.files("new")
    #expect(left == [])
  }

  @Test(
    "an answer that is lost, before or after Redis stored the batch, costs no message and makes no second copy",
    arguments: [true, false])
  func lostAnswer(isStored: Bool) throws {
    let test = try SimulatedDaemon()
    try test.start()
    try test.send(objects(0..<1))
    try test.run(for: .seconds(2))
    if isStored { test.redis.diesAfter = ["EVALSHA"] } else { test.redis.isFrozen = true }
    try test.send(objects(1..<5))
    try test.run()
    #expect(test.stored.count == (isStored ? 5 : 1))
    if !isStored { for connection in test.redis.open { connection.end() } }
    test.redis.diesAfter = []
    test.redis.isFrozen = false
    try test.run(for: .seconds(10))
    try judge(test, objects(0..<5))
    try test.send(objects(5..<7))
    try test.run(for: .seconds(2))
    try judge(test, objects(0..<7))
  }

  @Test("killed before the answer, with its files still there: the next life finds in the stream what is there already")
  func killed() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.holdsAnswers = true
    try test.send(objects(0..<3))
    try test.run()
    #expect(test.stored == objects(0..<3))
    test.kill()
    test.redis.holdsAnswers = false
    #expect(try test.files("new").count == 3)
    try test.startAgain()
    try test.run(for: .seconds(3))
    try judge(test, objects(0..<3))
  }

  @Test("a batch that a stopped server does when it goes on, after we have read the stream anew, is not stored again")
  func late() throws {
    let test = try SimulatedDaemon()
    try test.start()
    try test.send(objects(0..<1))
    try test.run(for: .seconds(2))
    test.redis.isFrozen = true
    try test.send(objects(1..<4))
    try test.run()
    for connection in test.redis.open { connection.end() }
    // What the old connection brought is done just before what the new one does.
    let batch = objects(1..<4)
    test.redis.willServe = { [redis = test.redis] words in
      guard words[0] == "EVALSHA", !redis.stream.contains(where: { $0.object == batch[0] }) else { return }
      redis.store(batch)
    }
    test.redis.isFrozen = false
    try test.run(for: .seconds(10))
    try judge(test, objects(0..<4))
  }

  @Test("a heartbeat in the turn in which an answer comes does not send again what has arrived")
  func heartbeat() throws {
    let test = try SimulatedDaemon()
    try test.start()
    try test.run(for: .seconds(26))
    test.redis.holdsAnswers = true
    try test.send(objects(0..<3))
    try test.run()
    test.redis.isDeaf = true
    test.world.skip(.seconds(5))
    test.redis.holdsAnswers = false
    test.redis.releaseAnswers()
    try test.run(for: .seconds(5))
    #expect(test.stored == objects(0..<3))
  }

  @Test("a batch that is refused in its middle leaves no gap and no second copy: what was stored goes, the rest waits")
  func refusedInTheMiddle() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.refusal = { $0.contains("\"2\"") ? RedisBusTests.full : nil }
    try test.send(objects(0..<5))
    try test.run()
    #expect(test.stored == objects(0..<2))
    #expect(try test.files("new").count == 3)
    test.redis.refusal = { _ in nil }
    try test.run(for: .seconds(10))
    try judge(test, objects(0..<5))
  }

  @Test("what is stored and may not be announced is said once, and is in our own queue soon")
  func notAnnounced() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.errors["PUBLISH"] = "NOPERM no channel"
    for number in 0..<3 {
      try test.send(numbered(number))
      try test.run(for: .seconds(5))
    }
    try judge(test, objects(0..<3))
    try test.run(for: .seconds(31))
    #expect(test.log().filter { $0.contains("announce") }.count == 1)
    #expect(try test.status().redisError.contains("NOPERM"))
  }

  @Test("a message that this Redis never takes goes to failed/ with its reason, and its neighbours pass in their order")
  func neverTaken() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.longestWord = 6_000
    let large = numbered(2, String(repeating: "x", count: 7_000))
    try test.send(objects(0..<2) + [large] + objects(3..<5))
    try test.run(for: .seconds(60))
    try judge(test, objects(0..<2) + objects(3..<5))
    #expect(try test.files("failed").count == 2, "the file and its reason")
    #expect(test.log().contains { $0.contains("no message of that size") })
  }

  @Test("a script that Redis has forgotten is given again, and nothing is stored twice")
  func forgottenScript() throws {
    let test = try SimulatedDaemon()
    try test.start()
    for number in 0..<4 {
      test.redis.flushScripts()
      try test.send(numbered(number))
      try test.run(for: .seconds(1))
    }
    try judge(test, objects(0..<4))
    #expect(test.redis.commandCounts["EVALSHA", default: 0] >= 4)
    #expect(test.log() == [])
  }

  @Test("without the right to scripts everything is stored, arrives, and it is said")
  func withoutScripts() throws {
    let test = try SimulatedDaemon()
    test.redis.errors = ["EVAL": "NOPERM no eval", "EVALSHA": "NOPERM no evalsha"]
    test.redis.errors["EVAL"] = "NOPERM this user has no permissions to run the 'eval' command"
    test.redis.errors["EVALSHA"] = "NOPERM this user has no permissions to run the 'evalsha' command"
    try test.start()
    try test.send(objects(0..<3))
    try test.run(for: .seconds(3))
    test.redis.store(numbered(100))
    try test.send(numbered(3))
    try test.run(for: .seconds(3))
    try judge(test, objects(0..<3) + [numbered(100), numbered(3)])
    #expect(test.log().contains { $0.contains("without numbers") })
  }

  @Test("the sender's `bus` is not passed on")
  func reserved() throws {
    let test = try SimulatedDaemon()
    try test.start()
    try test.send(#"{"from":"elon","text":"0","bus":"forged","id":"\#(SimulatedDaemon.id(0).text)"}"#)
    try test.run(for: .seconds(2))
    try judge(test, objects(0..<1))
  }
}
