import Bytes
import System
import TestSupport
import Testing

@testable import Ring

@Suite("The queue: which stream it is of, and how far it has come in it")
struct StreamTests {
  private let here = StreamIdentity(epoch: StreamEpoch(high: 1 << 63, low: 2), target: 3)
  private let there = StreamIdentity(epoch: StreamEpoch(high: 4, low: .max), target: 5)

  /// What the next start knows.
  private func known(_ folder: borrowing Folder) throws -> (stream: StreamIdentity?, position: StreamPosition?) {
    let writer = try openWriter(folder)
    #expect(writer.outcome == .opened)
    return (writer.stream, writer.position)
  }

  @Test("A new queue knows none, and neither does one whose records never named one, wherever they say that they stood")
  func unknown() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    #expect(writer.stream == nil && writer.position == nil)
    _ = try writer.append([1], StreamPosition(busSequence: 7, milliseconds: 8, sequence: 9))
    #expect(writer.stream == nil && writer.position == nil)
    let after = try known(folder)
    #expect(after.stream == nil && after.position == nil)
  }

  @Test("The newest record that has a position says where the queue stands; the newest that names a stream, in which")
  func keptUp() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    func expect(_ stream: StreamIdentity, _ position: StreamPosition, _ what: Comment) throws {
      #expect(writer.stream == stream && writer.position == position, what)
      let after = try known(folder)
      #expect(after.stream == stream && after.position == position, "\(what); opened again")
    }
    writer.append(position: StreamPosition(), of: here, receivedAt: 1)
    try expect(here, StreamPosition(), "before the first entry of a stream")
    let first = StreamPosition(busSequence: 1, id: StreamID(milliseconds: 1_700_000_000_000, sequence: 0))
    _ = try writer.append([1], first)
    try expect(here, first, "a message")
    #expect(writer.position?.id == StreamID(milliseconds: 1_700_000_000_000, sequence: 0))
    _ = try writer.append([2])
    try expect(here, first, "a message that is not of the stream")
    let second = StreamPosition(busSequence: 9, milliseconds: 1_700_000_000_000, sequence: 1)
    try writer.append(lossOf: 8, reason: 1, position: second, receivedAt: 2)
    try expect(here, second, "a loss")
    try writer.append(lossOf: 1, reason: 1, receivedAt: 2)
    try expect(here, second, "a loss of something that is not of the stream")
    let third = StreamPosition(busSequence: 0, milliseconds: 0, sequence: 1)
    writer.append(position: third, of: here, receivedAt: 3)
    try expect(here, third, "a move, also back")
    writer.append(position: StreamPosition(), of: there, receivedAt: 3)
    try expect(there, StreamPosition(), "another stream")
    #expect(writer.nextSequence == 12, "moves occupy no number")
  }

  @Test("A move is a position record; its payload is the name of the stream, as the layout draws it, byte for byte")
  func layout() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    let position = StreamPosition(busSequence: 3, milliseconds: 4, sequence: 5)
    writer.append(position: position, of: here, receivedAt: 6)
    var reader = try RingReader.open("queue.ring", in: folder)
    let records = try readAll(&reader)
    #expect(records.count == 2 && records[0].payload == [] && records[1].payload == identityPayload(here))
    let header = records[1].header
    #expect(header.kind == .position && header.position == position && header.receivedAt == 6 && header.span == 0)
    let last = records[1].payload
    let named = StreamIdentity(payload: last.span)
    #expect(named == here)
  }

  @Test("No other payload names a stream: not zeros, not one of another length, not one without its first word")
  func otherPayloads() {
    let whole = identityPayload(here)
    var payloads = [[], [UInt8](repeating: 0, count: 32), whole + [0], Array(whole.dropLast()), whole + whole]
    for bit in 0..<64 {
      var changed = whole
      changed[bit / 8] ^= 1 << (bit % 8)
      payloads.append(changed)
    }
    for payload in payloads {
      let named = StreamIdentity(payload: payload.span)
      #expect(named == nil, "\(payload)")
    }
  }

  @Test(
    "However often the ring goes round, the stream is named in it, and known to the next start",
    arguments: [65536, 131_072], [0, 100, 3000, 8000])
  func goingRound(capacity: Int, payload: Int) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: capacity)
    var writer = try openWriter(folder, capacity: capacity)
    model.append(StreamPosition(), of: here, to: &writer)
    var names = 0
    while model.end < 4 * UInt64(capacity) {
      let note: Comment = "at \(model.end), seed \(random.seed)"
      try model.append(random.bytes(payload), to: &writer)
      let isNamed = model.streamAt >= model.entries[model.oldest].start
      #expect(isNamed, note)
      guard random.next() % UInt64(capacity / (payload + 72) / 8) == 0 else { continue }
      expectStream(writer, model, note)
      writer = try openWriter(folder, capacity: capacity)
      #expect(writer.outcome == .opened && writer.nextSequence == model.nextSequence, note)
      expectStream(writer, model, note)
      names = model.entries.count { $0.header.kind == .position } - 1
    }
    // Not more often than has to be.
    #expect(names >= 15 && names <= 24)
    try CheckedReader(folder, model).drain(model, "seed \(random.seed)")
  }

  @Test("A replay gives every record that is there, in order, with where it ends")
  func replay() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    for _ in 0..<3 {
      while model.end < 300_000 && random.next() % 200 > 0 { try model.appendRandom(to: &writer, &random) }
      let present = model.entries[model.oldest...]
      #expect(writer.oldestPosition == present.first?.start && writer.publishedPosition == model.end)
      var index = present.startIndex
      try writer.replay { header, payload, end in
        let entry = present[index]
        let isSame = equal(payload, entry.payload.span)
        #expect(header == entry.header && end == entry.end && isSame, "seed \(random.seed)")
        index += 1
      }
      #expect(index == present.endIndex)
    }
  }
}
