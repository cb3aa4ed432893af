import Bytes
import Daemon
import Ring
import Settings
import System
import TestSupport
import Testing

@Suite("What was missed comes before what is new, once")
struct CatchUpTests {
  private func plain(_ number: Int) -> String { message("\(number)", from: "other") }

  @Test(
    "what was published while the daemon was away is in the queue before what comes while it reads",
    arguments: [true, false])
  func missedFirst(haveIDs: Bool) throws {
    let test = try SimulatedDaemon()
    try test.start()
    let object = { (number: Int) in haveIDs ? numbered(number) : plain(number) }
    test.redis.store(object(0))
    try test.run(for: .seconds(1))
    try test.leave()
    test.redis.store((1..<6).map(object))
    test.redis.heldCommands = ["HMGET"]
    try test.comeBack()
    // It is connected and has asked; these come live and wait for what they follow.
    test.redis.store((6..<9).map(object))
    try test.run(for: .seconds(1))
    #expect(try test.queue() == [object(0)])
    test.redis.heldCommands = []
    test.redis.releaseAnswers()
    try test.run(for: .seconds(2))
    #expect(try test.queue() == (0..<9).map(object))
    test.redis.store(object(9))
    try test.run()
    #expect(try test.queue() == (0..<10).map(object))
  }

  @Test("thousands are read page by page, which the log and the status page tell while it goes on")
  func progress() throws {
    var choice = Choice(queueBytes: 1 << 22)
    choice.streamMaxLength = 1_000_000
    let test = try SimulatedDaemon(choice)
    try test.start()
    test.redis.store(numbered(0))
    try test.run(for: .seconds(1))
    try test.leave()
    let objects = (1..<12_001).map { numbered($0) }
    test.redis.store(objects, keep: 1_000_000)
    test.redis.heldCommands = ["XRANGE"]
    try test.comeBack()
    var seen: [UInt64] = []
    for _ in 0..<100 {
      let page = try test.status()
      guard page.redis == .catchingUp else { break }
      if page.catchUpDone > 0 { seen.append(page.catchUpDone) }
      if page.catchUpDone > 64 { #expect(page.catchUpTotal >= page.catchUpDone) }
      test.redis.releaseOneAnswer()
      try test.run()
    }
    test.redis.heldCommands = []
    test.redis.releaseAnswers()
    try test.run(for: .seconds(1))
    #expect(seen.count > 10 && seen == seen.sorted())
    #expect(try test.queue() == [numbered(0)] + objects)
    #expect(try test.status().redis == .ready)
    #expect(test.log(.info).contains { $0.hasPrefix("catching up: ") })
    #expect(test.log(.notice).contains("caught up with the stream"))
  }

  @Test("killed in the middle of a catch-up, the next life goes on where it was")
  func killedReading() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.store(numbered(0))
    try test.run(for: .seconds(1))
    try test.leave()
    test.redis.store((1..<6_000).map { numbered($0) })
    test.redis.heldCommands = ["XRANGE"]
    try test.comeBack()
    for _ in 0..<3 {
      test.redis.releaseOneAnswer()
      try test.run()
    }
    let before = try test.queue().count
    #expect(before > 1 && before < 6_000)
    test.kill()
    test.redis.heldCommands = []
    try test.startAgain()
    try test.run(for: .seconds(2))
    #expect(try test.queue() == (0..<6_000).map { numbered($0) })
  }

  @Test(
    "a queue that is new to a Redis begins as first_start says",
    arguments: [
      (FirstStart.end, 5), (.all, 0), (.last(2), 3), (.last(100), 0),
    ])
  func firstStart(rule: FirstStart, first: Int) throws {
    var choice = Choice()
    choice.firstStart = rule
    let test = try SimulatedDaemon(choice)
    test.redis.store((0..<5).map { numbered($0) })
    try test.start()
    try test.run(for: .seconds(1))
    test.redis.store(numbered(5))
    try test.run(for: .seconds(1))
    #expect(try test.queue() == (first..<6).map { numbered($0) })
    // Once: the second time it knows where it stood.
    test.kill()
    test.redis.store(numbered(6))
    try test.startAgain()
    try test.run(for: .seconds(1))
    #expect(try test.queue() == (first..<7).map { numbered($0) })
  }

