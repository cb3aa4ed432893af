import Bytes
import Inbox
import Message
import Ring
import System
import TestSupport
import Testing

@Suite("A batch")
struct BatchTests {
  @Test("has at most 50 entries, and the cursor stands behind the last of them")
  func fifty() throws {
    var queue = try Queue()
    try queue.append(120)
    var seen: [[Entry]] = []
    for _ in 0..<4 { seen.append(try queue.get(nil, .standard)) }
    #expect(seen == [messages(1...50), messages(51...100), messages(101...120), []])
  }

  @Test(
    "damage does not hide what comes before it; what is behind it comes after the daemon's next start",
    arguments: [BatchFormat.array, .lines])
  func damage(_ format: BatchFormat) throws {
    var queue = try Queue()
    try queue.append(6)
    let path = queue.temporary.path + "/queue.ring"
    let text = Array(#""text":"4""#.utf8)
    let image = contents(path)
    let place = try #require((65536..<image.count - text.count).first { image[$0..<$0 + text.count] == text[...] })
    overwrite(path, at: place, [UInt8(ascii: "x")])
    do {
      var consumer = try queue.consumer()
      var buffer = ByteBuffer(capacity: 1024)
      let batch = try consumer.collect(.none, format, to: &buffer)
      #expect(try parse(buffer.readable, format) == messages(1...3))
      #expect(batch.damage != nil)
      try consumer.commit(batch)
    }
    #expect(try queue.cursor()?.next == 4)
    do {
      var consumer = try queue.consumer()
      var buffer = ByteBuffer(capacity: 1024)
      var damage: QueueError?
      do throws(InboxError) { _ = try consumer.collect(.none, format, to: &buffer) } catch { damage = error.damage }
      #expect(damage != nil, "damage at once is an error")
    }
    #expect(try queue.cursor()?.next == 4)
    try queue.reopen()
    #expect(try queue.get() == [.loss(sequence: 4, count: 1, reason: .reset)] + messages(5...6))
  }

  @Test("losses count as entries")
  func lossesCount() throws {
    var queue = try Queue()
    for _ in 0..<3 {
      try queue.append(1)
      try queue.lose(2, .invalid)
    }
    let limits = BatchLimits(entries: 3, bytes: .max)
    let first = try queue.get(nil, limits)
    #expect(
      first == [.message(sequence: 1), .loss(sequence: 2, count: 2, reason: .invalid), .message(sequence: 4)])
    let second = try queue.get(nil, limits)
    #expect(second.first == .loss(sequence: 5, count: 2, reason: .invalid))
  }

  @Test(
    "losses of unknown number are told as 0, once, and are no messages in its count", arguments: [1, .max] as [Int])
  func uncounted(entries: Int) throws {
    var queue = try Queue()
    try queue.lose(4, .trimmed)
    try queue.lose(1, .trimmedUnknown)
    try queue.append(1)
    try queue.lose(1, .resetUnknown)
    var seen: [Entry] = []
    var lost: UInt64 = 0
    var uncounted = 0
    for _ in 0..<5 {
      var consumer = try queue.consumer()
      var buffer = ByteBuffer(capacity: 1024)
      let batch = try consumer.collect(BatchLimits(entries: entries, bytes: .max), .array, to: &buffer)
      seen += try parse(buffer.readable, .array)
      lost += batch.lost
      uncounted += batch.uncounted
      try consumer.commit(batch)
    }
    let told: [Entry] = [
      .loss(sequence: 1, count: 4, reason: .trimmed), .loss(sequence: 5, count: 0, reason: .trimmed),
      .message(sequence: 6), .loss(sequence: 7, count: 0, reason: .reset),
    ]
    #expect(seen == told)
    #expect(lost == 4 && uncounted == 2)
    #expect(try queue.cursor()?.lost == 6, "the numbers that no message has")
  }

