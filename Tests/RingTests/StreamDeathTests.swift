import Bytes
import System
import TestSupport
import Testing

@testable import Ring

/// What is appended when the writer dies.
enum LastOfStream: CaseIterable {
  case message, loss, move, anotherStream
  /// The record needs the stream's name written again before it.
  case dueMessage, dueLoss, dueLargest

  var isDue: Bool { [.dueMessage, .dueLoss, .dueLargest].contains(self) }

  var payload: Int {
    switch self {
    case .message, .dueMessage: 200
    case .dueLargest: 8192 - 72
    default: 0
    }
  }

  func append(to writer: inout RingWriter, _ model: inout Model, _ random: inout SeededGenerator) throws {
    switch self {
    case .message, .dueMessage, .dueLargest: try model.append(random.bytes(payload), to: &writer)
    case .loss, .dueLoss: try model.append(lossOf: 7, to: &writer)
    case .move: model.append(.random(&random), of: try #require(model.stream), to: &writer)
    case .anotherStream: model.append(.random(&random), of: .random(&random), to: &writer)
    }
  }
}

@Suite("The queue: killed between any two steps, the position is that of the newest record there is")
struct StreamDeathTests {
  @Test(
    "An append: the message and the position are both there or neither is, and the stream is known all the while",
    arguments: LastOfStream.allCases, [20_000, 200_000])
  func appending(last: LastOfStream, bytes: UInt64) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    var writer = try openWriter(folder)
    model.append(StreamPosition(), of: .random(&random), to: &writer)
    while model.end < bytes { try model.append(random.bytes(Int(random.next() % 500)), to: &writer) }
    if last.isDue {
      // Up to the last record that needs no name before it.
      while model.end + recordBytes(last.payload) <= model.streamAt + 16384 { try model.append([], to: &writer) }
    } else {
      model.append(.random(&random), of: .random(&random), to: &writer)
    }
    let old = model
    let before = old.entries.count
    // What will be there is had by doing it once.
    let snapshot = try Snapshot(of: temporary)
    var same = SeededGenerator(seed: random.seed)
    try last.append(to: &writer, &model, &same)
    #expect(model.entries.count == before + (last.isDue ? 2 : 1))
    try snapshot.restore(in: temporary)
    let dead = TemporaryFolder()
    let place = try dead.open()
    var again = try openWriter(folder)
    let steps = try forEachDeath(temporary, in: dead, oneIn: 16, &random) {
      var same = SeededGenerator(seed: same.seed)
      var model = old
      try last.append(to: &again, &model, &same)
    } left: { made, note in
      let published = model.entries.prefix(before + made.count { $0 == .store(Word.published) })
      var writer = try openWriter(place)
      #expect(writer.outcome == .opened, note)
      #expect(writer.nextSequence == published.last?.header.nextSequence, note)
      #expect(writer.known == Known(published), note)
      // And it goes round from there.
      for _ in 0..<20 { _ = try writer.append([UInt8](repeating: 7, count: 4000)) }
      #expect(try openWriter(place).known == Known(published), note)
    }
    #expect(steps.count { $0 == .store(Word.published) } == (last.isDue ? 2 : 1))
  }

  /// What a recovery has to do.
  enum Damage: CaseIterable {
    /// All from the first name on but the newest records; every name but the first; the newest records; the oldest.
    case gap, names, end, oldest
  }

  @Test("A recovery: the next start knows what this one would have known", arguments: Damage.allCases)
  func recovering(damage: Damage) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    do {
      var writer = try openWriter(folder)
      model.append(.random(&random), of: .random(&random), to: &writer)
      let bytes: UInt64 = damage == .names ? 60_000 : 120_000
      while model.end < bytes { try model.append(random.bytes(Int(random.next() % 900)), to: &writer) }
      reboot(temporary)
    }
    let present = model.entries[model.oldest...]
    let names = present.indices.filter { present[$0].payload.starts(with: Array("OCSTREAM".utf8)) }
    let bad: [Int] =
      switch damage {
      case .gap: Array(try #require(names.first) + 1..<present.endIndex - 5)
      case .names: Array(names.dropFirst())
      case .end: Array(present.endIndex - 10..<present.endIndex)
      case .oldest: Array(present.startIndex..<present.startIndex + 3)
      }
    for index in bad { garble(temporary, present[index].start, present[index].end) }
    let expected: Known
    switch damage {
    // From the first bad record to the last all is given up.
    case .names: expected = Known(present[..<bad[0]] + present[(bad[bad.count - 1] + 1)...])
    default: expected = Known(present.filter { entry in !bad.contains { present[$0].start == entry.start } })
    }
    #expect(expected.stream == model.stream)
    let dead = TemporaryFolder()
    let place = try dead.open()
    try forEachDeath(temporary, in: dead, oneIn: 64, &random) {
      _ = try openWriter(folder)
    } left: { _, note in
      for _ in 0..<2 {
        let writer = try openWriter(place)
        #expect(writer.nextSequence == model.nextSequence, note)
        #expect(writer.known == expected, note)
      }
    }
  }
}
