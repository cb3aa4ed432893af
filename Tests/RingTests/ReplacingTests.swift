import Bytes
import Glibc
import System
import TestSupport
import Testing

@testable import Ring

/// A queue that is to be made into another: of another size, or of this version.
struct Change: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let from: Int
  let to: Int
  /// How much is appended to the old one, and of what payloads.
  let fill: UInt64
  let payloads: Range<Int>
  var older = false
  /// Whether the queue names a stream, and how much is appended behind that.
  var streamBefore: UInt64?

  static let all = [
    Change(testDescription: "larger", from: 65536, to: 131_072, fill: 200_000, payloads: 100..<1000),
    Change(testDescription: "larger, while there is room", from: 65536, to: 262_144, fill: 40_000, payloads: 0..<300),
    Change(testDescription: "smaller, what fits", from: 131_072, to: 65536, fill: 300_000, payloads: 100..<1000),
    Change(testDescription: "smaller, all fits", from: 131_072, to: 65536, fill: 40_000, payloads: 100..<1000),
    Change(
      testDescription: "smaller, some are too large", from: 262_144, to: 65536, fill: 600_000, payloads: 7000..<8300),
    Change(testDescription: "smaller, none fits", from: 262_144, to: 65536, fill: 600_000, payloads: 9000..<20_000),
    Change(
      testDescription: "an older version", from: 65536, to: 65536, fill: 200_000, payloads: 0..<1000, older: true),
    Change(
      testDescription: "an older version, and larger", from: 65536, to: 131_072, fill: 200_000, payloads: 0..<1000,
      older: true),
    Change(
      testDescription: "larger, with a stream", from: 65536, to: 131_072, fill: 200_000, payloads: 100..<1000,
      streamBefore: 150_000),
    Change(
      testDescription: "smaller, and the stream's name is just too old", from: 262_144, to: 65536, fill: 300_000,
      payloads: 100..<1000, streamBefore: 65_000),
    Change(
      testDescription: "smaller, and what fits would leave no room for the stream's name", from: 262_144, to: 65536,
      fill: 150_000, payloads: 0..<9, streamBefore: 70_000),
    Change(
      testDescription: "smaller, none fits but the stream", from: 262_144, to: 65536, fill: 600_000,
      payloads: 9000..<20_000, streamBefore: 30_000),
    Change(
      testDescription: "an older version, with a stream", from: 65536, to: 65536, fill: 200_000, payloads: 0..<1000,
      older: true, streamBefore: 40_000),
  ]

  /// Makes the old queue in `folder`.
  func build(_ temporary: borrowing TemporaryFolder, _ random: inout SeededGenerator) throws -> Model {
    let folder = try temporary.open()
    var model = Model(capacity: from)
    var writer = try openWriter(folder, capacity: from)
    writer.markJoined()
    while model.end < fill {
      if model.stream == nil, let streamBefore, model.end + streamBefore >= fill {
        model.append(.random(&random), of: .random(&random), to: &writer)
      }
      if model.entries.count % 11 == 5 { try model.append(lossOf: 3, to: &writer) }
      if model.entries.count % 17 == 9 { try model.appendPosition(to: &writer) }
      try model.append(random.bytes(Int.random(in: payloads, using: &random)), to: &writer)
    }
    if older { try makeOlder(temporary.queue) }
    return model
  }

  /// The index of the first entry that is kept: the newest ones of which each and all fit.
  func firstKept(_ model: Model) -> Int {
    let named = model.stream == nil ? 0 : recordBytes(32)
    var first = model.entries.count
    while first > model.oldest {
      let entry = model.entries[first - 1]
      guard entry.end - entry.start <= UInt64(to / 8), model.end + named - entry.start <= UInt64(to) else { break }
      first -= 1
    }
    return first
  }
}

/// Turns the file of a queue into one that the version before would have written: checksums that do not cover a record's
/// position, no complement of the hint, no checksum in the status page.
func makeOlder(_ path: String) throws {
  var image = contents(path)
  let capacity = word(image, Word.capacity)
  var position = word(image, Word.oldest)
  let published = word(image, Word.published)
  func place(_ position: UInt64) -> Int { Word.ring + Int(position % capacity) }
  while position < published {
    let length = Int(word(image, place(position)) & 0xFFFF_FFFF)
    var covered = bytes(UInt64(length))
    for index in 8..<64 + length { covered.append(image[place(position + UInt64(index))]) }
    var checksum = CRC32C()
    checksum.update(covered.span)
    image.replaceSubrange(
      place(position)..<place(position) + 8, with: bytes(UInt64(length) | UInt64(checksum.value) << 32))
    position += recordBytes(length)
  }
  image.replaceSubrange(Word.version..<Word.version + 8, with: bytes(1))
  var checksum = CRC32C()
  checksum.update(Array(image[..<40]).span)
  image.replaceSubrange(40..<48, with: bytes(UInt64(checksum.value)))
  image.replaceSubrange(Word.sequenceCheck..<Word.sequenceCheck + 8, with: bytes(0))
  for slot in Word.statusSlots { image.replaceSubrange(slot + 4..<slot + 8, with: [0, 0, 0, 0]) }
  setContents(path, image)
}

