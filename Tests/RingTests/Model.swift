import Bytes
import Glibc
import System
import TestSupport
import Testing

@testable import Ring

/// The header's words as the layout draws them, written down a second time: a test that asked the code where they
/// stand could not see it move them.
enum Word {
  static let magic = 0
  static let version = 8
  static let capacity = 16
  static let generation = 24
  static let madeAt = 32
  /// The words before it are written once and covered by the checksum, which stands in it.
  static let checksum = 40
  static let bootHigh = 48
  static let bootLow = 56
  static let flags = 64
  static let oldest = 128
  static let intent = 136
  static let published = 192
  static let sequence = 200
  static let sequenceCheck = 208
  static let wake = 256
  static let statusCount = 1024
  static let statusSlots = [2048, 4096]
  static let ring = 65536
}

/// A record's header and its trailer, in bytes.
let recordHeaderBytes: UInt64 = 64
let recordTrailerBytes: UInt64 = 8

/// The length of a record: eight words, the payload filled up to a multiple of 8, and the length again.
func recordBytes(_ payload: Int) -> UInt64 {
  recordHeaderBytes + UInt64((payload + 7) / 8 * 8) + recordTrailerBytes
}

/// What a queue must hold: every record ever appended to it, and how far the writer went.
struct Model {
  struct Entry {
    var header: RecordHeader
    var payload: [UInt8]
    var start: UInt64
    var end: UInt64
  }

  private(set) var capacity: UInt64
  private(set) var entries: [Entry] = []
  /// The furthest end of any write begun: what lies more than the capacity before it is gone.
  private(set) var intent: UInt64 = 0
  /// The stream that was named last, where the newest record begins that names it, and how far the queue has come in it.
  private(set) var stream: StreamIdentity?
  private(set) var streamAt: UInt64 = 0
  private var lastPosition = StreamPosition()
  var position: StreamPosition? { stream == nil ? nil : lastPosition }

  /// A new queue, which begins with a move of the position that occupies no number.
  init(capacity: Int) {
    self.capacity = UInt64(capacity)
    note(RecordHeader(kind: .position, sequence: 1, span: 0, receivedAt: 1), [])
  }

