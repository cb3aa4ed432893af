internal import Bytes

/// Where everything stands in `queue.ring`. Offsets are computed here and nowhere else.
///
///     byte 0                      64 KiB                                          64 KiB + capacity
///       │ header, status page │ ring: records back to back, wrapping at the end    │
///
/// The header, in 64-bit words of native (little-endian) byte order:
///
///        0  magic "OCBQUEUE"                    ┐
///        8  version                             │ written once, before the file has its name;
///       16  capacity of the ring in bytes       │ covered by the checksum
///       24  generation                          │
///       32  made at, microseconds since 1970    │
///       40  CRC-32C of bytes 0..<40             ┘
///       48  boot id, 128 bits: of the machine's start in which the file was last opened for writing
///       64  flags (bit 0: joined to Redis once; bit 1: superseded, another file has this one's name)
///
///      128  oldest    position of the oldest record     ┐ a line of their own: the writer stores them
///      136  intent    end of the furthest write begun   ┘ before it touches the ring
///      192  published end of the newest record          ┐
///      200  sequence  the next sequence number, a hint  │ stored when a record is whole
///      208  its complement: a hint without it is none   ┘
///      256  wake      futex word: changes when something was published
///
///     1024  status page: see StatusPage
///
/// Positions are 64-bit byte counts that only grow; a byte's place in the ring is its position modulo the capacity.
/// All are multiples of 8. The invariant, which holds between any two instructions of the writer:
///
///     oldest <= published <= intent <= oldest + capacity
///
/// **To change the format**: raise `version`, and note below what the one before did otherwise; teach `QueueFile` and
/// `RecordLayout` to read and write it (clawq must go on reading it, and `RingWriter` repairs it before it copies its
/// records into a new file, `RingWriter+Replacing`); add a file of the old version to the tests.
///
/// - Version 1: a record's checksum did not cover its position; the hint had no complement; the status page no checksum.
package enum QueueLayout {
  static let magic = UInt64(littleEndian: 0x4555_4555_5142_434F)  // "OCBQUEUE"
  package static let version: UInt64 = 2
  /// The oldest version that is read, and migrated.
  static let oldestVersion: UInt64 = 1

  static let magicOffset = 0
  static let versionOffset = 8
  static let capacityOffset = 16
  static let generationOffset = 24
  static let madeAtOffset = 32
  static let checksumOffset = 40
  static let bootHighOffset = 48
  static let bootLowOffset = 56
  static let flagsOffset = 64
  static let oldestOffset = 128
  static let intentOffset = 136
  static let publishedOffset = 192
  static let sequenceOffset = 200
  static let sequenceCheckOffset = 208
  static let wakeOffset = 256
  static let statusOffset = 1024

  /// Where the ring begins. A multiple of every page size, so that it can be mapped apart from the header.
  @inline(__always)
  static var headerBytes: Int { Limits.mappingAlignment }

  static let joinedFlag: UInt64 = 1
  static let supersededFlag: UInt64 = 2

  /// No writer reaches this position: it would take centuries. A header that says so is damaged.
  static let positionLimit: UInt64 = 1 << 62

  /// The place in the file of the byte at `position`.
  @inline(__always)
  static func place(_ position: UInt64, _ mask: UInt64) -> Int {
    headerBytes &+ Int(truncatingIfNeeded: position & mask)
  }
}

/// Where everything stands in a record. A record begins at a multiple of 8 and may wrap at the end of the ring.
///
///      0  payload length, 32 bits │ CRC-32C, 32 bits
///      8  sequence number: the first that this record occupies
///     16  kind, 8 bits │ channel, 8 │ reason of a loss, 8 │ zero
///     24  span: how many sequence numbers it occupies (message 1, loss N, position 0)
///     32  bus sequence number of the stream position, 0 where there is none
///     40  stream id, milliseconds
///     48  stream id, sequence
///     56  received at, microseconds since 1970
///     64  payload, zeros up to a multiple of 8
///      …  length of this whole record in bytes, so that the newest can be found from the end
///
/// The checksum covers the record's position and its length, 64 bits each, then words 8 to 63, then the payload. A record
/// is therefore valid at its own position only: what an earlier round of the ring left at the same place is not, nor is
/// a payload that looks like a record.
enum RecordLayout {
  static let headerWords = 8
  static let headerBytes = headerWords * 8
  static let trailerBytes = 8
  static let smallest = headerBytes + trailerBytes

  /// The length of a record with a payload of `payload` bytes.
  ///
  /// - Precondition: `payload` is at most `UInt32.max`.
  @inline(__always)
  static func recordBytes(payload: Int) -> Int { headerBytes &+ (payload &+ 7) & ~7 &+ trailerBytes }

  /// The largest record that a ring of `capacity` bytes takes.
  @inline(__always)
  static func largest(capacity: UInt64) -> Int {
    Int(truncatingIfNeeded: capacity) / Limits.queueMessagesAtLeast
  }
}

/// Where everything stands in the payload of a position record that says which stream it is of. Words as above.
///
///      0  magic "OCSTREAM"
///      8  epoch, its first 64 bits
///     16  epoch, the others
///     24  target: a checksum of server, database and channel
///
/// A position record with any other payload says nothing of the stream: what fills a gap has zeros. All records behind an
/// identity, up to the next one, are of its stream.
enum IdentityLayout {
  static let magic = UInt64(littleEndian: 0x4D41_4552_5453_434F)  // "OCSTREAM"
  static let byteCount = 32
}