/// What a reader of the new file must find: everything kept, the stream at its end, and the rest reported to who was
/// further back.
func expectKept(_ folder: borrowing Folder, _ model: Model, _ first: Int, _ note: Comment) throws {
  var reader = try RingReader.open("queue.ring", in: folder)
  let kept = model.entries[first...]
  let sequence = kept.first?.header.sequence ?? model.nextSequence
  #expect(reader.sequence == sequence, note)
  try reader.seek(to: 1)
  if sequence > 1 { #expect(try reader.next() == .overwritten(sequence - 1), note) }
  for entry in kept {
    let found = try reader.next()
    #expect(found == .record(entry.header) && equal(reader.payload, entry.payload.span), note)
  }
  if let stream = model.stream {
    guard case .record(let header) = try reader.next() else { throw Unexpected() }
    #expect(header.kind == .position && header.position == model.position && header.span == 0, note)
    let isNamed = equal(reader.payload, identityPayload(stream).span)
    #expect(isNamed, note)
  } else if kept.isEmpty {
    guard case .record(let filler) = try reader.next(), filler.kind == .position else { throw Unexpected() }
  }
  #expect(try reader.next() == .end && reader.wasJoined, note)
}

@Suite("The queue: made larger, smaller, or into the present version")
struct ReplacingTests {
  @Test(
    "The newest records that fit are kept with their numbers; marks stay good; sleepers follow", arguments: Change.all)
  func kept(change: Change) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = try change.build(temporary, &random)
    let note: Comment = "seed \(random.seed)"
    var old = try RingReader.open("queue.ring", in: folder)
    #expect(old.version == (change.older ? 1 : 2))
    let middle = (old.sequence + model.nextSequence) / 2
    try old.seek(to: middle)
    let hint = old.position
    let word = old.wakeWord
    var writer = try openWriter(folder, capacity: change.to)
    let first = change.firstKept(model)
    let sequence = first < model.entries.count ? model.entries[first].header.sequence : model.nextSequence
    let dropped = sequence - model.entries[model.oldest].header.sequence
    #expect(writer.outcome == .opened, note)
    #expect(
      writer.rebuilding
        == .done(capacity: UInt64(change.from), version: change.older ? 1 : 2, dropped: dropped), note)
    #expect(writer.capacity == UInt64(change.to) && writer.nextSequence == model.nextSequence, note)
    #expect(try folder.names() == ["queue.ring"])
    try expectKept(folder, model, first, note)
    expectStream(writer, model, note)
    // Who slept on the old file was woken and told.
    #expect(old.isSuperseded && old.wakeWord != word)
    var fresh = try RingReader.open("queue.ring", in: folder)
    #expect(fresh.generation == old.generation && fresh.version == 2 && !fresh.isSuperseded)
    // A mark's hint is as good as before, where its record is still there.
    try fresh.seek(to: middle, hint: hint)
    if middle >= sequence { #expect(fresh.position == hint) }
    // And it goes on as any queue, round and round.
    model.noteRebuilding(change.to)
    while model.end < change.fill + UInt64(3 * change.to) {
      try model.append(random.bytes(Int(random.next() % 2000)), to: &writer)
    }
    expectStream(writer, model, note)
    var reader = try RingReader.open("queue.ring", in: folder)
    try reader.seek(to: model.nextSequence - 3)
    for entry in model.entries.filter({ $0.header.kind == .message }).suffix(3) {
      var found = try reader.next()
      while case .record(let header) = found, header.kind == .position { found = try reader.next() }
      #expect(found == .record(entry.header) && equal(reader.payload, entry.payload.span), note)
    }
    let again = try openWriter(folder, capacity: change.to)
    #expect(again.rebuilding == .notNeeded)
  }

  @Test("A queue of the version before is read as it is, also by a reader whose writer is still the old one")
  func olderIsRead() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let change = try #require(Change.all.first { $0.older })
    var model: Model
    do {
      let writer = try openWriter(folder)
      var status = DaemonStatus(pid: 7, version: 8, startedAt: 9, heartbeatAt: 10)
      status.redisError = "an error"
      writer.publish(status)
    }
    model = try change.build(temporary, &random)
    let witness = try Witness(folder)
    try witness.drain(model, until: model.nextSequence, "seed \(random.seed)")
    #expect(witness.ring.daemonStatus?.redisError == "an error")
    // A bit that has changed is seen there, too.
    let newest = try #require(model.entries.last)
    overwrite(temporary.queue, at: Word.ring + Int((newest.start + 64) % 65536), [newest.payload[0] ^ 1])
    var reader = try RingReader.open("queue.ring", in: folder)
    #expect(throws: QueueError.self) { while try reader.next() != .end {} }
  }

  @Test("Without room for the new file the old one is used on, and that is said")
  func noRoom() throws {
    let temporary = TemporaryFolder()
    let mounted = unsafe mount("tmpfs", temporary.path, "tmpfs", 0, "size=3m,mode=700")
    try #require(mounted == 0, "this test mounts a small disk, for which it must be root")
    defer { _ = unsafe umount2(temporary.path, Int32(MNT_DETACH)) }
    let folder = try temporary.open()
    do { _ = try openWriter(folder, capacity: 1 << 20) }
    var writer = try openWriter(folder, capacity: 1 << 21)
    guard case .failed(.system(let error)) = writer.rebuilding else {
      Issue.record("\(writer.rebuilding)")
      return
    }
    #expect(error.code == ENOSPC && writer.capacity == 1 << 20)
    #expect(try folder.names() == ["queue.ring"])
    #expect(try writer.append([1]) == 1)
  }
}
