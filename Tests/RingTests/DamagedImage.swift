import Bytes
import System
import TestSupport
import Testing

@testable import Ring

/// Where a queue file is damaged: one bit of it.
struct Flip {
  let offset: Int
  let bit: Int

  /// Every bit of the bytes in `range`.
  static func all(_ range: Range<Int>) -> [Flip] {
    range.flatMap { offset in (0..<8).map { Flip(offset: offset, bit: $0) } }
  }

  /// One random bit of every `stride` bytes in `range`.
  static func some(_ range: Range<Int>, every stride: Int, _ random: inout SeededGenerator) -> [Flip] {
    Swift.stride(from: range.lowerBound, to: range.upperBound, by: stride).map { start in
      let end = min(start + stride, range.upperBound)
      return Flip(offset: Int.random(in: start..<end, using: &random), bit: Int(random.next() % 8))
    }
  }
}

/// A queue file as its writer left it, with records of every kind, and what a reader may make of it.
struct DamagedImage {
  /// Which of the records wraps at the end of the ring, and how many bytes before the end it begins.
  struct Shape: CustomTestStringConvertible {
    let wrapping: Int
    let beforeEnd: UInt64
    /// The longest payload.
    var largest = 1000
    var testDescription: String { "record \(wrapping) begins \(beforeEnd) bytes before the ring's end" }

    /// One bit of the newest record's end, or of its length, leads back to another record's end or beginning.
    static let base = Shape(wrapping: 5, beforeEnd: 848)
    /// The end of the ring within the header of each kind, before and behind the payload, and before a record.
    static let others: [Shape] = [
      Shape(wrapping: 0, beforeEnd: 16), Shape(wrapping: 1, beforeEnd: 8), Shape(wrapping: 1, beforeEnd: 64),
      Shape(wrapping: 2, beforeEnd: 64), Shape(wrapping: 3, beforeEnd: 32), Shape(wrapping: 4, beforeEnd: 88),
      Shape(wrapping: 5, beforeEnd: 40, largest: 8120), Shape(wrapping: 5, beforeEnd: 8184, largest: 8120),
      Shape(wrapping: 6, beforeEnd: 0),
      Shape(wrapping: 11, beforeEnd: 56),
    ]
  }

  /// The whole file.
  private(set) var file: [UInt8]
  /// The records that are there, in order.
  let entries: [Model.Entry]
  /// Every record that was ever written: of those given up, some are still whole.
  let written: [Model.Entry]
  /// Which of those have this sequence number.
  let numbered: [UInt64: [Int]]
  /// The number that the next record gets.
  let next: UInt64
  /// What the daemon said of itself, and then said last.
  let statuses: [DaemonStatus]

  /// The one that names the stream.
  private static let identity = 7
  private static let identityBytes = 32

  /// The payloads' lengths; nil where the record has none.
  private static func payloads(_ shape: Shape) -> [Int?] {
    [nil, 5, 0, nil, 24, shape.largest, 37, identityBytes, nil, 56, 56, 56]
  }

  /// Records of every kind, the only ones in the ring: what was written before them is given up, so that one reading
  /// of the file is quick.
  init(_ shape: Shape, _ random: inout SeededGenerator) throws {
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    let payloads = Self.payloads(shape)
    let before = payloads[..<shape.wrapping].reduce(0) { $0 + recordBytes($1 ?? 0) }
    try model.fill(2 * 65536 - shape.beforeEnd - before - model.end, to: &writer, &random)
    let first = model.entries.count
    for (index, payload) in payloads.enumerated() {
      if index == Self.identity {
        model.append(.random(&random), of: .random(&random), to: &writer)
      } else if let payload {
        try model.append(random.bytes(payload), to: &writer)
      } else if index == 0 {
        try model.appendPosition(to: &writer)
      } else {
        try model.append(lossOf: index == 3 ? 17 : 1, to: &writer)
      }
    }
    overwrite(temporary.queue, at: Word.oldest, bytes(model.entries[first].start))
    self.init(temporary, writer, model, from: first)
  }

  /// A ring that went round several times with records of every kind, as full as it gets.
  init(lapped random: inout SeededGenerator) throws {
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    while model.end < 200_000 { try model.appendRandom(to: &writer, &random) }
    try model.append(random.bytes(100), to: &writer)
    self.init(temporary, writer, model, from: model.oldest)
  }

  private init(_ temporary: TemporaryFolder, _ writer: borrowing RingWriter, _ model: Model, from first: Int) {
    let statuses = (1...2).map { (number: UInt64) in
      var status = DaemonStatus(pid: 4711, version: number << 32, startedAt: 5, heartbeatAt: 600 + number)
      status.redis = number == 1 ? .waiting : .ready
      status.redisSince = 7
      status.redisError = "WRONGPASS \(number)"
      status.received = 80 + number
      return status
    }
    for status in statuses { writer.publish(status) }
    file = contents(temporary.queue)
    entries = Array(model.entries[first...])
    written = model.entries
    numbered = Dictionary(grouping: written.indices) { model.entries[$0].header.sequence }
    next = model.nextSequence
    self.statuses = statuses
  }

  /// The same file after the machine was started anew.
  var rebooted: DamagedImage {
    var image = self
    image.file[Word.bootHigh] ^= 0xFF
    return image
  }

  /// Where the byte at `position` of the ring stands in the file.
  func offset(_ position: UInt64) -> Int { Word.ring + Int(position % 65536) }

  /// What the records say of the stream, all of them or all but one.
  func known(without index: Int? = nil) -> Known {
    Known(entries.indices.filter { $0 != index }.map { entries[$0] })
  }

  /// The record whose bytes hold the file's byte at `offset`; nil for the header and for what is free.
  func index(at offset: Int) -> Int? {
    guard offset >= Word.ring, let oldest = entries.first?.start else { return nil }
    let distance = (UInt64(offset - Word.ring) &- oldest) % 65536
    return entries.firstIndex { $0.start <= oldest + distance && oldest + distance < $0.end }
  }

  /// Every bit of record `index`: of its header, its trailer, and of the first and last 16 bytes of what is between.
  func flips(ofRecord index: Int) -> [Flip] {
    let entry = entries[index]
    let edge = recordHeaderBytes + 16
    return (entry.start..<entry.end).filter { $0 < entry.start + edge || $0 + recordTrailerBytes + 16 >= entry.end }
      .flatMap { Flip.all(offset($0)..<offset($0) + 1) }
  }
}
