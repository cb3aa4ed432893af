import Bytes
import Daemon
import Message
import Ring
import System
import TestSupport
import Testing

@Suite(
  "What the stream has no more is counted where it stood, once; what claims to be in it is believed when it is found")
struct StreamLossTests {
  private func objects(_ numbers: Range<Int>) -> [String] { numbers.map { numbered($0) } }

  /// A daemon that has the first `count` messages of a stream and is connected.
  private func joined(_ count: Int = 3) throws -> SimulatedDaemon {
    let test = try SimulatedDaemon()
    try test.start()
    for number in 0..<count { test.redis.store(numbered(number)) }
    try test.run(for: .seconds(2))
    #expect(try test.queue() == objects(0..<count))
    return test
  }

  /// The same also after a restart: nothing is told again.
  private func judge(_ test: SimulatedDaemon, _ expected: [String]) throws {
    #expect(try test.queue() == expected)
    test.kill()
    try test.startAgain()
    try test.run(for: .seconds(3))
    #expect(try test.queue() == expected, "after a restart")
    #expect(try test.status().redis == .ready)
  }

  // MARK: - What is gone

  @Test("trimmed while the daemon was away: so many, exactly", arguments: [0, 1, 4])
  func trimmed(kept: Int) throws {
    let test = try joined()
    try test.leave()
    test.redis.store(objects(3..<13))
    test.redis.trim(to: kept)
    try test.comeBack()
    try judge(test, objects(0..<3) + ["lost \(10 - kept) trimmed"] + objects(13 - kept..<13))
  }

  @Test("trimmed no further than what was read: nothing")
  func trimmedBehind() throws {
    let test = try joined()
    try test.leave()
    test.redis.trim(to: 0)
    test.redis.store(objects(3..<5))
    try test.comeBack()
    try judge(test, objects(0..<5))
  }

  @Test("single entries that were deleted are counted where they stood")
  func deletedEntries() throws {
    let test = try joined()
    try test.leave()
    test.redis.store(objects(3..<8))
    let ids = test.redis.stream.map(\.id)
    test.redis.remove(ids[4])
    test.redis.remove(ids[6])
    try test.comeBack()
    try judge(
      test, objects(0..<4) + ["lost 1 trimmed", numbered(5), "lost 1 trimmed", numbered(7)])
  }

  @Test("the stream deleted, the numbers kept: exactly what was missed", arguments: [true, false])
  func deletedStream(isAway: Bool) throws {
    let test = try joined()
    if isAway {
      try test.leave()
      test.redis.store(objects(3..<5))
    }
    test.redis.deleteStream()
    test.redis.store(objects(5..<7))
    try test.comeBack()
    try judge(test, objects(0..<3) + (isAway ? ["lost 2 trimmed"] : []) + objects(5..<7))
  }

  @Test("everything deleted: an unknown number, told once, and what is there now", arguments: [true, false])
  func emptied(isAway: Bool) throws {
    let test = try joined()
    if isAway {
      try test.leave()
      test.redis.store(objects(3..<5))
    }
    test.redis.flush()
    test.redis.meta["epoch"] = String(repeating: "b", count: 32)
    test.redis.store(objects(5..<7))
    try test.comeBack()
    try judge(test, objects(0..<3) + ["lost 1 reset"] + objects(5..<7))
    #expect(test.log().contains { $0.contains("unknown number") })
  }

  @Test("the hash deleted alone: the stream shows that nothing is missing", arguments: [true, false])
  func deletedMeta(isAway: Bool) throws {
    let test = try joined()
    if isAway {
      try test.leave()
      test.redis.store(objects(3..<5))
    }
    test.redis.meta = ["epoch": String(repeating: "b", count: 32)]
    test.redis.store(objects(5..<7))
    try test.comeBack()
    try judge(test, objects(0..<3) + (isAway ? objects(3..<5) : []) + objects(5..<7))
  }

