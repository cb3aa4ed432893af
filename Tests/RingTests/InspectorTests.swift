import Bytes
import System
import TestSupport
import Testing

@testable import Ring

@Suite("The inspector: every record is looked at, whatever state the queue is in")
struct InspectorTests {
  /// What an inspector finds from the oldest record to the end.
  private func steps(_ inspector: inout QueueInspector) throws -> [QueueInspector.Step] {
    var steps: [QueueInspector.Step] = []
    while true {
      let step = try inspector.next()
      if step == .end { return steps }
      steps.append(step)
      try #require(steps.count < 100_000, "it does not end")
    }
  }

  @Test("In a whole queue it finds every record at its place, byte for byte, and nothing else")
  func whole() throws {
    var random = SeededGenerator()
    let seed: Comment = "seed \(random.seed)"
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    while model.end < 3 * 65536 { try model.appendRandom(to: &writer, &random) }
    var inspector = try QueueInspector("queue.ring", in: folder)
    for entry in model.entries[model.oldest...] {
      let step = try inspector.next()
      #expect(step == .record(entry.header, at: entry.start, endsWell: true), seed)
      let isSame = equal(inspector.payload, entry.payload.span)
      #expect(isSame, seed)
    }
    #expect(try inspector.next() == .end)
    let extent = try inspector.extent()
    #expect(extent.oldest == model.entries[model.oldest].start && extent.published == model.end, seed)
    #expect(
      extent.oldestRecord == model.entries[model.oldest].header && extent.newestRecord == model.entries.last?.header)
    try model.append([1, 2, 3], to: &writer)
    #expect(try inspector.next() == .record(model.entries.last!.header, at: model.entries.last!.start, endsWell: true))
  }

  @Test("Overtaken by the writer, it says exactly how many numbers it could not see, and calls that no damage")
  func overtaken() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    for _ in 0..<10 { try model.append(random.bytes(100), to: &writer) }
    var inspector = try QueueInspector("queue.ring", in: folder)
    for _ in 0..<4 { _ = try inspector.next() }
    for _ in 0..<2000 { try model.append(random.bytes(100), to: &writer) }
    let oldest = model.entries[model.oldest]
    // A position, and the numbers 1 to 3, were seen.
    #expect(try inspector.next() == .overtaken(oldest.header.sequence - 4))
    #expect(try inspector.next() == .record(oldest.header, at: oldest.start, endsWell: true))
    #expect(try steps(&inspector).count == model.entries.count - model.oldest - 1)
  }

  @Test("A flipped bit in any byte of a record hides at most that record, and is named with its place and number")
  func flips() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    do {
      var random = SeededGenerator()
      var writer = try openWriter(folder)
      for _ in 0..<6 { try model.append(random.bytes(21), to: &writer) }
    }
    let file = contents(temporary.queue)
    let bad = model.entries[3]
    for offset in Int(bad.start)..<Int(bad.end) {
      for bit in 0..<8 as Range<UInt8> {
        var changed = file
        changed[65536 + offset] ^= 1 << bit
        setContents(temporary.queue, changed)
        var inspector = try QueueInspector("queue.ring", in: folder)
        let found = try steps(&inspector)
        let place: Comment = "byte \(offset - Int(bad.start)), bit \(bit)"
        var records: [RecordHeader] = []
        for case .record(let header, _, _) in found { records.append(header) }
        var damage: [QueueInspector.Damage] = []
        for case .damage(let stretch) in found { damage.append(stretch) }
        let others = model.entries.filter { $0.start != bad.start }.map(\.header)
        switch offset - Int(bad.start) {
        case ..<85:
          #expect(records == others, place)
          #expect(
            damage.map { [$0.start, $0.end, $0.expected ?? 0, $0.next ?? 0] } == [[bad.start, bad.end, 3, 4]], place)
        case ..<88:
          // What fills the last word up means nothing.
          #expect(records == model.entries.map(\.header) && damage.isEmpty, place)
        default:
          #expect(records == model.entries.map(\.header) && damage.isEmpty, place)
          #expect(found[3] == .record(bad.header, at: bad.start, endsWell: false), place)
        }
      }
    }
  }

  @Test("A record of an earlier lap that still stands in a bad stretch is not taken for one of this queue")
  func earlierLap() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    var earlier: [UInt8] = []
    do {
      var random = SeededGenerator()
      var writer = try openWriter(folder)
      try model.fill(65536 - model.end, to: &writer, &random)
      while model.end < 65536 + 4096 { try model.append(random.bytes(128), to: &writer) }
      earlier = contents(temporary.queue)
      try model.fill(2 * 65536 - model.end, to: &writer, &random)
      while model.end < 2 * 65536 + 8192 { try model.append(random.bytes(128), to: &writer) }
    }
    var file = contents(temporary.queue)
    // A page that the disk still has as it was one lap before.
    let page = 65536..<65536 + 4096
    file.replaceSubrange(page, with: earlier[page])
    setContents(temporary.queue, file)
    var inspector = try QueueInspector("queue.ring", in: folder)
    let found = try steps(&inspector)
    let written = Set(model.entries.map(\.start))
    var last: UInt64 = 0
    for case .record(let header, let position, _) in found {
      #expect(written.contains(position) && header.sequence >= last)
      last = header.sequence
    }
    #expect(found.contains { if case .damage = $0 { true } else { false } })
    #expect(last == model.nextSequence - 1)
  }

  @Test("The header's words are read whatever the file holds")
  func header() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    #expect(throws: QueueError.missing(path: temporary.queue)) {
      try QueueHeaderWord.read("queue.ring", in: folder)
    }
    do { _ = try openWriter(folder) }
    let words = try QueueHeaderWord.read("queue.ring", in: folder)
    #expect(words.first { $0.offset == Word.capacity }?.value == 65536)
    #expect(words.first { $0.offset == Word.published }?.value == 72)
    setContents(temporary.queue, Array(contents(temporary.queue)[..<20]))
    let short = try QueueHeaderWord.read("queue.ring", in: folder)
    #expect(short.map(\.value).prefix(2) == words.map(\.value).prefix(2))
    #expect(short.dropFirst(2).allSatisfy { $0.value == nil })
  }
}
