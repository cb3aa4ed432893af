internal import Bytes
internal import System

/// A private copy of one record, and the memory for it, which is kept: reading allocates nothing once it is large
/// enough.
@safe
struct RecordCopy: ~Copyable {
  private var memory: UnsafeMutableRawBufferPointer
  private var length = 0

  init() { unsafe memory = .allocate(byteCount: 4096, alignment: 8) }

  deinit { unsafe memory.deallocate() }

  /// The payload copied last.
  var payload: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get {
      let bytes = unsafe UnsafeRawBufferPointer(rebasing: memory[..<length])
      let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Copies the record at `position` and checks it; nil where the writer overwrote it meanwhile (then `oldest` has moved
  /// past it).
  ///
  /// - Parameter published: where the newest record ends; at least `position`.
  mutating func load(
    _ file: borrowing QueueFile, at position: UInt64, published: UInt64
  ) throws(QueueError) -> RecordHeader? {
    length = 0
    let words = file.headerWords(at: position)
    // The length may be torn: it is bounded before it is used, and what it says is an error only when the words turn
    // out not to have been overwritten.
    let payload = Int(words[0] & 0xFFFF_FFFF)
    let recordBytes = RecordLayout.recordBytes(payload: payload)
    guard recordBytes <= RecordLayout.largest(capacity: file.capacity), UInt64(recordBytes) <= published &- position
    else {
      guard try file.isStillWhole(from: position) else { return nil }
      throw .damaged(path: file.path, what: "a record of \(recordBytes) bytes at \(position)")
    }
    let padded = (payload + 7) & ~7
    if unsafe memory.count < padded {
      let larger = unsafe max(padded, memory.count * 2)
      unsafe memory.deallocate()
      unsafe memory = .allocate(byteCount: larger, alignment: 8)
    }
    unsafe file.load(
      into: .init(rebasing: memory[..<padded]), from: position &+ UInt64(RecordLayout.headerBytes))
    guard try file.isStillWhole(from: position) else { return nil }
    length = payload
    guard let header = RecordHeader(words: words), header.checksum(self.payload) == UInt32(words[0] >> 32) else {
      length = 0
      throw .damaged(path: file.path, what: "the record at \(position) does not match its checksum")
    }
    return header
  }
}

extension QueueFile {
  /// Where the record begins that ends at `end`, by the length that stands at its own end; nil where that length is
  /// impossible (or was overwritten meanwhile).
  func startOfRecord(endingAt end: UInt64, oldest: UInt64) -> UInt64? {
    guard end >= oldest, end - oldest >= UInt64(RecordLayout.smallest) else { return nil }
    let recordBytes = mapping.loadRelaxed(QueueLayout.place(end - UInt64(RecordLayout.trailerBytes), mask))
    guard recordBytes >= UInt64(RecordLayout.smallest), recordBytes & 7 == 0, recordBytes <= end - oldest else {
      return nil
    }
    return end - recordBytes
  }
}
