import System
import TestSupport
import Testing

@testable import Ring

extension QueueInspector {
  fileprivate var payloadBytes: [UInt8] {
    let payload = payload
    return payload.indices.map { payload[$0] }
  }
}

/// An inspector of which every step is held against what was ever appended, wherever the writer stands.
private final class InspectorWitness {
  var inspector: QueueInspector
  /// Every number before this one is accounted for; nil before the first record.
  private var expected: UInt64?
  private(set) var records = 0

  init(_ folder: borrowing Folder) throws { inspector = try QueueInspector("queue.ring", in: folder) }

  /// The step that `take` made, and is still to be compared.
  private var taken: [(step: QueueInspector.Step, position: UInt64, payload: [UInt8])] = []

  func take() throws {
    let step = try inspector.next()
    taken.append((step, inspector.position, inspector.payloadBytes))
  }

  /// Compares what was taken; answers whether there may be more.
  func compare(_ model: Model, _ note: Comment) throws -> Bool {
    defer { taken = [] }
    for (step, position, payload) in taken {
      switch step {
      case .damage(let damage):
        Issue.record("\(damage); \(note)")
        throw Unexpected()
      case .overtaken(let count):
        let oldest = model.entries[model.oldest].header.sequence
        expected = try #require(expected, note) + count
        #expect(count > 0 && expected ?? 0 <= oldest, note)
      case .record(let header, let start, let endsWell):
        let entry = try #require(model.entry(endingAt: position), note)
        #expect(entry.header == header && entry.start == start && entry.payload == payload && endsWell, note)
        #expect(expected ?? header.sequence == header.sequence, note)
        expected = header.nextSequence
        records += 1
      case .end:
        // All that was there when it was opened: seen, or said to be gone, or gone before anything was seen.
        let last = try #require(model.entry(endingAt: inspector.end), note)
        let isGone = model.entries[model.oldest].start >= inspector.end
        #expect(expected.map { $0 >= last.header.nextSequence } ?? isGone, note)
        return false
      }
    }
    return true
  }

  func drain(_ model: Model, _ note: Comment) throws {
    var steps = 0
    while try compare(model, note) {
      steps += 1
      try #require(steps <= 2 * model.entries.count, note)
      try take()
    }
  }
}

@Suite(
  "The inspector: the writer goes on between any two of its steps (of a bulk copy, at 1 in 16 words), and that is no damage"
)
struct StalledInspectorTests {
  /// Does `act` on an inspector that has made so many steps before, stalled before its first step, its second, and so on.
  ///
  /// - Returns: how often nothing was seen of the queue, because the writer had gone past it.
  private func stall(
    _ overtaking: Overtaking, bytes: UInt64, after walked: (Model) -> Int,
    _ act: (Model, InspectorWitness, Comment) throws -> Void
  ) throws -> Int {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    var writer = try openWriter(folder)
    while model.end < bytes { try model.append(random.bytes(Int(random.next() % 1200)), to: &writer) }
    var stalled = 0
    var unseen = 0
    while true {
      let witness = try InspectorWitness(folder)
      let note: Comment = "stalled at step \(stalled), seed \(random.seed)"
      for _ in 0..<walked(model) {
        try witness.take()
        #expect(try witness.compare(model, note), note)
      }
      let position = witness.inspector.position
      var step = 0
      var last = 0
      var overtook = false
      try Steps.watch({ kind in
        // Within a copy one word is as good as the next.
        if case .load(let offset) = kind {
          defer { last = offset }
          if offset > Word.ring, offset == last + 8, random.next() % 16 != 0 { return }
        }
        if step == stalled {
          overtook = true
          do { try overtaking.run(&model, &writer, reader: position, &random) } catch { Issue.record(error, note) }
        }
        step += 1
      }) { try act(model, witness, note) }
      try witness.drain(model, note)
      if witness.records == 0 { unseen += 1 }
      if !overtook { return unseen }
      stalled += 1
    }
  }

  /// How many steps are made before, of those that a whole walk makes.
  enum Place: CaseIterable {
    case start, middle, last, end

    func steps(_ model: Model) -> Int {
      let records = model.entries.count - model.oldest
      return switch self {
      case .start: 0
      case .middle: records / 2
      case .last: records - 1
      case .end: records
      }
    }
  }

  @Test("looking at the next two: right, or said to be overtaken", arguments: Overtaking.allCases, Place.allCases)
  func next(overtaking: Overtaking, place: Place) throws {
    let unseen = try stall(overtaking, bytes: 150_000, after: place.steps) { _, witness, _ in
      try witness.take()
      try witness.take()
    }
    // Overtaken before its first record, as it has only that to say, it ends.
    #expect((unseen > 0) == (place == .start && [.aLap, .twoLapsAndAHalf].contains(overtaking)))
  }

  @Test("opening, and beginning anew", arguments: Overtaking.allCases)
  func opening(overtaking: Overtaking) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    var writer = try openWriter(folder)
    while model.end < 150_000 { try model.append(random.bytes(Int(random.next() % 1200)), to: &writer) }
    var stalled = 0
    var overtook = true
    while overtook {
      overtook = false
      let note: Comment = "stalled at step \(stalled), seed \(random.seed)"
      var step = 0
      let witness = try Steps.watch({ _ in
        if step == stalled {
          overtook = true
          do { try overtaking.run(&model, &writer, reader: model.end, &random) } catch { Issue.record(error, note) }
        }
        step += 1
      }) {
        let witness = try InspectorWitness(folder)
        try witness.inspector.rewind()
        return witness
      }
      try witness.drain(model, note)
      stalled += 1
    }
    // open twice, fstat, read, and the two bounds; one of them again.
    #expect(stalled > 6)
  }

  @Test("looking at both ends: each was there at some moment meanwhile", arguments: Overtaking.allCases)
  func extent(overtaking: Overtaking) throws {
    var found: [(QueueInspector.Extent, Comment)] = []
    var last = Model(capacity: 65536)
    _ = try stall(overtaking, bytes: 150_000, after: { _ in 3 }) { model, witness, note in
      found.append((try witness.inspector.extent(), note))
      last = model
    }
    for (extent, note) in found {
      let newest = try #require(last.entry(endingAt: extent.published), note)
      #expect(extent.newestRecord == newest.header, note)
      let oldest = try #require(last.entries.first { $0.start == extent.oldest }, note)
      #expect(extent.oldestRecord == oldest.header, note)
    }
  }

  @Test("A queue in which nothing stands, not even the record that each begins with, is damaged: it is said once")
  func nothing() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    overwrite(temporary.queue, at: Word.oldest, bytes(72))
    var inspector = try QueueInspector("queue.ring", in: folder)
    let damage = QueueInspector.Damage(start: 72, end: 72, expected: nil, next: nil, what: "no record at all")
    for _ in 0..<2 {
      #expect(try inspector.next() == .damage(damage))
      #expect(try inspector.next() == .end)
      #expect(try inspector.next() == .end)
      try inspector.rewind()
    }
  }
}
