import Bytes
import Inbox
import Message
import Ring
import System
import TestSupport
import Testing

@Suite("Who looks on")
struct FollowingTests {
  private func onlooker(_ queue: borrowing Queue, _ name: String? = nil) throws -> Consumer {
    let agent = try name.map { name in try AgentName(name) }
    return try Consumer.open(
      ConsumerIdentity(agent: agent, consumer: nil, unfiltered: false), queue: "queue.ring", cursors: "cursors",
      in: queue.folder, .withoutCursor)
  }

  private func last(_ count: Int, _ queue: borrowing Queue, _ name: String? = nil) throws -> [Entry] {
    var consumer = try onlooker(queue, name)
    try consumer.seek(toLast: count)
    return try consumer.rest()
  }

  @Test("sees the last N messages, with the losses among them")
  func lastN() throws {
    var queue = try Queue()
    try queue.append(3)  // 1 to 3
    try queue.lose(2, .trimmed)  // 4 and 5
    try queue.append(2)  // 6 and 7
    let loss = Entry.loss(sequence: 4, count: 2, reason: .trimmed)
    let all = messages(1...3) + [loss] + messages(6...7)
    for (count, expected) in [
      (0, []), (1, messages(7...7)), (2, messages(6...7)), (3, messages(3...3) + [loss] + messages(6...7)), (5, all),
      (6, all), (1_000_000, all),
    ] as [(Int, [Entry])] {
      let found = try last(count, queue)
      #expect(found == expected, "the last \(count)")
    }
  }

  @Test("sees as many as there are in a queue that has gone round, without a word of what was before")
  func lapped() throws {
    var queue = try Queue()
    try queue.append(5)
    try queue.lap()
    let oldest = try RingReader.open("queue.ring", in: queue.folder).sequence
    let found = try last(1000, queue)
    #expect(found == messages(oldest...queue.writer.nextSequence - 1))
  }