  @Test("a replica that lagged takes over: nothing comes again, and what it was given instead comes")
  func failover() throws {
    let test = try joined(6)
    try test.leave()
    test.redis.rewind(to: 4)
    test.redis.store(objects(10..<13))
    try test.comeBack()
    try judge(test, objects(0..<6) + objects(10..<13))
    test.redis.store(numbered(13))
    try test.run(for: .seconds(2))
    #expect(try test.queue() == objects(0..<6) + objects(10..<14))
  }

  @Test("a message that is too large is one loss, be it heard or read", arguments: [true, false])
  func oversized(isAway: Bool) throws {
    let test = try joined()
    if isAway { try test.leave() }
    test.redis.store([numbered(3), numbered(4, String(repeating: "x", count: 20_000)), numbered(5)])
    test.redis.store([numbered(6, String(repeating: "x", count: Limits.respBulkBytes)), numbered(7)])
    if isAway { try test.comeBack() } else { try test.run(for: .seconds(5)) }
    let queue = try test.queue()
    #expect(queue.filter { $0 == "lost 1 too_large" }.count == 2 && queue.count == 8, "\(queue)")
    try judge(test, queue)
  }

  @Test("an entry that is no message is one loss where it stood")
  func noMessage() throws {
    let test = try joined()
    try test.leave()
    test.redis.add([(name: "x", value: "y")])
    test.redis.store(numbered(3))
    test.redis.add([(name: "m", value: "no object")])
    test.redis.store(numbered(4))
    try test.comeBack()
    try judge(test, objects(0..<3) + ["lost 1 invalid", numbered(3), "lost 1 invalid", numbered(4)])
  }

  // MARK: - What is claimed

  private func payload(_ object: String, _ bus: String) -> String { "\(object.dropLast()),\"bus\":\"\(bus)\"}" }

  @Test("an echo of what was published is not delivered again")
  func echo() throws {
    let test = try joined()
    let payloads = test.redis.announced
    for payload in payloads + payloads { test.redis.publish(payload) }
    try test.run(for: .seconds(5))
    try judge(test, objects(0..<3))
  }

  @Test(
    "a claim that is not so costs one message its place, no other anything, and no endless reading",
    arguments: [
      "EPOCH:4:1-1", "EPOCH:4:99999999999999-0:LAST", "EPOCH:4:18446744073709551615-18446744073709551615:LAST",
      "EPOCH:4:99999999999999-0:", "EPOCH:4:99999999999999-0:0-0", "EPOCH:5:99999999999999-0",
      "EPOCH:9007199254740991:1-0", "EPOCH:9007199254740992:1-0",

      "EPOCH:18446744073709551616:1-0", "EPOCH:-1:1-0", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb:4:1-0", "nonsense", "",
      "EPOCH:4:18446744073709551615-18446744073709551615",
    ])
  func forged(claim: String) throws {
    let test = try joined()
    let epoch = try #require(test.redis.meta["epoch"])
    let last = try #require(test.redis.stream.last?.id.text)
    let bus = claim.replacing("EPOCH", with: epoch).replacing("LAST", with: last)
    test.redis.publish(payload(numbered(100), bus))
    test.redis.store(objects(3..<5))
    try test.run(for: .seconds(5))
    let queue = try test.queue()
    #expect(queue.filter { $0 != numbered(100) } == objects(0..<5), "\(queue)")
    #expect(queue.filter { $0 == numbered(100) }.count == 1)
    let asked = test.redis.commandCounts["XRANGE", default: 0]
    try test.run(for: .seconds(600))
    #expect(test.redis.commandCounts["XRANGE", default: 0] - asked <= 2, "\(asked) before")
    test.redis.store(numbered(5))
    try test.run(for: .seconds(2))
    #expect(try test.queue() == queue + [numbered(5)])
  }

