import Bytes
import System
import TestSupport
import Testing

@testable import Ring

@Suite("The queue: killed while it is made, made larger, smaller, or into the present version")
struct InterruptedReplacingTests {
  /// A file with a header, beside the one in use: what cannot change, the boot id.
  private static let making: [Step] =
    [.call("unlink")]
    + [
      Word.magic, Word.version, Word.capacity, Word.generation, Word.madeAt, Word.checksum, Word.bootHigh, Word.bootLow,
    ].map(Step.store)
  /// What it takes over of the old one, and what says which records are in it.
  private static let publishing = [
    Word.flags, Word.oldest, Word.intent, Word.published, Word.sequence, Word.sequenceCheck,
  ].map(Step.store)
  /// The content is on the disk before the name is, and the name before anything is done with the file.
  private static let takingTheName: [Step] = [.call("fsync"), .call("rename"), .call("fsync")]
  private static let waking: [Step] = [.exchange(Word.wake)]

  @Test(
    "Between any two steps: the queue is there whole for who reads, and for the next start, and nobody sleeps on",
    arguments: Change.all.filter { $0.fill > 100_000 })
  func replacing(change: Change) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let model = try change.build(temporary, &random)
    let folder = try temporary.open()
    let first = change.firstKept(model)
    let dead = TemporaryFolder()
    let place = try dead.open()
    let steps = try forEachDeath(temporary, in: dead, oneIn: 200, &random) {
      _ = try openWriter(folder, capacity: change.to)
    } left: { _, note in
      // Those who read meanwhile, and those who slept on the old file.
      let reading = try Witness(place)
      try reading.drain(model, until: model.nextSequence, note)
      let inode = try place.status(of: "queue.ring").inode
      let hasSecondName = try place.contains("queue.ring.superseded")
      let slept = hasSecondName ? try place.status(of: "queue.ring.superseded").inode : inode
      let sleeping = try Witness(RingReader.open(hasSecondName ? "queue.ring.superseded" : "queue.ring", in: place))
      var writer = try openWriter(place, capacity: change.to)
      #expect(try place.names() == ["queue.ring"], note)
      try expectKept(place, model, first, note)
      let now = try place.status(of: "queue.ring").inode
      #expect(reading.ring.isSuperseded == (inode != now), note)
      #expect(sleeping.ring.isSuperseded == (slept != now), note)
      expectStream(writer, model, note)
      #expect(try writer.append([1, 2, 3]) == model.nextSequence, note)
    }
    // The old one is opened; the new one is made; the old one has a second name before it loses its first; who sleeps on
    // it is told; the second name goes.
    let opening = [Word.oldest, Word.published, Word.bootHigh, Word.bootLow].map(Step.store)
    let telling: [Step] = [.store(Word.flags)] + Self.waking + [.call("unlink")]
    #expect(
      steps.ofTheProtocol == opening + Self.making + [.call("link")] + Self.publishing + Self.takingTheName + telling
        + Self.waking)
    #expect(steps.ofTheDisk == ["link", "fsync", "rename", "fsync"])
  }

  @Test("A new queue: the next start makes one, and no half-made one ever has its name")
  func creating() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let dead = TemporaryFolder()
    let place = try dead.open()
    let steps = try forEachDeath(temporary, in: dead, &random) {
      _ = try openWriter(folder)
    } left: { made, note in
      let hasName = try place.contains("queue.ring")
      #expect(hasName == made.contains(.call("rename")), note)
      if hasName { #expect(try Witness(place).expected == 1, note) }
      var writer = try openWriter(place)
      #expect(try writer.append([1]) == 1, note)
      #expect(try place.names() == ["queue.ring"], note)
    }
    #expect(steps.ofTheProtocol == Self.making + Self.publishing + Self.takingTheName + Self.waking)
    #expect(steps.ofTheDisk == ["fsync", "rename", "fsync"])
  }
}
