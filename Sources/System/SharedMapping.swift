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
  /// Whether the memory is unmapped with this value.
  @usableFromInline let isOwner: Bool

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
    isOwner = true
  }

  #if STEPS
    /// The same memory once more, for a second thread of a test; whoever mapped it keeps it mapped for as long.
    package init(aliasing other: borrowing SharedMapping) {
      unsafe base = other.base
      byteCount = other.byteCount
      isOwner = false
    }
  #endif

  deinit { if isOwner { unsafe munmap(base, byteCount) } }

  // MARK: - Single words

  @inlinable @inline(__always)
  func word(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    precondition(offset >= 0 && offset & 7 == 0 && offset <= byteCount &- 8, "a word outside the mapping")
    return unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  @inlinable package func loadRelaxed(_ offset: Int) -> UInt64 {
    #if STEPS
      Steps.reached(.load(offset))
    #endif
    return unsafe word(offset).pointee.load(ordering: .relaxed)
  }

  @inlinable package func loadAcquiring(_ offset: Int) -> UInt64 {
    #if STEPS
      Steps.reached(.load(offset))
    #endif
    return unsafe word(offset).pointee.load(ordering: .acquiring)
  }

  @inlinable package func storeRelaxed(_ value: UInt64, _ offset: Int) {
    #if STEPS
      Steps.reached(.store(offset))
    #endif
    unsafe word(offset).pointee.store(value, ordering: .relaxed)
  }

  @inlinable package func storeReleasing(_ value: UInt64, _ offset: Int) {
    #if STEPS
      Steps.reached(.store(offset))
    #endif
    unsafe word(offset).pointee.store(value, ordering: .releasing)
  }

  /// Adds `value` (wrapping) and answers the value before; acquires and releases.
  package func add(_ value: UInt64, _ offset: Int) -> UInt64 {
    #if STEPS
      Steps.reached(.exchange(offset))
    #endif
    return unsafe word(offset).pointee.wrappingAdd(value, ordering: .acquiringAndReleasing).oldValue
  }

  /// Stores `desired` where `expected` stands; acquires and releases.
  package func compareExchange(
    _ expected: UInt64, with desired: UInt64, _ offset: Int
  ) -> (exchanged: Bool, original: UInt64) {
    #if STEPS
      Steps.reached(.exchange(offset))
    #endif
    return unsafe word(offset).pointee.compareExchange(
      expected: expected, desired: desired, ordering: .acquiringAndReleasing)
  }

  // MARK: - Runs of words

  /// `count` words from `offset` on, checked once.
  @inlinable @inline(__always)
  func words(_ offset: Int, _ count: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    precondition(
      offset >= 0 && offset & 7 == 0 && offset <= byteCount && count <= (byteCount &- offset) >> 3,
      "words outside the mapping")
    return unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// Stores `values` as relaxed words from `offset` on, in order.
  @inlinable @inline(__always)
  package func storeRelaxed<let count: Int>(_ values: InlineArray<count, UInt64>, _ offset: Int) {
    let target = unsafe words(offset, count)
    for index in values.indices {
      #if STEPS
        Steps.reached(.store(offset + index * 8))
      #endif
      unsafe target[index].store(values[index], ordering: .relaxed)
    }
  }

  /// Stores `bytes` as relaxed words from `offset` on, in order; the last word is filled up with zeros.
  @inlinable
  package func storeRelaxed(_ bytes: borrowing Span<UInt8>, _ offset: Int) {
    let count = bytes.count
    let whole = count >> 3
    let target = unsafe words(offset, (count &+ 7) >> 3)
    unsafe bytes.withUnsafeBytes { source in
      for index in 0..<whole {
        #if STEPS
          Steps.reached(.store(offset + index * 8))
        #endif
        let word = unsafe source.loadUnaligned(fromByteOffset: index &<< 3, as: UInt64.self)
        unsafe target[index].store(word, ordering: .relaxed)
      }
      let rest = count & 7
      guard rest != 0 else { return }
      var last: UInt64 = 0
      if whole > 0 {
        // The last eight bytes, without those that stand in the word before.
        last = unsafe source.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self) &>> UInt64((8 &- rest) &* 8)
      } else {
        for index in 0..<rest { last |= unsafe UInt64(source[index]) &<< UInt64(index &* 8) }
      }
      #if STEPS
        Steps.reached(.store(offset + whole * 8))
      #endif
      unsafe target[whole].store(last, ordering: .relaxed)
    }
  }

  /// Loads `target.count` bytes, a multiple of 8, as relaxed words from `offset` on, in order.
  package func loadRelaxed(into target: UnsafeMutableRawBufferPointer, _ offset: Int) {
    let count = target.count >> 3
    precondition(target.count & 7 == 0, "a run of whole words")
    let source = unsafe words(offset, count)
    for index in 0..<count {
      #if STEPS
        Steps.reached(.load(offset + index * 8))
      #endif
      let word = unsafe source[index].load(ordering: .relaxed)
      unsafe target.storeBytes(of: word, toByteOffset: index &<< 3, as: UInt64.self)
    }
  }

  // MARK: - Sleeping and waking

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
