import Bytes
import System
import TestSupport
import Testing

@testable import Ring

@Suite("The queue: the stream and the position after damage")
struct StreamRecoveryTests {
  private let here = StreamIdentity(epoch: StreamEpoch(high: 1, low: 2), target: 3)
  private let there = StreamIdentity(epoch: StreamEpoch(high: 4, low: 5), target: 6)

  /// A queue closed in another start of the machine, that went from one stream to another: every record of it has a
  /// position of its own.
  private func closed(_ temporary: borrowing TemporaryFolder, bytes: UInt64, _ random: inout SeededGenerator) throws
    -> Model
  {
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    for _ in 0..<3 { try model.append(random.bytes(50), to: &writer) }
    model.append(StreamPosition(), of: here, to: &writer)
    for _ in 0..<20 { try model.append(random.bytes(50), to: &writer) }
    model.append(StreamPosition(busSequence: 1, milliseconds: 2, sequence: 3), of: there, to: &writer)
    while model.end < bytes { try model.append(random.bytes(Int(random.next() % 900)), to: &writer) }
    reboot(temporary)
    return model
  }

  /// Opens the queue twice: the second time nothing is wrong any more, and all is known as well.
  private func expect(
    _ folder: borrowing Folder, _ known: Known, _ note: Comment
  ) throws {
    for _ in 0..<2 {
      let found = try openWriter(folder).known
      #expect(found == known, note)
    }
  }

  @Test("A gap of any length anywhere: what the records around it say", arguments: [8000, 150_000])
  func gap(bytes: UInt64) throws {
    var random = SeededGenerator()
    for round in 0..<40 {
      let note: Comment = "round \(round), seed \(random.seed)"
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let model = try closed(temporary, bytes: bytes, &random)
      let present = model.entries[model.oldest...]
      let first = present.startIndex + 1 + Int(random.next() % UInt64(present.count - 2))
      let last = min(first + Int(random.next() % (round % 2 == 0 ? 3 : 200)), present.endIndex - 2)
      garble(temporary, model.entries[first].start, model.entries[last].end)
      try expect(folder, Known(model.entries[present.startIndex..<first] + model.entries[(last + 1)...]), note)
      // What fills the gap names no stream, whatever its length.
      var reader = try RingReader.open("queue.ring", in: folder)
      let named = try readAll(&reader).count { StreamIdentity(payload: $0.payload.span) != nil }
      let kept = (present[..<first] + present[(last + 1)...]).count { $0.payload.starts(with: Array("OCSTREAM".utf8)) }
      // It was named again where the last name was too far back.
      #expect(named == kept || named == kept + 1, note)
    }
  }

  @Test(
    "The end is cut off: the position goes back to that of the newest record that is left", arguments: [8000, 150_000])
  func cut(bytes: UInt64) throws {
    var random = SeededGenerator()
    for round in 0..<40 {
      let note: Comment = "round \(round), seed \(random.seed)"
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let model = try closed(temporary, bytes: bytes, &random)
      let present = model.entries[model.oldest...]
      // In half of the rounds only a little.
      let most = round % 2 == 0 ? 5 : present.count - 2
      let first = present.endIndex - 1 - Int(random.next() % UInt64(most))
      garble(temporary, model.entries[first].start, model.end)
      try expect(folder, Known(present[..<first]), note)
    }
  }

  @Test("The oldest records are bad: what the others say", arguments: [8000, 150_000])
  func oldest(bytes: UInt64) throws {
    var random = SeededGenerator()
    for round in 0..<40 {
      let note: Comment = "round \(round), seed \(random.seed)"
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let model = try closed(temporary, bytes: bytes, &random)
      let present = model.entries[model.oldest...]
      let last = present.startIndex + Int(random.next() % UInt64(present.count - 1))
      garble(temporary, model.entries[present.startIndex].start, model.entries[last].end)
      try expect(folder, Known(present[(last + 1)...]), note)
    }
  }

  @Test("Where the name is far behind what is left, it is written again at once, before it can be lost")
  func namedAtOnce() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try closed(temporary, bytes: 60_000, &random)
    // All but the first name of the second stream are bad.
    let names = model.entries.indices.filter { model.entries[$0].payload == identityPayload(there) }
    #expect(names.count > 2)
    for name in names.dropFirst() { garble(temporary, model.entries[name].start, model.entries[name].end) }
    let middle = try #require(names.dropFirst().first)
    var writer = try openWriter(folder)
    #expect(writer.stream == there && writer.position == model.position)
    var reader = try RingReader.open("queue.ring", in: folder)
    let last = try #require(try readAll(&reader).last)
    #expect(last.payload == identityPayload(there) && last.header.position == model.position)
    #expect(model.entries[middle].end < model.end - 16384)
    // And it holds, however much follows.
    for _ in 0..<1000 { _ = try writer.append(random.bytes(300)) }
    #expect(try openWriter(folder).stream == there)
  }

  @Test("Where not one record is whole, nothing is known")
  func nothingWhole() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try closed(temporary, bytes: 30_000, &random)
    garble(temporary, 0, model.end)
    let writer = try openWriter(folder)
    guard case .replaced = writer.outcome else { throw Unexpected() }
    #expect(writer.stream == nil && writer.position == nil && writer.nextSequence == model.nextSequence)
  }
}
