import Bytes
import System
import TestSupport
import Testing

@testable import Ring

/// A reader of which every step is held against what was ever appended, wherever the writer stands: right records, exact
/// losses, and no more lost than had to be.
final class Witness {
  var ring: RingReader
  /// Every number before this one is accounted for.
  private(set) var expected: UInt64
  private(set) var lost: UInt64 = 0
  private var taken: RingReader.Step?

  init(_ folder: borrowing Folder, at sequence: UInt64? = nil) throws {
    ring = try RingReader.open("queue.ring", in: folder)
    if let sequence { try ring.seek(to: sequence) }
    expected = ring.sequence
  }

  init(_ ring: consuming RingReader) {
    expected = ring.sequence
    self.ring = ring
  }

  /// Opens the file anew: what was overwritten before then is nothing that this reader missed.
  func reopen() throws {
    let path = ring.path
    let cut = try #require(path.lastIndex(of: "/"))
    ring = try RingReader.open("queue.ring", in: try Folder(String(path[..<cut])))
    expected = ring.sequence
  }

  /// Takes a step that is held against the model later, by the next `step`.
  func take() throws { taken = try ring.next() }

  /// Makes one step; answers false at the end.
  func step(_ model: Model, _ note: @autoclosure () -> Comment) throws -> Bool {
    let found = try taken ?? ring.next()
    taken = nil
    switch found {
    case .end: return false
    case .overwritten(let count):
      lost += count
      expected += count
      let oldest = model.entries[model.oldest].header.sequence
      #expect(count > 0 && expected <= oldest, "lost up to \(expected) where \(oldest) is there; \(note())")
    case .record(let header):
      // A queue in which no message is left begins with a position of its own.
      if header.kind == .position, header.sequence == expected, model.entry(endingAt: ring.position) == nil { break }
      // Where it ended says which one it must have been.
      let entry = model.entry(endingAt: ring.position)
      guard let entry, entry.header == header, header.sequence == expected, equal(ring.payload, entry.payload.span)
      else {
        Issue.record("\(header) where \(expected) belongs; \(note())")
        throw Unexpected()
      }
      expected = header.nextSequence
    }
    return true
  }

  /// Reads on to the end, which must be before `next`.
  func drain(_ model: Model, until next: UInt64, _ note: @autoclosure () -> Comment) throws {
    var steps = 0
    while try step(model, note()) {
      steps += 1
      guard steps <= 2 * model.entries.count + 2 else {
        Issue.record("a loop without end; \(note())")
        throw Unexpected()
      }
    }
    #expect(expected == next, note())
  }
}

extension Model {
  /// The entry that ends at a position; nil where none does.
  func entry(endingAt end: UInt64) -> Entry? {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].end < end { low = middle + 1 } else { high = middle }
    }
    return low < entries.count && entries[low].end == end ? entries[low] : nil
  }
}

/// A queue and the model of it, about to be appended to.
struct Scene: CustomTestStringConvertible, Sendable {
  let testDescription: String
  /// How much is in the queue before, and of what payloads.
  let fill: Int
  let payloads: Range<Int>
  /// The payload that is appended; nil: a loss.
  let appended: Int?
  /// Whether a writer died in the middle of a larger record before.
  var died = false

  /// The ring is 64 KiB; a record takes 72 bytes beside its payload, and the first one is 72 bytes.
  static let all = [
    Scene(testDescription: "into an empty queue", fill: 0, payloads: 0..<1, appended: 200),
    Scene(testDescription: "without overwriting", fill: 30_000, payloads: 100..<300, appended: 201),
    Scene(testDescription: "an empty message", fill: 30_000, payloads: 100..<300, appended: 0),
    Scene(testDescription: "a loss, overwriting", fill: 100_000, payloads: 100..<300, appended: nil),
    Scene(testDescription: "overwriting one", fill: 200_000, payloads: 200..<201, appended: 200),
    Scene(testDescription: "overwriting many", fill: 200_000, payloads: 0..<40, appended: 1500),
    Scene(testDescription: "overwriting a large one", fill: 200_000, payloads: 7000..<8000, appended: 7),
    Scene(testDescription: "where the header wraps", fill: 65_536 - 40, payloads: 100..<300, appended: 100),
    Scene(testDescription: "where the payload wraps", fill: 131_072 - 80, payloads: 100..<300, appended: 333),
    Scene(testDescription: "where the trailer wraps", fill: 131_072 - 64 - 104, payloads: 100..<300, appended: 104),
    Scene(testDescription: "up to the very end", fill: 65_536 - 176, payloads: 100..<300, appended: 100),
    Scene(
      testDescription: "after a writer that died in a larger one", fill: 100_000, payloads: 100..<300, appended: 100,
      died: true),
  ]

  /// Builds the queue in `folder`, and opens it.
  func build(_ temporary: borrowing TemporaryFolder, seed: UInt64) throws -> (model: Model, payload: [UInt8]?) {
    var random = SeededGenerator(seed: seed)
    let folder = try temporary.open()
    var model = Model(capacity: 65536)
    var writer = try openWriter(folder)
    while model.end + 72 + UInt64(payloads.upperBound) + 160 < UInt64(fill) {
      try model.append(random.bytes(Int.random(in: payloads, using: &random)), to: &writer)
    }
    if fill > 0 { try model.fill((UInt64(fill) - model.end) & ~7, to: &writer, &random) }
    if died {
      let intent = model.end + 4000
      model.noteIntent(intent)
      let oldest = model.entries[model.oldest].start
      overwrite(temporary.queue, at: Word.oldest, bytes(oldest))
      overwrite(temporary.queue, at: Word.intent, bytes(intent))
    }
    return (model, appended.map { random.bytes($0) })
  }
}
