internal import CLinux
internal import Glibc
// Public, because a word is stored and loaded by code that is inlined into the callers in other modules.
public import Synchronization

/// A file's first bytes mapped shared into memory, reached only through atomic words.
///
/// Other processes read and write the same memory at the same time. A plain load or store would be a data race, so
/// there is none: every access is atomic, at an offset that is a multiple of 8 and within the mapping. Words are in
/// native byte order; both supported processors are little-endian.
@safe
@usableFromInline
package struct SharedMapping: ~Copyable {
  @usableFromInline let base: UnsafeMutableRawPointer
  /// The mapped length in bytes.
  @usableFromInline package let byteCount: Int

  /// Maps the first `byteCount` bytes of `file`, which must have them: touching a page past the end of the file is
  /// SIGBUS.
  package init(
    _ file: borrowing FileDescriptor, byteCount: Int, writable: Bool, _ subject: @autoclosure () -> String = ""
  ) throws(SystemError) {
    precondition(byteCount > 0, "nothing to map")
    let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
    let address = unsafe mmap(nil, byteCount, protection, MAP_SHARED, file.raw, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw SystemError(code: errno, call: "mmap", subject: subject())
    }
    unsafe base = address
    self.byteCount = byteCount
  }

  deinit { unsafe munmap(base, byteCount) }

  @inlinable @inline(__always)
  func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    precondition(offset >= 0 && offset & 7 == 0 && offset < byteCount &- 7, "a word outside the mapping")
    return unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  @inlinable package func loadRelaxed(_ offset: Int) -> UInt64 {
    unsafe word(offset).pointee.load(ordering: .relaxed)
  }

  @inlinable package func loadAcquiring(_ offset: Int) -> UInt64 {
    unsafe word(offset).pointee.load(ordering: .acquiring)
  }

  @inlinable package func storeRelaxed(_ value: UInt64, _ offset: Int) {
    unsafe word(offset).pointee.store(value, ordering: .relaxed)
  }

  @inlinable package func storeReleasing(_ value: UInt64, _ offset: Int) {
    unsafe word(offset).pointee.store(value, ordering: .releasing)
  }

  /// Adds `value` (wrapping) and answers the value before; acquires and releases.
  package func add(_ value: UInt64, _ offset: Int) -> UInt64 {
    unsafe word(offset).pointee.wrappingAdd(value, ordering: .acquiringAndReleasing).oldValue
  }

  /// Stores `desired` where `expected` stands; acquires and releases.
  package func compareExchange(
    _ expected: UInt64, with desired: UInt64, _ offset: Int
  ) -> (exchanged: Bool, original: UInt64) {
    unsafe word(offset).pointee.compareExchange(
      expected: expected, desired: desired, ordering: .acquiringAndReleasing)
  }

  /// Stores `bytes` as relaxed words from `offset` on; the last word is filled up with zeros.
  package func storeRelaxed(_ bytes: borrowing Span<UInt8>, _ offset: Int) {
    let count = bytes.count
    guard count > 0 else { return }
    precondition(offset >= 0 && offset & 7 == 0 && offset <= byteCount - (count + 7) & ~7, "words outside the mapping")
    unsafe bytes.withUnsafeBytes { source in
      let words = unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
      let whole = count >> 3
      for index in 0..<whole {
        let word = unsafe source.loadUnaligned(fromByteOffset: index &<< 3, as: UInt64.self)
        unsafe words[index].store(word, ordering: .relaxed)
      }
      guard count & 7 != 0 else { return }
      var last: UInt64 = 0
      for index in whole &<< 3..<count {
        last |= unsafe UInt64(source[index]) << UInt64((index & 7) << 3)
      }
      unsafe words[whole].store(last, ordering: .relaxed)
    }
  }

  /// Loads `target.count` bytes as relaxed words from `offset` on. `target.count` must be a multiple of 8.
  package func loadRelaxed(into target: UnsafeMutableRawBufferPointer, _ offset: Int) {
    let count = target.count
    precondition(
      count & 7 == 0 && offset >= 0 && offset & 7 == 0 && count <= byteCount && offset <= byteCount - count,
      "words outside the mapping")
    let words = unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
    for index in 0..<count >> 3 {
      let word = unsafe words[index].load(ordering: .relaxed)
      unsafe target.storeBytes(of: word, toByteOffset: index &<< 3, as: UInt64.self)
    }
  }

  /// Sleeps while the low half of the word at `offset` is `expected`, at most `nanoseconds` (nil: without end).
  /// Returns when woken, when the word differs, on a signal and in time: the caller looks again in each case.
  package func futexWait(_ offset: Int, while expected: UInt32, atMost nanoseconds: UInt64?) {
    let address = unsafe UnsafeRawPointer(word(offset)).assumingMemoryBound(to: UInt32.self)
    guard let nanoseconds else {
      _ = unsafe clinux_futex_wait(address, expected, nil)
      return
    }
    var timeout = timespec(
      tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    _ = unsafe clinux_futex_wait(address, expected, &timeout)
  }

  /// Wakes everyone who sleeps on the word at `offset`.
  package func futexWakeAll(_ offset: Int) {
    _ = unsafe clinux_futex_wake_all(UnsafeRawPointer(word(offset)).assumingMemoryBound(to: UInt32.self))
  }
}