  @Test("has at most 32 KiB, its brackets included", arguments: [BatchFormat.array, .lines])
  func bytes(format: BatchFormat) throws {
    var queue = try Queue()
    for size in 900..<955 { try queue.append(1, size: size) }
    var all: [Entry] = []
    while true {
      var consumer = try queue.consumer()
      var buffer = ByteBuffer(capacity: 16)
      let batch = try consumer.collect(.standard, format, to: &buffer)
      #expect(buffer.count <= BatchLimits.standard.bytes)
      let entries = try parse(buffer.readable, format)
      if entries.isEmpty { break }
      all += entries
      // It is full: the next one would not have found room.
      if all.count < 55 { #expect(buffer.count + 1100 > BatchLimits.standard.bytes) }
      try consumer.commit(batch)
    }
    #expect(all == messages(1...55))
  }

  @Test("every limit of bytes is kept to the byte", arguments: [BatchFormat.array, .lines])
  func exactly(format: BatchFormat) throws {
    var queue = try Queue()
    try queue.append(3)
    var consumer = try queue.consumer(readOnly: true)
    try consumer.seek(to: 1)
    var buffer = ByteBuffer(capacity: 16)
    _ = try consumer.collect(BatchLimits(entries: 2, bytes: .max), format, to: &buffer)
    let two = buffer.count
    for (limit, count) in [(two - 1, 1), (two, 2), (two + 1, 2)] {
      try consumer.seek(to: 1)
      let found = try consumer.get(BatchLimits(entries: 9, bytes: limit), format, commit: false)
      #expect(found.count == count)
    }
  }

  @Test("has at least one entry, however large it is")
  func atLeastOne() throws {
    var queue = try Queue()
    try queue.append(3, size: 7000)
    let limits = BatchLimits(entries: 50, bytes: 100)
    var seen: [[Entry]] = []
    for _ in 0..<4 { seen.append(try queue.get(nil, limits)) }
    #expect(seen == [messages(1...1), messages(2...2), messages(3...3), []])
  }

  @Test("that is empty is [] in one format and nothing in the other")
  func empty() throws {
    let queue = try Queue()
    for (format, expected) in [(BatchFormat.array, "[]\n"), (.lines, "")] {
      var consumer = try queue.consumer()
      var buffer = ByteBuffer(capacity: 16)
      let batch = try consumer.collect(.standard, format, to: &buffer)
      #expect(batch.isEmpty)
      #expect(String(repairing: buffer.readable) == expected)
    }
  }

  @Test("what is left is counted after what was written, also where the last entry found no room")
  func rest() throws {
    var queue = try Queue()
    try queue.append(10, size: 100)
    try queue.lose(3, .trimmed)
    for limits in [BatchLimits(entries: 4, bytes: .max), BatchLimits(entries: 50, bytes: 600), .none] {
      var consumer = try queue.consumer(readOnly: true)
      var buffer = ByteBuffer(capacity: 16)
      let batch = try consumer.collect(limits, .array, to: &buffer)
      let rest = try consumer.countRest()
      #expect(batch.messages + rest.messages == 10)
      #expect(batch.losses + rest.losses == 1 && batch.lost + rest.lost == 3)
      #expect(rest.end == 14)
    }
  }

  @Test("the limit of bytes loses nothing to a consumer that goes on")
  func goesOn() throws {
    var queue = try Queue()
    try queue.append(20, size: 100)
    var consumer = try queue.consumer()
    var all: [Entry] = []
    while true {
      let entries = try consumer.get(BatchLimits(entries: 50, bytes: 500))
      if entries.isEmpty { break }
      all += entries
    }
    #expect(all == messages(1...20))
  }

  @Test(
    "goes no further than its end: neither a message nor the rest of a loss", arguments: 1...9 as ClosedRange<UInt64>)
  func until(end: UInt64) throws {
    var queue = try Queue()
    try queue.append(4, from: "elon")  // 1 to 4: passed over
    try queue.lose(3, .trimmed)  // 5 to 7
    try queue.append(1, from: "ann")  // 8
    let identity = ConsumerIdentity(agent: try AgentName("elon"), consumer: try AgentName("c"), unfiltered: false)
    var consumer = try queue.consumer(identity)
    try consumer.seek(to: 1)
    var expected: [Entry] = []
    if end > 5 { expected.append(.loss(sequence: 5, count: min(end, 8) - 5, reason: .trimmed)) }
    if end > 8 { expected.append(.message(sequence: 8)) }
    var buffer = ByteBuffer(capacity: 16)
    let batch = try consumer.collect(.none, .lines, until: end, to: &buffer)
    let found = try parse(buffer.readable, .lines)
    #expect(found == expected)
    #expect(batch.end <= end && batch.lost == (end > 5 ? min(end, 8) - 5 : 0))
    try consumer.seek(to: 1)
    let rest = try consumer.countRest(until: end)
    #expect(rest.messages == batch.messages && rest.lost == batch.lost && rest.end <= end)
  }

  // MARK: Commit

  @Test("without commit the cursor does not move")
  func noCommit() throws {
    var queue = try Queue()
    try queue.append(3)
    for _ in 0..<3 {
      let found = try queue.get(commit: false)
      #expect(found == messages(1...3))
    }
    let mark = try queue.cursor()
    #expect(mark?.next == 1)
  }

  @Test("what was passed over behind the last entry is not looked at again")
  func passedOver() throws {
    var queue = try Queue()
    try queue.append(2, from: "ann")
    try queue.append(3, from: "elon")
    let found = try queue.get("elon")
    #expect(found == messages(1...2))
    var mark = try queue.cursor("elon")
    #expect(mark?.next == 6)
    try queue.append(2, from: "elon")
    let nothing = try queue.get("elon")
    mark = try queue.cursor("elon")
    #expect(nothing == [] && mark?.next == 8, "also where nothing was delivered")
  }

  @Test("the cursor remembers where the last batch began")
  func again() throws {
    var queue = try Queue()
    try queue.append(9)
    for _ in 0..<2 { try queue.get(nil, BatchLimits(entries: 3, bytes: .max)) }
    let standing = try queue.cursor()
    let mark = try #require(standing)
    #expect(mark.batch == 4 && mark.next == 7)
    var consumer = try queue.consumer(readOnly: true)
    try consumer.seek(to: mark.batch)
    let found = try consumer.get(.none, until: mark.next, commit: false)
    #expect(found == messages(4...6))
  }

  @Test("reading and finding nothing leaves the last batch what it was", arguments: [false, true])
  func emptyBatch(passesOver: Bool) throws {
    var queue = try Queue()
    try queue.append(3, from: "ann")
    try queue.get("elon")
    if passesOver { try queue.append(2, from: "elon") }
    let nothing = try queue.get("elon")
    #expect(nothing == [])
    var consumer = try queue.consumer("elon", readOnly: true)
    let last = consumer.lastBatch
    let batch = try #require(last)
    try consumer.seek(to: batch.start)
    let found = try consumer.get(.none, until: batch.end, commit: false)
    #expect(found == messages(1...3))
  }

  @Test(
    "of two that read at once the cursor goes with the further one, and their losses count once",
    arguments: [true, false])
  func racing(shortFirst: Bool) throws {
    var queue = try Queue()
    try queue.append(1)
    try queue.lose(4, .trimmed)
    try queue.append(1)
    try queue.lose(2, .invalid)
    try queue.append(1)
    var short = try queue.consumer()
    var long = try queue.consumer()
    var buffer = ByteBuffer(capacity: 16)
    let less = try short.collect(BatchLimits(entries: 2, bytes: .max), .lines, to: &buffer)
    let more = try long.collect(.none, .lines, to: &buffer)
    if shortFirst { try short.commit(less) }
    try long.commit(more)
    if !shortFirst { try short.commit(less) }
    let mark = try queue.cursor()
    #expect(mark?.next == 10 && mark?.lost == 6)
  }

  @Test("two that find a new queue at once do not set each other back")
  func racingNewQueue() throws {
    var queue = try Queue()
    try queue.append(5)
    try queue.get()
    try queue.replace()
    try queue.append(5)
    var first = try queue.consumer()
    var second = try queue.consumer()
    var buffer = ByteBuffer(capacity: 16)
    let one = try first.collect(.none, .lines, to: &buffer)
    let two = try second.collect(BatchLimits(entries: 2, bytes: .max), .lines, to: &buffer)
    try first.commit(one)
    try second.commit(two)
    let mark = try queue.cursor()
    #expect(mark?.next == 6)
  }
}
