import Bytes
import System
import TestSupport
import Testing

@testable import Ring

@Suite("The queue: what is appended is read")
struct RoundTripTests {
  @Test(
    "Every sequence number is delivered byte for byte or counted as overwritten, exactly once, however far a reader lags",
    arguments: [65536, 131_072, 262_144, 1_048_576])
  func randomRecords(capacity: Int) throws {
    var random = SeededGenerator()
    let seed = random.seed
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder, capacity: capacity)
    var model = Model(capacity: capacity)
    let readers = try (0..<3).map { _ in try CheckedReader(folder, model) }
    // Enough for the ring to go round several times.
    while model.end < 6 * UInt64(capacity) {
      for _ in 0..<random.next() % 40 { try model.appendRandom(to: &writer, &random) }
      for reader in readers where random.next() % 4 > 0 {
        for _ in 0..<random.next() % 60 where try reader.step(model, "seed \(seed)") == false { break }
      }
    }
    for reader in readers { try reader.drain(model, "seed \(seed)") }
    #expect(writer.nextSequence == model.nextSequence)
    expectStream(writer, model, "seed \(seed)")
  }

  @Test("A record may wrap at every 8 bytes of the ring's end")
  func everyWrap() throws {
    var random = SeededGenerator()
    for before in stride(from: UInt64(0), through: recordBytes(43), by: 8) {
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      var writer = try openWriter(folder)
      var model = Model(capacity: 65536)
      let early = try CheckedReader(folder, model)
      try model.fill(2 * 65536 - before - model.end, to: &writer, &random)
      let late = try CheckedReader(folder, model)
      try late.drain(model, "\(before) bytes before the end, seed \(random.seed)")
      try model.append(random.bytes(43), to: &writer)
      #expect(try late.step(model, "\(before) bytes before the end, seed \(random.seed)"))
      try model.append(random.bytes(5), to: &writer)
      try late.drain(model, "\(before) bytes before the end, seed \(random.seed)")
      try early.drain(model, "\(before) bytes before the end, seed \(random.seed)")
      #expect(try early.ring.nextSequence() == model.nextSequence)
    }
  }

  @Test("A loss of N occupies N sequence numbers, a position none, and both say where they stand")
  func kinds() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    let position = StreamPosition(busSequence: 3, milliseconds: 1_700_000_000_000, sequence: 4)
    #expect(try writer.append([1, 2, 3], receivedAt: 11) == 1)
    try writer.append(lossOf: 12, reason: 2, position: position, receivedAt: 12)
    #expect(try writer.append([], position, receivedAt: 13) == 14)
    var reader = try RingReader.open("queue.ring", in: folder)
    var found: [RecordHeader] = []
    while case .record(let header) = try reader.next() { found.append(header) }
    #expect(found.map(\.kind) == [.position, .message, .loss, .message])
    #expect(found.map(\.sequence) == [1, 1, 2, 14])
    #expect(found.map(\.span) == [0, 1, 12, 1])
    #expect(found.map(\.nextSequence) == [1, 2, 14, 15])
    #expect(found.map(\.receivedAt) == [1, 11, 12, 13])
    #expect(found.map(\.reason) == [0, 0, 2, 0])
    #expect(found[2].position == position && found[3].position == position)
    #expect(found[1].position == StreamPosition())
    #expect(try reader.nextSequence() == 15)
    #expect(reader.sequence == 15, "asking for the next number does not move the reader")
  }

  @Test("The largest record is an eighth of the ring; one byte more is refused and changes nothing")
  func tooLarge() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    let reader = try CheckedReader(folder, model)
    #expect(writer.largestPayload == model.largestPayload)
    for _ in 0..<20 { try model.append(random.bytes(writer.largestPayload), to: &writer) }
    let before = contents(temporary.queue)
    for more in [1, 2, 8, 9, 65536, 1_000_000] {
      let object = random.bytes(writer.largestPayload + more)
      #expect(
        throws: AppendError.tooLarge(recordBytes: Int(recordBytes(object.count)), limit: 8192)
      ) { try writer.append(object) }
    }
    #expect(contents(temporary.queue) == before)
    try model.append([7], to: &writer)
    try reader.drain(model, "seed \(random.seed)")
  }

  @Test("The smallest queue that the settings allow for a message size takes a received message of that size")
  func smallestQueue() throws {
    for size in [1024, 7856, 7857, 65_536, 262_144, 1_000_000] {
      let capacity = Limits.leastQueueBytes(forMessageBytes: size)
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let writer = try RingWriter.open(
        "queue.ring", in: folder, capacity: capacity, permissions: 0o600, lossReason: 5, now: 1)
      #expect(writer.largestPayload >= size + Limits.receivedSlack, "\(size) bytes in \(capacity)")
    }
  }

  @Test("A queue made anew has another generation; one opened again has the same")
  func generation() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    let first = try RingReader.open("queue.ring", in: folder).generation
    do { _ = try openWriter(folder) }
    #expect(try RingReader.open("queue.ring", in: folder).generation == first)
    #expect(try folder.remove("queue.ring"))
    do { _ = try openWriter(folder) }
    #expect(try RingReader.open("queue.ring", in: folder).generation != first)
  }

  @Test("That it was joined to Redis is remembered for good, and nothing else is changed by it")
  func joined() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do {
      var writer = try openWriter(folder)
      #expect(writer.wasJoined == false)
      writer.markJoined()
      #expect(writer.wasJoined == true)
      _ = try writer.append([1])
    }
    let writer = try openWriter(folder)
    #expect(writer.wasJoined == true)
    #expect(writer.outcome == .opened)
    #expect(writer.nextSequence == 2)
    #expect(try RingReader.open("queue.ring", in: folder).wasJoined == true)
  }
}