  @Test("a queue that begins on an empty stream misses nothing that comes, be it before it has heard of anything")
  func emptyStream() throws {
    let test = try SimulatedDaemon()
    try test.start()
    try test.run(for: .seconds(1))
    try test.leave()
    test.redis.store((0..<3).map { numbered($0) })
    try test.comeBack()
    #expect(try test.queue() == (0..<3).map { numbered($0) })
  }

  @Test("the first message of a new bus is in the queue at once, and stays there where Redis then loses it")
  func firstMessage() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.store(numbered(0))
    try test.run()
    #expect(try test.queue() == [numbered(0)])
    test.kill()
    test.redis.flush()
    test.redis.meta["epoch"] = String(repeating: "b", count: 32)
    test.redis.store(numbered(1))
    try test.startAgain()
    try test.run(for: .seconds(2))
    #expect(try test.queue() == [numbered(0), "lost 1 reset", numbered(1)])
  }

  @Test("another Redis is a first start; the same stream at another address is not")
  func anotherTarget() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.store((0..<3).map { numbered($0) })
    try test.run(for: .seconds(1))
    test.kill()
    test.choice.target = 2
    test.redis.store(numbered(3))
    try test.startAgain()
    try test.run(for: .seconds(1))
    #expect(try test.queue() == (0..<4).map { numbered($0) }, "the epoch tells that it is the same")
    test.kill()
    test.choice.target = 3
    test.redis.flush()
    test.redis.meta["epoch"] = String(repeating: "b", count: 32)
    test.redis.store((10..<15).map { numbered($0) })
    try test.startAgain()
    try test.run(for: .seconds(1))
    test.redis.store(numbered(15))
    try test.run(for: .seconds(1))
    #expect(try test.queue() == (0..<4).map { numbered($0) } + [numbered(15)], "no loss is told of what is another bus")
  }

  @Test("a page that is more than can be read at once is asked for again in smaller ones")
  func largePages() throws {
    var choice = Choice(messageBytes: 200_000, queueBytes: 1 << 26)
    choice.firstStart = .all
    let test = try SimulatedDaemon(choice)
    // The size of the first pages is judged by small ones.
    let small = (0..<400).map { numbered($0) }
    let large = (400..<700).map { numbered($0, String(repeating: "x", count: 150_000)) }
    test.redis.store(small + large)
    try test.start()
    try test.run(for: .seconds(60))
    #expect(try test.queue() == small + large)
    #expect(try test.status().redis == .ready)
  }

  @Test(
    "an entry that nobody can read, be it alone, stops nothing: it is said, and what is behind it comes when it is gone"
  )
  func unreadable() throws {
    let test = try SimulatedDaemon()
    try test.start()
    test.redis.store(numbered(0))
    try test.run(for: .seconds(1))
    try test.leave()
    test.redis.store(numbered(1))
    let id = test.redis.add((0..<40_000).map { (name: "\($0)", value: "x") })
    test.redis.store(numbered(2))
    test.redis.connectFault = nil
    try test.run(for: .seconds(60))
    try test.send(numbered(3))
    try test.run(for: .seconds(60))
    #expect(try test.files("new") == [])
    #expect(try test.status().redisError.contains("larger than can be read"))
    #expect(try test.queue().contains(numbered(1)))
    test.redis.remove(id)
    try test.run(for: .seconds(130))
    let queue = try test.queue()
    #expect(Set(queue) == Set((0..<4).map { numbered($0) }) && queue.count == 4, "\(queue)")
    #expect(try test.status().redis == .ready)
  }

  @Test("who may not read the stream hears what is published, says so, and reads all when it may")
  func barred() throws {
    let test = try SimulatedDaemon()
    test.redis.errors["XRANGE"] = "NOPERM no xrange"
    test.redis.store(numbered(0))
    try test.start()
    try test.run(for: .seconds(1))
    test.redis.store(numbered(1))
    try test.send(numbered(2))
    try test.run(for: .seconds(2))
    let heard = try test.queue()
    #expect(heard.contains(numbered(1)))
    #expect(test.log().contains { $0.contains("cannot be fetched") })
    #expect(try test.status().redis == .waiting)
    test.redis.errors = [:]
    try test.run(for: .seconds(70))
    #expect(try test.queue().contains(numbered(2)))
    #expect(try test.files("new") == [])
    #expect(try test.status().redis == .ready)
  }
}
