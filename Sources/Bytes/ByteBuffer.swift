/// A growable run of bytes with a consumed front: what sockets read into and writers write out of.
///
///      0          consumed            filled            capacity
///      │ released │     readable      │     writable    │
///
/// Invariant: 0 <= consumed <= filled <= capacity. Memory is kept when the content goes, so a buffer in steady use
/// allocates nothing.
@safe
package struct ByteBuffer: ~Copyable {
  private var base: UnsafeMutableRawPointer
  private var capacity: Int
  private var consumed = 0
  private var filled = 0

  /// An empty buffer with room for `capacity` bytes (at least 1).
  package init(capacity: Int) {
    precondition(capacity > 0, "a buffer needs room")
    unsafe base = .allocate(byteCount: capacity, alignment: 16)
    self.capacity = capacity
  }

  deinit { unsafe base.deallocate() }

  /// The number of readable bytes.
  package var count: Int { filled - consumed }
  package var isEmpty: Bool { filled == consumed }

  /// The bytes written and not yet consumed.
  package var readable: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get {
      let start = unsafe base.advanced(by: consumed).assumingMemoryBound(to: UInt8.self)
      let span = unsafe Span(_unsafeStart: start, count: filled - consumed)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Makes room for `count` more bytes: moves the readable bytes to the front, and doubles the memory only where that
  /// is not enough.
  package mutating func reserve(_ count: Int) {
    precondition(count >= 0, "cannot reserve a negative count")
    guard capacity - filled < count else { return }
    let held = filled - consumed
    if capacity - held >= count && consumed >= held {
      // Moving is paid for by the bytes consumed since the last move.
      unsafe base.copyMemory(from: base.advanced(by: consumed), byteCount: held)
    } else {
      let (doubled, doubleOverflow) = capacity.multipliedReportingOverflow(by: 2)
      let (needed, overflow) = held.addingReportingOverflow(count)
      precondition(!overflow && !doubleOverflow, "a buffer larger than the address space")
      let larger = max(doubled, needed)
      let memory = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
      unsafe memory.copyMemory(from: base.advanced(by: consumed), byteCount: held)
      unsafe base.deallocate()
      unsafe base = memory
      capacity = larger
    }
    consumed = 0
    filled = held
  }

  /// Lets `body` fill free memory of at least `count` bytes; it answers how many it wrote.
  ///
  /// - Parameter body: must initialise the bytes from the front that it counts.
  package mutating func fill<Failure: Error>(
    reserving count: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) -> Int {
    reserve(count)
    let free = unsafe UnsafeMutableRawBufferPointer(start: base.advanced(by: filled), count: capacity - filled)
    let written = try unsafe body(free)
    precondition(written >= 0 && written <= capacity - filled, "wrote past the free memory")
    filled += written
    return written
  }

  /// Gives the first `count` readable bytes back.
  package mutating func consume(_ count: Int) {
    precondition(count >= 0 && count <= filled - consumed, "cannot consume more than is readable")
    consumed += count
    if consumed == filled {
      consumed = 0
      filled = 0
    }
  }

  /// Takes `range`, counted from the first readable byte, out of the middle: what is behind it moves forward.
  package mutating func remove(_ range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= filled - consumed, "cannot remove more than is readable")
    let hole = consumed + range.lowerBound
    let behind = consumed + range.upperBound
    unsafe base.advanced(by: hole).copyMemory(from: base.advanced(by: behind), byteCount: filled - behind)
    filled -= range.count
  }

  /// Drops everything after the first `count` readable bytes: how a writer takes back what it began.
  package mutating func truncate(to count: Int) {
    precondition(count >= 0 && count <= filled - consumed, "cannot truncate to more than is readable")
    filled = consumed + count
  }

  package mutating func removeAll() {
    consumed = 0
    filled = 0
  }

  package mutating func append(_ byte: UInt8) {
    reserve(1)
    unsafe base.storeBytes(of: byte, toByteOffset: filled, as: UInt8.self)
    filled += 1
  }

  package mutating func append(contentsOf bytes: borrowing Span<UInt8>) {
    let count = bytes.count
    guard count > 0 else { return }
    reserve(count)
    unsafe bytes.withUnsafeBufferPointer { source in
      guard let start = source.baseAddress else { return }
      unsafe base.advanced(by: filled).copyMemory(from: start, byteCount: count)
    }
    filled += count
  }

  package mutating func append(_ text: StaticString) {
    let count = text.utf8CodeUnitCount
    reserve(count)
    unsafe base.advanced(by: filled).copyMemory(from: text.utf8Start, byteCount: count)
    filled += count
  }

  package mutating func append(utf8 text: String) {
    var text = text
    text.makeContiguousUTF8()
    append(contentsOf: text.utf8.span)
  }
}

/// Whether two runs of bytes are the same.
package func equal(_ left: borrowing Span<UInt8>, _ right: borrowing Span<UInt8>) -> Bool {
  let count = left.count
  guard count == right.count else { return false }
  var index = 0
  while index <= count &- 8 {
    // In bounds: index + 8 <= count.
    let words = unsafe (
      left.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self),
      right.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
    )
    if words.0 != words.1 { return false }
    index &+= 8
  }
  while index < count {
    if left[index] != right[index] { return false }
    index &+= 1
  }
  return true
}

/// Whether `bytes` is exactly the ASCII `text`.
@inlinable package func equal(_ bytes: borrowing Span<UInt8>, _ text: StaticString) -> Bool {
  let count = text.utf8CodeUnitCount
  guard bytes.count == count else { return false }
  for index in 0..<count where unsafe text.utf8Start[index] != bytes[index] { return false }
  return true
}

extension String {
  /// The text of `bytes`; what is not UTF-8 becomes U+FFFD.
  package init(repairing bytes: borrowing Span<UInt8>) {
    self = unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }
}

extension [UInt8] {
  /// A copy of `bytes` that outlives them.
  package init(copying bytes: borrowing Span<UInt8>) {
    self = unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }
  }
}