  @Test(
    "what claims a place from before all that the queue knows is an echo of what it has forgotten: said, not delivered")
  func past() throws {
    let test = try SimulatedDaemon()
    test.redis.store(objects(0..<5))
    try test.start()
    try test.run(for: .seconds(1))
    test.redis.store(objects(5..<7))
    let epoch = try #require(test.redis.meta["epoch"])
    for number in 0..<3 { test.redis.publish(payload(numbered(100 + number), "\(epoch):1:0-1:0-0")) }
    try test.run(for: .seconds(5))
    try judge(test, objects(5..<7))
    #expect(test.log(.info).contains { $0.contains("came again long after") })
  }

  @Test("what others add to the stream without a number, or out of turn, is delivered where it stands, heard or not")
  func foreignEntries() throws {
    let test = try joined()
    let epoch = try #require(test.redis.meta["epoch"])
    for (index, number) in ["", "4", "1", "999", "-1", "abc"].enumerated() {
      let fields = number.isEmpty ? [] : [(name: "e", value: epoch), (name: "s", value: number)]
      test.redis.add([(name: "m", value: numbered(100 + index))] + fields)
      test.redis.store(numbered(3 + index))
      try test.run(for: .seconds(2))
    }
    let queue = try test.queue()
    // The numbers that were skipped are told as losses: who gave them says that there were more.
    #expect(queue.filter { !$0.hasPrefix("lost") } == test.stored)
  }

  @Test("a claim that is believed, because nothing speaks against it, hides no message that comes after it")
  func believed() throws {
    let test = try SimulatedDaemon()
    test.redis.store(objects(0..<5))
    try test.start()
    try test.run(for: .seconds(1))
    let epoch = try #require(test.redis.meta["epoch"])
    let last = try #require(test.redis.stream.last?.id.text)
    test.redis.publish(payload(numbered(100), "\(epoch):6:99999999999999-0:\(last)"))
    try test.run(for: .seconds(1))
    try test.leave()
    test.redis.store(objects(5..<6))
    try test.comeBack()
    try judge(test, [numbered(100), numbered(5)])
    // Nor does it stand in the way of what we send.
    try test.send(numbered(6))
    try test.run(for: .seconds(2))
    #expect(try test.queue() == [numbered(100)] + objects(5..<7))
  }

  @Test("on another Redis that is then set back, nothing comes that was there before us")
  func setBackElsewhere() throws {
    let test = try joined(6)
    test.kill()
    test.choice.target = 2
    test.redis.flush()
    test.redis.meta["epoch"] = String(repeating: "b", count: 32)
    test.redis.store(objects(10..<20))
    try test.startAgain()
    try test.run(for: .seconds(1))
    test.redis.store(numbered(20))
    try test.run(for: .seconds(1))
    #expect(try test.queue() == objects(0..<6) + [numbered(20)])
    try test.leave()
    test.redis.rewind(to: 8)
    test.redis.store(numbered(30))
    try test.comeBack()
    try judge(test, objects(0..<6) + [numbered(20), numbered(30)])
  }

  @Test("a number that nobody can have counted to is no count of losses")
  func impossibleNumber() throws {
    let test = try joined()
    test.redis.meta["seq"] = "9007199254740980"
    test.redis.store(objects(3..<5))
    try test.run(for: .seconds(3))
    try judge(test, objects(0..<3) + ["lost 1 trimmed"] + objects(3..<5))
  }

  @Test("two messages with one id and different texts are both delivered, and that is said")
  func sameID() throws {
    let test = try joined()
    test.redis.store(numbered(1, "another text"))
    test.redis.store(numbered(1))
    try test.run(for: .seconds(2))
    let queue = try test.queue()
    #expect(queue == objects(0..<3) + [numbered(1, "another text")] || queue.count == 5)
    #expect(test.log().contains { $0.contains("id of another message") })
  }

  @Test("a message without id and place is delivered as often as it is heard")
  func plain() throws {
    let test = try joined()
    for _ in 0..<3 { test.redis.publish(message("hello")) }
    try test.run()
    #expect(try test.queue() == objects(0..<3) + Array(repeating: message("hello"), count: 3))
  }
}
