import Bytes
import Glibc
import System
import TestSupport
import Testing

@testable import Ring

/// The death of the writer between any two of its stores, had by applying the first so many of an append's stores to
/// the file as it was before.
@Suite("The queue: opened again after the writer died between any two stores")
struct ReopeningTests {
  @Test("A copy restored with holes has real blocks for every byte once it is open for writing")
  func restoredWithHoles() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do {
      var writer = try openWriter(folder)
      _ = try writer.append([1, 2, 3])
    }
    let whole = contents(temporary.queue)
    #expect(unsafe unlink(temporary.queue) == 0)
    setContents(temporary.queue, Array(whole.prefix(Word.ring + 160)))
    #expect(unsafe truncate(temporary.queue, whole.count) == 0)
    #expect(contents(temporary.queue) == whole)
    let writer = try openWriter(folder)
    #expect(writer.outcome == .opened)
    var status = stat()
    #expect(unsafe stat(temporary.queue, &status) == 0)
    #expect(Int(status.st_blocks) * 512 >= whole.count)
  }

  /// What the writer was appending when it died.
  enum Last: CaseIterable {
    case empty, short, largest, loss, position
  }

  struct Case: CustomTestStringConvertible {
    let last: Last
    /// How much had been written before, in bytes, and how far before the ring's end the record begins (nil: anywhere).
    let written: UInt64
    let beforeEnd: UInt64?
    var testDescription: String { "\(last) after \(written) bytes, \(beforeEnd.map { "\($0) before the end" } ?? "")" }

    static let all = Last.allCases.flatMap { last in
      [
        Case(last: last, written: 0, beforeEnd: nil), Case(last: last, written: 30000, beforeEnd: nil),
        Case(last: last, written: 200_000, beforeEnd: nil), Case(last: last, written: 262_144, beforeEnd: 40),
        Case(last: last, written: 262_144, beforeEnd: 72), Case(last: last, written: 131_072, beforeEnd: 0),
      ]
    }
  }

  @Test(
    "Every published record is whole, the next append works, and a reader that stood anywhere goes on exactly",
    arguments: Case.all)
  func everyStep(_ scenario: Case) throws {
    var random = SeededGenerator()
    let seed = random.seed
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    do {
      var writer = try openWriter(folder)
      if scenario.written > 0 {
        try model.fill(scenario.written - (scenario.beforeEnd ?? 0) - model.end, to: &writer, &random)
      }
    }
    let before = contents(temporary.queue)
    var after = model
    do {
      var writer = try openWriter(folder)
      switch scenario.last {
      case .empty: try after.append([], to: &writer)
      case .short: try after.append(random.bytes(100), to: &writer)
      case .largest: try after.append(random.bytes(after.largestPayload), to: &writer)
      case .loss: try after.append(lossOf: 17, to: &writer)
      case .position: try after.appendPosition(to: &writer)
      }
    }
    let stores = Self.stores(from: model.end, to: after.end, contents(temporary.queue))
    // All of the stores around the record, and some of those within a large one.
    let steps = (0...stores.count).filter { $0 < 12 || $0 > stores.count - 6 || $0 % 64 == 0 }
    for step in steps {
      let note: Comment = "after \(step) of \(stores.count) stores, seed \(seed)"
      _ = try folder.remove("queue.ring")
      setContents(temporary.queue, before)
      var expected = model
      // Readers that stood anywhere when the writer died, and are still there.
      let readers = try (0..<5).map { index in
        let reader = try CheckedReader(folder, model)
        let here = index == 0 ? 0 : index == 1 ? model.entries.count : Int(random.next() % UInt64(model.entries.count))
        while reader.index < here { _ = try reader.step(model, note) }
        return reader
      }
      for store in stores[..<step] { overwrite(temporary.queue, at: store.offset, bytes(store.value)) }
      if step >= stores.count - 1 { expected = after } else if step >= 2 { expected.noteIntent(after.end) }
      let intent = word(contents(temporary.queue), Word.intent)

      // A reader needs no writer for what is there.
      if step != 1 { try readers[2].drain(expected, note) }
      var writer = try openWriter(folder)
      #expect(writer.outcome == .opened, note)
      #expect(writer.nextSequence == expected.nextSequence, note)
      // Step 1 alone: the oldest records are given up already, so what is left may be a little less.
      if step != 1 { try CheckedReader(folder, expected).drain(expected, note) }
      try expected.append(random.bytes(200), to: &writer)
      #expect(word(contents(temporary.queue), Word.intent) >= intent, note)
      if step == 1 {
        for reader in readers { try Self.drainLoosely(reader, expected, note) }
        continue
      }
      for reader in readers { try reader.drain(expected, note) }
      try expected.append(random.bytes(8000), to: &writer)
      try readers[4].drain(expected, note)
      #expect(try readers[4].ring.nextSequence() == writer.nextSequence, note)
    }
  }

  /// The stores of one append in the order of the protocol, with the values that stand in the file after it.
  private static func stores(from start: UInt64, to end: UInt64, _ after: [UInt8]) -> [(offset: Int, value: UInt64)] {
    let record = stride(from: start, to: end, by: 8).map { Word.ring + Int($0 % 65536) }
    return ([Word.oldest, Word.intent] + record + [Word.published, Word.sequence]).map { ($0, word(after, $0)) }
  }

  /// Reads to the end where it is left open how many of the oldest records are still there.
  private static func drainLoosely(_ reader: CheckedReader, _ model: Model, _ note: Comment) throws {
    var expected = reader.expected
    while true {
      switch try reader.ring.next() {
      case .overwritten(let count): expected += count
      case .record(let header):
        #expect(header.sequence == expected, note)
        let entry = try #require(model.entries.first { $0.header == header }, note)
        let same = equal(reader.ring.payload, entry.payload.span)
        #expect(same, note)
        expected = header.nextSequence
      case .end:
        #expect(expected == model.nextSequence, note)
        return
      }
    }
  }

  @Test("A writer that dies again and again in the middle of its largest record never lets the intent shrink")
  func repeatedDeath() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    let reader = try CheckedReader(
      folder,
      {
        _ = try openWriter(folder); return model
      }())
    var furthest: UInt64 = 0
    for round in 0..<60 {
      let note: Comment = "round \(round), seed \(random.seed)"
      var writer = try openWriter(folder)
      #expect(writer.outcome == .opened, note)
      for _ in 0..<random.next() % 4 { try model.append(random.bytes(Int(random.next() % 500)), to: &writer) }
      // It dies: `oldest` and `intent` are stored, some of the words are, and nothing is published.
      let end = model.end + recordBytes(model.largestPayload)
      model.noteIntent(end)
      overwrite(temporary.queue, at: Word.oldest, bytes(model.entries[model.oldest].start))
      overwrite(temporary.queue, at: Word.intent, bytes(model.intent))
      for position in stride(from: model.end, to: model.end + 8 * (random.next() % 1000), by: 8) {
        overwrite(temporary.queue, at: Word.ring + Int(position % 65536), bytes(random.next()))
      }
      let intent = word(contents(temporary.queue), Word.intent)
      #expect(intent >= furthest, note)
      furthest = intent
      if round % 3 == 0 { try reader.drain(model, note) }
    }
    try reader.drain(model, "seed \(random.seed)")
  }

  @Test("A writer that died while it made the file leaves nothing that the next one minds")
  func diedWhileCreating() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    setContents(temporary.queue + ".new", [1, 2, 3])
    let writer = try openWriter(folder)
    #expect(writer.outcome == .created)
    #expect(writer.nextSequence == 1)
    #expect(try folder.names() == ["queue.ring"])
    #expect(try folder.status(of: "queue.ring").mode & 0o777 == 0o600)
  }

  @Test("A length at a record's end that does not agree with the record is put right at the next start")
  func trailer() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    do {
      var writer = try openWriter(folder)
      for _ in 0..<5 { try model.append([UInt8](repeating: 7, count: 100), to: &writer) }
    }
    for entry in model.entries {
      let whole = contents(temporary.queue)
      let trailer = Word.ring + Int(entry.end) - 8
      overwrite(temporary.queue, at: trailer, [whole[trailer] ^ 8])
      let writer = try openWriter(folder)
      #expect(writer.nextSequence == model.nextSequence)
      #expect(word(contents(temporary.queue), trailer) == entry.end - entry.start)
    }
  }
}