  var nextSequence: UInt64 { entries.last?.header.nextSequence ?? 1 }
  var end: UInt64 { entries.last?.end ?? 0 }
  var largestPayload: Int { Int(capacity) / 8 - 72 }
  /// The index of the oldest entry that was not overwritten.
  var oldest: Int {
    // The entries are in order of position.
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].start + capacity >= intent { high = middle } else { low = middle + 1 }
    }
    return low
  }

  mutating func note(_ header: RecordHeader, _ payload: [UInt8]) {
    var header = header
    if header.position != StreamPosition() { lastPosition = header.position }
    header.length = payload.count
    let start = end
    entries.append(Entry(header: header, payload: payload, start: start, end: start + recordBytes(payload.count)))
    intent = max(intent, end)
  }

  /// A write was begun that went up to `end`, and not published.
  mutating func noteIntent(_ end: UInt64) { intent = max(intent, end) }

  private mutating func note(_ identity: StreamIdentity, _ position: StreamPosition, receivedAt: UInt64) {
    stream = identity
    streamAt = end
    var header = RecordHeader(kind: .position, sequence: nextSequence, span: 0, receivedAt: receivedAt)
    header.position = position
    note(header, identityPayload(identity))
    lastPosition = position
  }

  /// The writer names the stream again before a record that ends more than a quarter of the ring behind its name.
  private mutating func nameAgain(before payload: Int, receivedAt: UInt64) {
    guard let stream, end + recordBytes(payload) > streamAt + capacity / 4 else { return }
    note(stream, lastPosition, receivedAt: receivedAt)
  }

  mutating func append(
    _ position: StreamPosition, of identity: StreamIdentity, to writer: inout RingWriter
  ) {
    // No two such records are alike.
    let stamp = end
    writer.append(position: position, of: identity, receivedAt: stamp)
    note(identity, position, receivedAt: stamp)
  }

  /// The queue has another capacity, and names its stream at its end.
  mutating func noteRebuilding(_ capacity: Int) {
    self.capacity = UInt64(capacity)
    intent = end
    if let stream { note(stream, lastPosition, receivedAt: 1) }
  }

  mutating func append(_ payload: [UInt8], to writer: inout RingWriter) throws {
    let stamp = nextSequence &* 7
    let position = StreamPosition(busSequence: stamp, milliseconds: stamp + 1, sequence: stamp + 2)
    var header = RecordHeader(kind: .message, sequence: nextSequence, span: 1, receivedAt: stamp)
    header.position = position
    let sequence = try writer.append(message: payload.span, position: position, receivedAt: stamp)
    #expect(sequence == nextSequence)
    nameAgain(before: payload.count, receivedAt: stamp)
    note(header, payload)
  }

  mutating func append(lossOf count: UInt64, to writer: inout RingWriter) throws {
    var header = RecordHeader(kind: .loss, sequence: nextSequence, span: count, receivedAt: 9)
    header.reason = UInt8(1 + count % 6)
    try writer.append(lossOf: count, reason: header.reason, receivedAt: 9)
    nameAgain(before: 0, receivedAt: 9)
    note(header, [])
  }

  mutating func appendPosition(to writer: inout RingWriter) throws {
    var header = RecordHeader(kind: .position, sequence: nextSequence, span: 0, receivedAt: 8)
    header.position = StreamPosition(busSequence: 5, milliseconds: 6, sequence: 7)
    try writer.append(header, Span())
    nameAgain(before: 0, receivedAt: 8)
    note(header, [])
  }

  mutating func appendRandom(to writer: inout RingWriter, _ random: inout SeededGenerator) throws {
    switch random.next() % 16 {
    case 0: try append(lossOf: random.next() % 8 == 0 ? random.next() >> 16 : 1 + random.next() % 50, to: &writer)
    case 1 where random.next() % 4 == 0: append(.random(&random), of: .random(&random), to: &writer)
    case 1: try appendPosition(to: &writer)
    case 2: try append([], to: &writer)
    case 3: try append(random.bytes(largestPayload - Int(random.next() % 9)), to: &writer)
    case 4...6: try append(random.bytes(Int(random.next() % UInt64(largestPayload))), to: &writer)
    default: try append(random.bytes(Int(random.next() % 400)), to: &writer)
    }
    #expect(writer.nextSequence == nextSequence)
  }

  /// Appends messages until exactly `bytes` (a multiple of 8, 0 or at least 72) more stand in the queue.
  mutating func fill(_ bytes: UInt64, to writer: inout RingWriter, _ random: inout SeededGenerator) throws {
    let target = end + bytes
    while end < target {
      let left = target - end
      let largest = min(left, recordBytes(largestPayload))
      let length = left <= largest ? left : min(largest, left - 72)
      try append(random.bytes(Int(length) - 72), to: &writer)
    }
  }
}

/// A reader whose every step is compared with the model's. It may have copied records ahead before they were overwritten:
/// these it may still deliver.
final class CheckedReader {
  var ring: RingReader
  /// The entry that it must read next, and the number that it must still account for.
  private(set) var index: Int
  private(set) var expected: UInt64

  /// Opens the queue and stands at its oldest record.
  init(_ folder: borrowing Folder, _ model: Model) throws {
    ring = try RingReader.open("queue.ring", in: folder)
    index = model.oldest
    expected = model.entries[index].header.sequence
    #expect(ring.sequence == expected)
  }

