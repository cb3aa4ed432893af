import Bytes
import System
import TestSupport
import Testing

@testable import Ring

/// A folder's files at one moment, with the names that each has.
private struct Snapshot {
  private var files: [(names: [String], content: [UInt8])] = []

  init(of temporary: borrowing TemporaryFolder) throws {
    let folder = try temporary.open()
    var places: [UInt64: Int] = [:]
    for name in try folder.names() {
      let inode = try folder.status(of: name).inode
      if let place = places[inode] {
        files[place].names.append(name)
      } else {
        places[inode] = files.count
        files.append(([name], contents(temporary.path + "/" + name)))
      }
    }
  }

  func restore(in temporary: borrowing TemporaryFolder) throws {
    let folder = try temporary.open()
    for name in try folder.names() { _ = try folder.remove(name) }
    for file in files {
      setContents(temporary.path + "/" + file.names[0], file.content)
      for name in file.names.dropFirst() { #expect(try folder.link(file.names[0], to: name)) }
    }
  }
}

@Suite("The queue: killed while it is made, made larger, smaller, or into the present version")
struct InterruptedReplacingTests {
  /// What `body` would leave behind if it died before one of its steps: system calls, stores into headers, and one in
  /// two hundred of the stores that copy records.
  private func deaths(
    _ temporary: borrowing TemporaryFolder, _ random: inout SeededGenerator, _ body: () throws -> Void
  ) throws -> [(Step, Snapshot)] {
    var left: [(Step, Snapshot)] = []
    var failure: (any Error)?
    try Steps.watch(
      { step in
        guard step.changesSomething else { return }
        if case .store(let offset) = step, offset >= Word.ring, random.next() % 200 != 0 { return }
        do { left.append((step, try Snapshot(of: temporary))) } catch { failure = error }
      }, body)
    if let failure { throw failure }
    return left
  }

  @Test(
    "Between any two steps: the queue is there whole for who reads, and for the next start, and nobody sleeps on",
    arguments: Change.all.filter { $0.fill > 100_000 })
  func replacing(change: Change) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let model = try change.build(temporary, &random)
    let folder = try temporary.open()
    let first = change.firstKept(model)
    let left = try deaths(temporary, &random) { _ = try openWriter(folder, capacity: change.to) }
    let calls = left.filter { if case .call = $0.0 { true } else { false } }
    #expect(calls.contains { $0.0 == .call("rename") } && calls.contains { $0.0 == .call("link") })
    #expect(left.contains { $0.0 == .store(64) }, "the flag that says superseded")
    let dead = TemporaryFolder()
    let place = try dead.open()
    for (index, (step, snapshot)) in left.enumerated() {
      let note: Comment = "died before step \(index), \(step), seed \(random.seed)"
      try snapshot.restore(in: dead)
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
      #expect(try writer.append([1, 2, 3]) == model.nextSequence, note)
    }
  }

  @Test("A new queue: the next start makes one, and no half-made one ever has its name")
  func creating() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let left = try deaths(temporary, &random) { _ = try openWriter(folder) }
    #expect(left.count > 15)
    let dead = TemporaryFolder()
    let place = try dead.open()
    for (index, (step, snapshot)) in left.enumerated() {
      let note: Comment = "died before step \(index), \(step)"
      try snapshot.restore(in: dead)
      if try place.contains("queue.ring") { #expect(try Witness(place).expected == 1, note) }
      var writer = try openWriter(place)
      #expect(try writer.append([1]) == 1, note)
      #expect(try place.names() == ["queue.ring"], note)
    }
  }
}
