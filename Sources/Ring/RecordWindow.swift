internal import System

/// A private copy of a stretch of the ring, out of which records are read.
///
/// A reader that is behind copies many records at once and asks but once whether the writer came near meanwhile: the
/// header's words, which the writer changes with each record, are touched once for the whole stretch. The memory is kept
/// and grows with what is asked for, so reading allocates nothing once it is large enough.
@safe
struct RecordWindow: ~Copyable {
  private var memory: UnsafeMutableRawBufferPointer
  /// What is in memory: the ring from `start` to `end`, where `published` stood behind it.
  private var start: UInt64 = 0
  private var end: UInt64 = 0
  private var published: UInt64 = 0
  /// Where the payload of the record found last is.
  private var payloadRange = 0..<0
  /// How much is copied ahead: little at first (who wants one record is not to pay for many), more when more is read.
  private var ahead = Self.least

  private static let least = 4096
  private static let most = 65536

  init() { unsafe memory = .init(start: nil, count: 0) }

  deinit { unsafe memory.deallocate() }

  /// What stands at a position.
  enum Found {
    /// A whole record, at its own place and with the right checksum.
    case record(RecordHeader)
    /// The window ends before it: so many bytes from the position on are wanted.
    case more(Int)
    /// Not a record.
    case malformed(RecordFault)
  }

  /// The payload of the record found last.
  var payload: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get {
      let bytes = unsafe UnsafeRawBufferPointer(rebasing: memory[payloadRange])
      let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Holds nothing any more.
  mutating func forget() {
    start = 0
    end = 0
    payloadRange = 0..<0
  }

  /// Looks at the record at `position`, a multiple of 8.
  @inline(__always)
  mutating func record(at position: UInt64, in file: borrowing QueueFile) -> Found {
    guard position >= start, position < end else { return .more(RecordLayout.smallest) }
    let available = Int(truncatingIfNeeded: end &- position)
    guard available >= RecordLayout.smallest else { return .more(RecordLayout.smallest) }
    let place = Int(truncatingIfNeeded: position &- start)
    var words: InlineArray<8, UInt64> = .init(repeating: 0)
    for index in 0..<RecordLayout.headerWords {
      words[index] = unsafe memory.load(fromByteOffset: place &+ index &* 8, as: UInt64.self)
    }
    let checksum = UInt32(truncatingIfNeeded: words[0] >> 32)
    words[0] &= 0xFFFF_FFFF
    let length = Int(truncatingIfNeeded: words[0])
    let recordBytes = RecordLayout.recordBytes(payload: length)
    guard recordBytes <= file.largestRecord,
      UInt64(truncatingIfNeeded: recordBytes) <= published &- position
    else { return .malformed(.length(recordBytes)) }
    guard recordBytes <= available else { return .more(recordBytes) }
    let payload = place &+ RecordLayout.headerBytes..<place &+ RecordLayout.headerBytes &+ length
    payloadRange = payload
    guard let header = RecordHeader(words: words), file.checksum(words, self.payload, at: position) == checksum else {
      payloadRange = 0..<0
      return .malformed(.checksum)
    }
    return .record(header)
  }

  /// Copies what stands from `position` on: at least `bytes`, or up to the end, and as much more as reading ahead is
  /// worth.
  ///
  /// - Parameters:
  ///   - published: where the newest record ends; beyond `position`.
  ///   - isReading: whether more and more is copied ahead, because record after record is read.
  /// - Returns: from where on the window can be trusted: `position`, or the oldest record where the writer took what
  ///   came before it meanwhile; that may be behind the window's end.
  mutating func load(
    _ file: borrowing QueueFile, from position: UInt64, atLeast bytes: Int, published: UInt64, isReading: Bool = true
  ) throws(QueueError) -> UInt64 {
    let count = Int(truncatingIfNeeded: min(UInt64(max(bytes, ahead)), published &- position))
    if isReading { ahead = min(ahead &* 2, Self.most) }
    if unsafe memory.count < count {
      unsafe memory.deallocate()
      unsafe memory = .allocate(byteCount: max(count, Self.least), alignment: 8)
    }
    payloadRange = 0..<0
    // Nothing is in the window while it is being filled.
    end = 0
    unsafe file.load(into: .init(rebasing: memory[..<count]), from: position)
    let trusted = try file.firstTrusted(from: position)
    start = trusted
    if trusted > position {
      // What was overwritten is given up: records are looked for from `trusted` on, at the same place in memory.
      let lost = trusted &- position
      guard lost < UInt64(count) else { return trusted }
      unsafe memory.copyMemory(from: .init(rebasing: memory[Int(lost)..<count]))
    }
    end = position &+ UInt64(count)
    self.published = published
    return trusted
  }
}

extension RecordWindow {
  /// The record at `place`, loaded if it must be; nil where the writer took it meanwhile.
  ///
  /// - Parameter published: where the newest record ends; at least `RecordLayout.smallest` beyond `place`.
  /// - Throws: `damaged` where it is none.
  mutating func header(
    at place: UInt64, in file: borrowing QueueFile, published: UInt64
  ) throws(QueueError) -> RecordHeader? {
    while true {
      switch record(at: place, in: file) {
      case .record(let header): return header
      case .malformed(let fault): throw .damaged(path: file.path, what: "\(fault) at \(place)")
      // Twice at most: for its header, and for the length that the header has.
      case .more(let bytes):
        let trusted = try load(file, from: place, atLeast: bytes, published: published, isReading: false)
        guard trusted == place else { return nil }
      }
    }
  }
}

/// Why the bytes at a position are no record.
enum RecordFault: CustomStringConvertible {
  /// A length, in bytes, that no record here can have.
  case length(Int)
  case checksum

  var description: String {
    switch self {
    case .length(let bytes): "a record of \(bytes) bytes"
    case .checksum: "a record that does not match its checksum"
    }
  }
}