  /// Makes one step; answers whether there was one to make.
  func step(_ model: Model, _ note: @autoclosure () -> Comment) throws -> Bool {
    let found = try ring.next()
    let copiedAhead = index < model.oldest && found == .record(model.entries[index].header)
    if index < model.oldest, !copiedAhead {
      index = model.oldest
      let missed = model.entries[index].header.sequence - expected
      expected += missed
      if missed > 0 {
        guard found == .overwritten(missed) else {
          Issue.record("\(found) where \(missed) were overwritten; \(note())")
          throw Unexpected()
        }
        return true
      }
    }
    guard index < model.entries.count else {
      guard found == .end else {
        Issue.record("\(found) at the end; \(note())")
        throw Unexpected()
      }
      return false
    }
    let entry = model.entries[index]
    guard found == .record(entry.header), equal(ring.payload, entry.payload.span) else {
      Issue.record("\(found) where \(entry.header) belongs; \(note())")
      throw Unexpected()
    }
    index += 1
    expected = entry.header.nextSequence
    #expect(ring.sequence == expected, note())
    return true
  }

  /// Reads to the end.
  func drain(_ model: Model, _ note: @autoclosure () -> Comment) throws {
    while try step(model, note()) {}
    #expect(expected == model.nextSequence, note())
  }
}

/// The payload of a record that names a stream, as the layout draws it.
func identityPayload(_ identity: StreamIdentity) -> [UInt8] {
  Array("OCSTREAM".utf8) + bytes(identity.epoch.high) + bytes(identity.epoch.low) + bytes(identity.target)
}

extension StreamIdentity {
  static func random(_ random: inout SeededGenerator) -> StreamIdentity {
    StreamIdentity(epoch: StreamEpoch(high: random.next(), low: random.next()), target: random.next())
  }
}

extension StreamPosition {
  /// Sometimes all zero.
  static func random(_ random: inout SeededGenerator) -> StreamPosition {
    guard random.next() % 4 > 0 else { return StreamPosition() }
    return StreamPosition(busSequence: random.next(), milliseconds: random.next(), sequence: random.next())
  }
}

/// What is known of the stream.
struct Known: Equatable {
  var stream: StreamIdentity?
  var position: StreamPosition?

  init(_ stream: StreamIdentity?, _ position: StreamPosition?) {
    self.stream = stream
    self.position = position
  }

  /// By what the entries say, the oldest first.
  init(_ entries: some Sequence<Model.Entry>) {
    var last = StreamPosition()
    for entry in entries {
      if entry.header.kind == .position, entry.payload.starts(with: Array("OCSTREAM".utf8)) {
        stream = StreamIdentity(
          epoch: StreamEpoch(high: word(entry.payload, 8), low: word(entry.payload, 16)),
          target: word(entry.payload, 24))
        last = entry.header.position
      } else if entry.header.position != StreamPosition() {
        last = entry.header.position
      }
    }
    position = stream == nil ? nil : last
  }
}

extension RingWriter {
  var known: Known { Known(stream, position) }
}

/// The writer knows the stream and the position that the model has.
func expectStream(_ writer: borrowing RingWriter, _ model: Model, _ note: Comment) {
  #expect(writer.stream == model.stream, note)
  #expect(writer.position == model.position, note)
}

/// A step that the model does not know, recorded as an issue already.
struct Unexpected: Error {}

func openWriter(_ folder: borrowing Folder, capacity: Int = 65536, now: UInt64 = 1) throws(QueueError) -> RingWriter {
  try RingWriter.open("queue.ring", in: folder, capacity: capacity, permissions: 0o600, lossReason: 5, now: now)
}

extension RingReader {
  var wasJoined: Bool { file.flags & 1 != 0 }
  var version: UInt64 { file.head.version }
}

extension RingWriter {
  /// Appends a message held in an array.
  mutating func append(
    _ object: [UInt8], _ position: StreamPosition = StreamPosition(), receivedAt: UInt64 = 1
  ) throws(AppendError) -> UInt64 {
    try append(message: object.span, position: position, receivedAt: receivedAt)
  }
}

/// The 64-bit word at `offset` of a file's content.
func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
  (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64($1 * 8) }
}

/// The eight bytes of `word` as they stand in a file.
func bytes(_ word: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) } }

extension TemporaryFolder {
  var queue: String { path + "/queue.ring" }
}
