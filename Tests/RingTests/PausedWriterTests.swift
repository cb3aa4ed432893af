import Bytes
import System
import TestSupport
import Testing

@testable import Ring

/// The appending of one record, done again and again in new folders, so that something can happen before each of its
/// steps: accesses to the file, all of them, in order.
private struct Appending {
  let scene: Scene
  let seed: UInt64

  /// Runs the append with `adversary` before each step, which is also given the model as it was before.
  func run(
    _ temporary: borrowing TemporaryFolder, before: (Model) throws -> Void = { _ in },
    _ adversary: (Int, Model) throws -> Void
  ) throws -> Model {
    var (model, payload) = try scene.build(temporary, seed: seed)
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    try before(model)
    let old = model
    var step = 0
    var failure: (any Error)?
    try Steps.watch({ _ in
      do { if failure == nil { try adversary(step, old) } } catch { failure = error }
      step += 1
    }) {
      if let payload {
        try model.append(payload, to: &writer)
      } else {
        try model.append(lossOf: 7, to: &writer)
      }
    }
    if let failure { throw failure }
    return model
  }

  /// The steps, in order.
  func steps() throws -> [Step] {
    let temporary = TemporaryFolder()
    var (model, payload) = try scene.build(temporary, seed: seed)
    var writer = try openWriter(try temporary.open())
    var steps: [Step] = []
    try Steps.watch({ steps.append($0) }) {
      if let payload { try model.append(payload, to: &writer) } else { try model.append(lossOf: 7, to: &writer) }
    }
    return steps
  }
}

extension Scene {
  /// How many steps the append takes that makes `before` into `after`, by the sizes of the records.
  fileprivate func steps(from before: Model, to after: Model) -> Int {
    // Each record that must go is asked for its length; then `oldest` is stored, once.
    let givenUp = after.oldest - before.oldest
    let words = Int(recordBytes(appended ?? 0)) / 8
    // `intent`; the record; `published`, and the hint with its complement.
    return givenUp + (givenUp > 0 ? 1 : 0) + 1 + words + 3
  }
}

@Suite("The queue: a writer that is stopped, or killed, between any two of its steps")
struct PausedWriterTests {
  @Test("An append of 200 bytes over one of 200 bytes is these 40 steps and no other")
  func theSteps() throws {
    let scene = try #require(Scene.all.first { $0.testDescription == "overwriting one" })
    let steps = try Appending(scene: scene, seed: 1).steps()
    // What is about to be overwritten is asked for its length, given up, and then the intent said.
    #expect(steps.count == 40)
    guard case .load(let length) = steps[0], length >= Word.ring else { throw Unexpected() }
    #expect(steps[1] == .store(Word.oldest) && steps[2] == .store(Word.intent))
    let words = steps[3..<37].map { step in if case .store(let offset) = step { offset } else { 0 } }
    #expect(words.count == (64 + 200 + 8) / 8)
    #expect(words.allSatisfy { $0 >= Word.ring } && zip(words, words.dropFirst()).allSatisfy { $1 == $0 + 8 })
    #expect(
      Array(steps[37...]) == [.store(Word.published), .store(Word.sequence), .store(Word.sequenceCheck)])
  }

  @Test(
    "Stopped: whoever reads meanwhile gets every record that was published, and loses only what had to be given up",
    arguments: Scene.all)
  func stopped(scene: Scene) throws {
    let appending = Appending(scene: scene, seed: SeededGenerator().seed)
    let steps = try appending.steps()
    let publication = try #require(steps.firstIndex(of: .store(Word.published)))
    let intent = try #require(steps.firstIndex(of: .store(Word.intent)))
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    // For each step: readers that stand at the oldest, in the middle (one with what follows copied already), at the end.
    var standing: [[Witness]] = []
    var visited = 0
    var old = Model(capacity: 65536)
    let after = try appending.run(temporary) { model in
      old = model
      let oldest = model.entries[model.oldest].header.sequence
      let next = model.nextSequence
      for _ in steps {
        let ahead = try Witness(folder, at: oldest)
        _ = try ahead.step(model, "before")
        standing.append([
          try Witness(folder, at: oldest), ahead, try Witness(folder, at: (oldest + next) / 2),
          try Witness(folder, at: next),
        ])
      }
    } _: { step, before in
      visited += 1
      var now = before
      // From the store of `oldest` on the place is given up, although `intent` follows.
      if step >= intent { now.noteIntent(before.end + recordBytes(scene.appended ?? 0)) }
      if step > publication { now = try appended(before, scene, appending.seed) }
      let note: Comment = "step \(step), \(steps[step]), seed \(appending.seed)"
      for reader in standing[step] { try reader.drain(now, until: now.nextSequence, note) }
      let fresh = try Witness(folder)
      try fresh.drain(now, until: now.nextSequence, note)
      #expect(fresh.lost == 0, note)
      let next = try fresh.ring.nextSequence()
      #expect(next == now.nextSequence, note)
    }
    #expect(visited == steps.count && visited == scene.steps(from: old, to: after))
    // And each of them goes on afterwards.
    for readers in standing {
      for reader in readers { try reader.drain(after, until: after.nextSequence, "afterwards, seed \(appending.seed)") }
    }
  }

  /// The model with what the scene appends.
  private func appended(_ model: Model, _ scene: Scene, _ seed: UInt64) throws -> Model {
    let temporary = TemporaryFolder()
    var (again, payload) = try scene.build(temporary, seed: seed)
    var writer = try openWriter(try temporary.open())
    if let payload { try again.append(payload, to: &writer) } else { try again.append(lossOf: 7, to: &writer) }
    return again
  }

  @Test(
    "Killed: the next start has every published record, and readers that lived through it go on exactly",
    arguments: Scene.all)
  func killed(scene: Scene) throws {
    let appending = Appending(scene: scene, seed: SeededGenerator().seed)
    let steps = try appending.steps()
    let publication = try #require(steps.firstIndex(of: .store(Word.published)))
    let temporary = TemporaryFolder()
    // What the death of the process leaves is what the file holds at that moment.
    var left: [[UInt8]] = []
    var before = Model(capacity: 65536)
    let after = try appending.run(temporary) {
      before = $0
    } _: { _, _ in
      left.append(contents(temporary.queue))
    }
    left.append(contents(temporary.queue))
    #expect(left.count == steps.count + 1 && steps.count == scene.steps(from: before, to: after))
    let dead = TemporaryFolder()
    let folder = try dead.open()
    for (step, image) in left.enumerated() {
      let note: Comment = "step \(step), seed \(appending.seed)"
      _ = try folder.remove("queue.ring")
      setContents(dead.queue, image)
      var model = step > publication ? after : before
      let intent = word(image, Word.intent)
      model.noteIntent(intent)
      let living = [try Witness(folder), try Witness(folder, at: model.nextSequence)]
      for reader in living { try reader.drain(model, until: model.nextSequence, note) }
      let behind = try Witness(folder)
      var writer = try openWriter(folder)
      #expect(writer.outcome == .opened, note)
      #expect(writer.nextSequence == model.nextSequence, note)
      try model.append([1, 2, 3], to: &writer)
      for reader in living + [behind] { try reader.drain(model, until: model.nextSequence, note) }
    }
  }
}
