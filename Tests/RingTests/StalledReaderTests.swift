import Bytes
import System
import TestSupport
import Testing

@testable import Ring

/// What the writer does while a reader is stalled.
enum Overtaking: String, CaseIterable, Sendable {
  case oneRecord, justOverTheReader, aLap, twoLapsAndAHalf

  func run(_ model: inout Model, _ writer: inout RingWriter, reader: UInt64, _ random: inout SeededGenerator) throws {
    let target =
      switch self {
      case .oneRecord: model.end + 1
      case .justOverTheReader: max(model.end + 1, reader + model.capacity + 1)
      case .aLap: model.end + model.capacity
      case .twoLapsAndAHalf: model.end + model.capacity * 5 / 2
      }
    while model.end < target { try model.append(random.bytes(500 + Int(random.next() % 3000)), to: &writer) }
  }
}

@Suite(
  "The queue: a reader that stalls at any of its steps while the writer goes on (of a bulk copy, at 1 in 16 words)")
struct StalledReaderTests {
  /// Where the reader stands, in parts of the queue.
  private static let places = [0.0, 0.5, 1.0]

  /// What a reader did whom nobody overtook.
  private struct Undisturbed {
    /// Its steps but for those in the ring: calls and the words of the header, in order.
    var steps: [Step] = []
    var model: Model
    /// The number at which it stood before.
    var sequence: UInt64
  }

  /// Does `act` on a reader again and again, stalled before its first step, its second, and so on to the last; the writer
  /// overtakes meanwhile. Then the reader reads to the end. Of the words that it copies from the ring in one go, one in
  /// sixteen counts as a step, another each time; every other step counts.
  private func stall(
    _ overtaking: Overtaking, _ place: Double, _ act: (Witness, Model, Comment) throws -> Void
  ) throws -> Undisturbed {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    var writer = try openWriter(folder)
    while model.end < 150_000 { try model.append(random.bytes(Int(random.next() % 1200)), to: &writer) }
    var stalled = 0
    while true {
      let oldest = model.entries[model.oldest].header.sequence
      let sequence = oldest + UInt64(Double(model.nextSequence - oldest) * place)
      let witness = try Witness(folder, at: sequence)
      // What it copied to get there would spare it the steps.
      witness.ring.window = RecordWindow()
      let position = witness.ring.position
      let note: Comment = "stalled at step \(stalled), seed \(random.seed)"
      var undisturbed = Undisturbed(model: model, sequence: sequence)
      var step = 0
      var overtook = false
      try Steps.watch({ kind in
        if case .load(Word.ring...) = kind {
          if random.next() % 16 != 0 { return }
        } else {
          undisturbed.steps.append(kind)
        }
        if step == stalled {
          overtook = true
          do { try overtaking.run(&model, &writer, reader: position, &random) } catch { Issue.record(error, note) }
        }
        step += 1
      }) { try act(witness, model, note) }
      try witness.drain(model, until: model.nextSequence, note)
      if !overtook { return undisturbed }
      stalled += 1
    }
  }

  private static let bounds: [Step] = [.load(Word.oldest), .load(Word.published)]
  /// After each stretch that was copied from the ring: whether the writer came near meanwhile.
  private static let trusting: [Step] = [.load(Word.intent)]

  @Test("reading the next record: it is right, or its loss is", arguments: Overtaking.allCases, places)
  func next(overtaking: Overtaking, place: Double) throws {
    let steps = try stall(overtaking, place) { witness, _, _ in try witness.take() }.steps
    let published: Step = .load(Word.published)
    // At the end, whether all is read that the hint has counted, which may not be ahead of `published`.
    let atTheEnd = [published, .load(Word.sequence), .load(Word.sequenceCheck), published]
    #expect(steps == (place == 1 ? atTheEnd : [published] + Self.trusting))
  }

  @Test("opening: what is read then is all there, or its loss is told", arguments: Overtaking.allCases)
  func opening(overtaking: Overtaking) throws {
    let steps = try stall(overtaking, 0) { witness, _, _ in try witness.reopen() }.steps
    let calls: [Step] = [.call("open"), .call("open"), .call("fstat"), .call("read")]
    // What never changes is read in one go, and so is the oldest record, whose number it stands at.
    #expect(steps == calls + Self.bounds + Self.trusting)
  }

  /// From the newest record back to the one before a number, each of which must be trusted, and the one to stand at.
  private func walk(_ undisturbed: Undisturbed) -> [Step] {
    let model = undisturbed.model
    let passed = model.entries[model.oldest...].count { $0.header.sequence >= undisturbed.sequence }
    let isOldest = passed == model.entries.count - model.oldest
    return Self.bounds + Array(repeating: Self.trusting[0], count: passed + (isOldest ? 0 : 1) + 1)
  }

  @Test("going to a number", arguments: Overtaking.allCases, places)
  func seeking(overtaking: Overtaking, place: Double) throws {
    let undisturbed = try stall(overtaking, place) { witness, _, _ in
      try witness.ring.seek(to: witness.expected)
    }
    // There is no hint of 0. The newest record is looked at whole where nothing behind it is wanted.
    #expect(undisturbed.steps == Self.bounds + walk(undisturbed))
  }

  @Test("going there by a hint that is right, and by one that is not", arguments: Overtaking.allCases, [0, 8])
  func hinted(overtaking: Overtaking, error: UInt64) throws {
    let undisturbed = try stall(overtaking, 0.5) { witness, _, _ in
      try witness.ring.seek(to: witness.expected, hint: witness.ring.position + error)
    }
    let believing = Self.bounds + Self.trusting
    #expect(undisturbed.steps == (error == 0 ? believing : believing + walk(undisturbed)))
  }

  @Test("asking for the next number: one that was the next at some moment meanwhile", arguments: Overtaking.allCases)
  func nextSequence(overtaking: Overtaking) throws {
    let steps = try stall(overtaking, 1) { witness, model, note in
      let found = try witness.ring.nextSequence()
      #expect(found >= model.nextSequence, note)
    }.steps
    #expect(steps == Self.bounds + Self.trusting)
  }
}
