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
    #expect(try inspector.next() == .end, "what comes after it was opened is for the next one")
    #expect(inspector.end == extent.published)
  }

  @Test("However fast the writer is, it comes to an end: what was there when it was opened, as far as it still is")
  func fastWriter() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    for _ in 0..<100 { try model.append(random.bytes(100), to: &writer) }
    var inspector = try QueueInspector("queue.ring", in: folder)
    var seen: [UInt64] = []
    // Two records appended for each that is looked at.
    while true {
      let step = try inspector.next()
      if step == .end { break }
      guard case .record(let header, _, true) = step else { throw Wrong("\(step)") }
      if header.kind == .message { seen.append(header.sequence) }
      for _ in 0..<2 { try model.append(random.bytes(100), to: &writer) }
    }
    #expect(seen == Array(1...100))
    try inspector.rewind()
    #expect(try steps(&inspector).count == 101)
  }

  @Test("Overtaken by the writer, it says exactly how many numbers it could not see, and calls that no damage")
  func overtaken() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    for _ in 0..<300 { try model.append(random.bytes(100), to: &writer) }
    var inspector = try QueueInspector("queue.ring", in: folder)
    let known = model.entries.count
    for _ in 0..<4 { _ = try inspector.next() }
    for _ in 0..<200 { try model.append(random.bytes(100), to: &writer) }
    let oldest = model.entries[model.oldest]
    // A position, and the numbers 1 to 3, were seen.
    #expect(try inspector.next() == .overtaken(oldest.header.sequence - 4))
    #expect(try inspector.next() == .record(oldest.header, at: oldest.start, endsWell: true))
    #expect(try steps(&inspector).count == known - model.oldest - 1)
  }

  @Test("Overtaken right past where it would have ended, it says so, and ends")
  func overtakenPastTheEnd() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    for _ in 0..<10 { try model.append(random.bytes(100), to: &writer) }
    var inspector = try QueueInspector("queue.ring", in: folder)
    for _ in 0..<4 { _ = try inspector.next() }
    for _ in 0..<2000 { try model.append(random.bytes(100), to: &writer) }
    #expect(try steps(&inspector) == [.overtaken(model.entries[model.oldest].header.sequence - 4)])
  }

  #if STEPS
    @Test("A ring full of words that look like headers costs a few looks at each place, and no checksum")
    func repeatedWords() throws {
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      do {
        var random = SeededGenerator()
        var writer = try openWriter(folder)
        var model = Model(capacity: 65536)
        try model.fill(65536 - model.end, to: &writer, &random)
      }
      var file = contents(temporary.queue)
      // Length (the largest there is), number, kind and span, again and again: every 32 bytes a header.
      let words: [UInt64] = [65536 / 8 - 72, 5, 1, 1]
      for place in stride(from: Word.ring, to: file.count, by: 8) {
        let word = words[place / 8 % words.count]
        for byte in 0..<8 { file[place + byte] = UInt8(truncatingIfNeeded: word >> UInt64(8 * byte)) }
      }
      setContents(temporary.queue, file)
      var inspector = try QueueInspector("queue.ring", in: folder)
      var found: QueueInspector.Step?
      let steps = try Steps.count { found = try inspector.next() }
      guard case .damage(let damage) = found else { throw Wrong("\(String(describing: found))") }
      #expect(damage.start == 0 && damage.end == 65536 && damage.next == nil)
      #expect(steps < 65536 / 8 * 12)
    }
  #endif

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