  @Test(
    "with a filter sees the last N that are for it, however far back and however thinly strewn",
    arguments: 0..<6 as Range<UInt64>)
  func filtered(round: UInt64) throws {
    let seed = SeededGenerator().seed
    var random = SeededGenerator(seed: seed &+ round)
    var queue = try Queue()
    var ours: [UInt64] = []
    let rarity = [1, 3, 10, 40, 150, 500][Int(round)]
    for _ in 0..<500 {
      let isOurs = Int.random(in: 0..<rarity, using: &random) == 0
      if isOurs { ours.append(queue.writer.nextSequence) }
      try queue.append(1, from: isOurs ? "elon" : "bob")
    }
    // All of them are in the queue still.
    #expect(try RingReader.open("queue.ring", in: queue.folder).sequence == 1)
    for count in [0, 1, 2, 7, 63, 64, 65, ours.count, ours.count + 1, 5000] {
      let found = try last(count, queue, "bob")
      #expect(
        found == messages(Array(ours.suffix(count))),
        "OPENCLAW_BUS_TEST_SEED=\(seed), round \(round), the last \(count)")
    }
  }

  @Test("leaves every cursor alone, and needs none that is whole")
  func noCursor() throws {
    var queue = try Queue()
    try queue.append(3)
    var found = try last(2, queue, "bob")
    #expect(found == messages(2...3))
    #expect(throws: (any Error).self) { try queue.cursor("bob") }
    try queue.get()
    let before = try queue.cursor()
    overwrite(queue.temporary.path + "/cursors/default", at: 0, [0xFF])
    found = try last(2, queue)
    #expect(found == messages(2...3))
    #expect(before?.next == 4)
  }

  @Test("goes on where it was when the same queue is opened again")
  func resumes() throws {
    var queue = try Queue()
    try queue.append(3)
    var consumer = try onlooker(queue)
    #expect(try consumer.rest() == messages(1...3))
    let place = consumer.place
    try queue.reopen()
    try queue.append(2)
    var fresh = try onlooker(queue)
    try fresh.resume(at: place)
    #expect(try fresh.rest() == messages(4...5))
  }

  @Test("is told of what was overwritten before it went on")
  func resumesLapped() throws {
    var queue = try Queue()
    try queue.append(3)
    var consumer = try onlooker(queue)
    _ = try consumer.rest()
    let place = consumer.place
    try queue.lap()
    var fresh = try onlooker(queue)
    try fresh.resume(at: place)
    let oldest = try RingReader.open("queue.ring", in: queue.folder).sequence
    let first = try fresh.nextEntry()
    #expect(first == .loss(sequence: 4, count: oldest - 4, reason: .overwritten))
  }

  @Test("is told of a queue that was created anew, and then sees all of it")
  func resumesInNewQueue() throws {
    var queue = try Queue()
    try queue.append(3)
    var consumer = try onlooker(queue)
    _ = try consumer.rest()
    let place = consumer.place
    try queue.replace()
    try queue.append(5)
    var fresh = try onlooker(queue)
    try fresh.resume(at: place)
    #expect(try fresh.rest() == [.loss(sequence: 1, count: 0, reason: .newQueue)] + messages(1...5))
  }

  // MARK: What is left

  @Test("what is left is exact for one that reads all, and without a walk")
  func remainder() throws {
    var queue = try Queue()
    try queue.append(4)
    try queue.lose(2000, .trimmed)
    try queue.append(1)
    var consumer = try queue.consumer()
    #expect(try consumer.remainder() == .exactly(2005))
    #expect(try consumer.remainder(until: 3) == .exactly(2))
    _ = try consumer.nextEntry()
    #expect(try consumer.remainder() == .exactly(2004))
    #expect(try consumer.remainder(until: 1) == .exactly(0))
  }

  @Test("what is left is exact for one with a filter while it is little, and else a lower bound")
  func filteredRemainder() throws {
    var queue = try Queue()
    try queue.append(3, from: "elon")
    try queue.append(2, from: "bob")
    var consumer = try queue.consumer("bob")
    #expect(try consumer.remainder() == .exactly(3))
    try queue.lose(5000, .trimmed)
    try queue.append(1, from: "elon")
    consumer = try queue.consumer("bob")
    #expect(try consumer.remainder() == .atLeast(4))
  }

  // MARK: Past damage

  /// Four whole messages, a damaged one, and four whole ones.
  private func damaged() throws -> Queue {
    var queue = try Queue()
    try queue.append(9)
    let path = queue.temporary.path + "/queue.ring"
    let text = Array(#""text":"5""#.utf8)
    let image = contents(path)
    let place = try #require((65536..<image.count - text.count).first { image[$0..<$0 + text.count] == text[...] })
    overwrite(path, at: place, [UInt8(ascii: "x")])
    return queue
  }

  @Test("damage can be passed, and what comes later is read as ever")
  func passesDamage() throws {
    var queue = try damaged()
    do {
      var consumer = try queue.consumer()
      let batch = try consumer.countAndSkipDamage()
      #expect(batch.messages == 4 && batch.damage != nil && batch.end == 10)
      try consumer.commit(batch)
    }
    try queue.append(2)
    let found = try queue.get()
    #expect(found == messages(10...11))
  }

  @Test("where nothing is damaged, passing it is counting")
  func nothingToPass() throws {
    var queue = try Queue()
    try queue.append(4)
    try queue.lose(3, .trimmed)
    var consumer = try queue.consumer()
    let batch = try consumer.countAndSkipDamage()
    #expect(batch.messages == 4 && batch.lost == 3 && batch.damage == nil && batch.end == 8)
    try consumer.commit(batch)
    #expect(try queue.cursor()?.lost == 3)
  }

  @Test("a queue whose oldest record is damaged is opened at its end")
  func opensAtEnd() throws {
    var queue = try Queue()
    // The record that every queue begins with stands first in the ring.
    overwrite(queue.temporary.path + "/queue.ring", at: 65536 + 20, [0xFF])
    try queue.append(3)
    #expect(throws: InboxError.self) { _ = try queue.consumer() }
    do {
      let consumer = try Consumer.open(
        ConsumerIdentity(agent: nil, consumer: nil, unfiltered: false), queue: "queue.ring", cursors: "cursors",
        in: queue.folder, .readWrite(file: 0o600, folder: 0o700), atEnd: true)
      #expect(consumer.next == 4)
    }
  }

  // MARK: Part of what there is

  @Test(
    "counting up to a number marks up to that number, and its losses count once",
    arguments: 1...9 as ClosedRange<UInt64>)
  func acknowledges(sequence: UInt64) throws {
    var queue = try Queue()
    try queue.append(3)  // 1 to 3
    try queue.lose(4, .trimmed)  // 4 to 7
    try queue.append(2)  // 8 and 9
    do {
      var consumer = try queue.consumer()
      let batch = try consumer.countRest(until: sequence + 1)
      try consumer.commit(batch)
    }
    let mark = try queue.cursor()
    #expect(mark?.next == sequence + 1)
    #expect(mark?.lost == (sequence < 4 ? 0 : min(sequence, 7) - 3))
    let rest = try queue.get()
    let lost =
      sequence < 7 ? [Entry.loss(sequence: max(sequence + 1, 4), count: 7 - max(sequence, 3), reason: .trimmed)] : []
    #expect(rest == messages([1, 2, 3].filter { $0 > sequence }) + lost + messages([8, 9].filter { $0 > sequence }))
    #expect(try queue.cursor()?.lost == 4)
  }
}
