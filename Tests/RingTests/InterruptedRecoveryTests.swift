import System
import TestSupport
import Testing

@testable import Ring

/// The death of a process that repairs what the death of the machine has left.
@Suite("The queue: killed between any two steps of a recovery")
struct InterruptedRecoveryTests {
  /// The changes of an opening in which nothing is wrong but that the machine was started anew, after which `.opened` is
  /// the answer.
  private static let noting: [Step] = [.store(Word.bootHigh), .store(Word.bootLow), .exchange(Word.wake)]

  @Test("The end is cut off: the next start does it again, with the same loss")
  func cutting() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try closedQueue(temporary, bytes: 120_000, &random)
    let cut = model.entries.count - 10
    let first = model.entries[cut]
    let lost = model.nextSequence - first.header.sequence
    garble(temporary, first.start, first.start + 24)
    garble(temporary, model.end - 16, model.end)
    let dead = TemporaryFolder()
    let place = try dead.open()
    let steps = try forEachDeath(temporary, in: dead, &random) {
      _ = try openWriter(folder)
    } left: { made, note in
      let writer = try openWriter(place)
      #expect(writer.outcome != .opened || made.contains(.store(Word.bootHigh)), note)
      #expect(writer.nextSequence == model.nextSequence, note)
      var reader = try RingReader.open("queue.ring", in: place)
      let records = try readAll(&reader)
      expectSame(records.dropLast(), model.entries[..<cut].suffix(records.count - 1), note)
      #expect(records.last?.header.kind == .loss && records.last?.header.span == lost, note)
    }
    // The cut is published by the append of its loss: intent, the record, published, the hint.
    let cutting = [Word.oldest, Word.intent, Word.published, Word.sequence, Word.sequenceCheck].map(Step.store)
    #expect(steps.ofTheProtocol == cutting + Self.noting)
    let words = steps.filter { if case .store(let offset) = $0 { offset >= Word.ring } else { false } }
    #expect(words.count == 72 / 8)
  }

  @Test("The middle is filled: the next start fills what is left of it (of the words of the filling, one in eight)")
  func filling() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try closedQueue(temporary, bytes: 120_000, &random)
    // Longer than the longest record, so that there are two.
    let bad = model.oldest + 5
    var behind = bad + 1
    while model.entries[behind].start - model.entries[bad].start < 9000 { behind += 1 }
    let (start, end) = (model.entries[bad].start, model.entries[behind].start)
    for position in stride(from: start, to: end, by: 8) {
      overwrite(temporary.queue, at: Word.ring + Int(position % 65536), bytes(random.next()))
    }
    let dead = TemporaryFolder()
    let place = try dead.open()
    let steps = try forEachDeath(temporary, in: dead, oneIn: 8, &random) {
      _ = try openWriter(folder)
    } left: { made, note in
      do {
        let writer = try openWriter(place)
        #expect(writer.outcome != .opened || made.contains(.store(Word.bootHigh)), note)
        #expect(writer.nextSequence == model.nextSequence, note)
      }
      try expectFilled(place, model, bad..<behind, note)
    }
    #expect(steps.ofTheProtocol == [.store(Word.oldest), .store(Word.published)] + Self.noting)
    #expect(steps.count(where: { if case .store(Word.ring...) = $0 { true } else { false } }) == (end - start) / 8)
  }

  @Test("An intent that no writer stored is mended: every record is there", arguments: [0, 9, 1 << 60])
  func mendingTheIntent(intent: UInt64) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = try closedQueue(temporary, bytes: 120_000, &random)
    overwrite(temporary.queue, at: Word.intent, bytes(intent))
    model.noteIntent(model.entries[model.oldest].start + model.capacity)
    let dead = TemporaryFolder()
    let place = try dead.open()
    let steps = try forEachDeath(temporary, in: dead, &random) {
      _ = try openWriter(folder)
    } left: { _, note in
      var model = model
      var writer = try openWriter(place)
      #expect(writer.nextSequence == model.nextSequence, note)
      try CheckedReader(place, model).drain(model, note)
      try model.append([UInt8](repeating: 7, count: 3000), to: &writer)
      try CheckedReader(place, model).drain(model, note)
    }
    let expected: [Step] = [.store(Word.intent), .store(Word.oldest), .store(Word.published)] + Self.noting
    #expect(steps.ofTheProtocol == expected)
  }

  @Test(
    "Without a whole record: there is always a queue of that name; a number that was known goes on, and what is put aside stays",
    arguments: [true, false])
  func puttingAside(hintIsValid: Bool) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try closedQueue(temporary, bytes: 100_000, &random)
    let generation = try RingReader.open("queue.ring", in: folder).generation
    overwrite(temporary.queue, at: Word.ring, random.bytes(65536))
    if !hintIsValid { overwrite(temporary.queue, at: Word.sequenceCheck, bytes(0)) }
    let bad = contents(temporary.queue)[Word.ring...]
    let next = hintIsValid ? model.nextSequence : 1
    let dead = TemporaryFolder()
    let place = try dead.open()
    let steps = try forEachDeath(temporary, in: dead, oneIn: 4, &random) {
      _ = try openWriter(folder, now: 1_700_000_000_000_000)
    } left: { _, note in
      try #require(try place.contains("queue.ring"), note)
      // Who reads meanwhile finds the old one, and that it is damaged, or the new one.
      if var reader = try? RingReader.open("queue.ring", in: place) {
        #expect(try reader.nextSequence() == next, note)
      }
      let hasSecondName = try place.contains("queue.ring.superseded")
      let sleeping = hasSecondName ? "queue.ring.superseded" : "queue.ring"
      let slept = try place.status(of: sleeping).identity
      let old = try QueueFile(sleeping, in: place, writable: false)
      var writer = try openWriter(place, now: 1_700_000_099_000_000)
      let current = try place.identity(of: "queue.ring")
      #expect(old.flags & QueueLayout.supersededFlag != 0 || slept == current, note)
      #expect(writer.nextSequence == next, note)
      #expect((writer.generation == generation) == hintIsValid, note)
      var aside = try place.names()
      aside.removeAll { $0 == "queue.ring" }
      #expect(!aside.isEmpty && aside.allSatisfy { $0.hasPrefix("queue.ring.damaged-17000000") }, note)
      if case .replaced(let name) = writer.outcome { #expect(aside.contains(name), note) }
      #expect(aside.allSatisfy { contents(dead.path + "/" + $0)[Word.ring...] == bad }, note)
      // It is the same queue, so that a consumer is told exactly what it missed.
      var reader = try RingReader.open("queue.ring", in: place)
      try reader.seek(to: 1)
      #expect(try writer.append([9]) == next, note)
      if next > 1 { #expect(try reader.next() == .overwritten(next - 1), note) }
      #expect(try readAll(&reader).map(\.payload) == [[], [9]], note)
    }
    // The new one is on the disk before it takes the name, and the old one has another by then.
    let rename = try #require(steps.ofTheDisk.firstIndex(of: "rename"))
    #expect(steps.ofTheDisk[..<rename].contains("link") && steps.ofTheDisk[rename - 1] == "fsync")
    #expect(steps.ofTheDisk[rename...] == ["rename", "fsync"])
  }
}
