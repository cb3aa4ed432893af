internal import Bytes
internal import Glibc
internal import Synchronization
internal import System

/// An open, mapped and checked queue file: what writer and reader have in common.
struct QueueFile: ~Copyable {
  let mapping: SharedMapping
  let path: String
  /// The ring's length in bytes: a power of two.
  let capacity: UInt64
  var mask: UInt64 { capacity - 1 }

  /// Opens `name` in `folder` and checks everything that does not change while it is open.
  init(_ name: String, in folder: borrowing Folder, writable: Bool) throws(QueueError) {
    let path = folder.path + "/" + name
    let mapping = try Self.map(name, in: folder, path: path, writable: writable)
    let version = mapping.loadRelaxed(QueueLayout.versionOffset)
    guard version <= QueueLayout.version else { throw .newerVersion(path: path, version: version) }
    guard version == QueueLayout.version else { throw .damaged(path: path, what: "unknown format \(version)") }
    guard mapping.loadRelaxed(QueueLayout.checksumOffset) == Self.checksum(mapping) else {
      throw .damaged(path: path, what: "the header's checksum does not match")
    }
    let capacity = mapping.loadRelaxed(QueueLayout.capacityOffset)
    guard capacity.nonzeroBitCount == 1, capacity >= UInt64(Limits.queueBytesRange.lowerBound),
      capacity <= UInt64(Limits.queueBytesRange.upperBound)
    else { throw .damaged(path: path, what: "a capacity of \(capacity) bytes") }
    guard mapping.byteCount >= QueueLayout.headerBytes + Int(capacity) else {
      throw .damaged(path: path, what: "cut short")
    }
    self.path = path
    self.capacity = capacity
    self.mapping = mapping
  }

  private static func map(
    _ name: String, in folder: borrowing Folder, path: String, writable: Bool
  ) throws(QueueError) -> SharedMapping {
    do throws(SystemError) {
      // Non-blocking, in case somebody put a pipe in its place.
      let file = try folder.open(name, writable ? [.readWrite, .nonBlocking] : [.readOnly, .nonBlocking])
      let status = try file.status(path)
      guard status.isRegular, try beginsLikeOurs(file) else { throw SystemError(code: ENODEV, call: "read") }
      guard status.size >= QueueLayout.headerBytes else { throw SystemError(code: ENODATA, call: "fstat") }
      // A copy restored with holes in it: a store into one on a full disk would be SIGBUS.
      if writable { try file.allocate(status.size, path) }
      return try SharedMapping(file, byteCount: status.size, writable: writable, path)
    } catch {
      switch error.code {
      case ENOENT: throw .missing(path: path)
      case ENODATA: throw .damaged(path: path, what: "cut short")
      // What cannot be opened or mapped that way (a folder, a link, a pipe, a device) was not made by us.
      case ENODEV, EISDIR, ELOOP, ENXIO: throw .foreign(path: path)
      default: throw .system(error)
      }
    }
  }

  private static func beginsLikeOurs(_ file: borrowing FileDescriptor) throws(SystemError) -> Bool {
    var start = ByteBuffer(capacity: 8)
    _ = try file.read(into: &start, atLeast: 8)
    return start.count >= 8 && equal(start.readable.extracting(0..<8), "OCBQUEUE")
  }

  /// The checksum of the words that are written once.
  static func checksum(_ mapping: borrowing SharedMapping) -> UInt64 {
    var checksum = CRC32C()
    for offset in stride(from: 0, to: QueueLayout.checksumOffset, by: 8) {
      checksum.update(mapping.loadRelaxed(offset))
    }
    return UInt64(checksum.value)
  }

  /// The bounds that the writer has published, or nil where they contradict each other. Read in an order that keeps
  /// the invariant whatever the writer does meanwhile: `oldest` first, so that it can only be too low.
  func bounds() throws(QueueError) -> (oldest: UInt64, published: UInt64) {
    // Acquire: pairs with the release of `oldest` in `RingWriter.makeRoom`.
    var oldest = mapping.loadAcquiring(QueueLayout.oldestOffset)
    while true {
      // Acquire: pairs with the release of `published` in `RingWriter.append`; the record before it is whole.
      let published = mapping.loadAcquiring(QueueLayout.publishedOffset)
      guard oldest & 7 == 0, published & 7 == 0, published < QueueLayout.positionLimit, oldest <= published else {
        throw .damaged(path: path, what: "positions \(oldest) and \(published)")
      }
      if published - oldest <= capacity { return (oldest, published) }
      // Either the writer went round between the two loads, and then `oldest` moved before `published` did; or no
      // writer ever wrote these.
      let moved = mapping.loadAcquiring(QueueLayout.oldestOffset)
      guard moved > oldest else { throw .damaged(path: path, what: "positions \(oldest) and \(published)") }
      oldest = moved
    }
  }

  /// Whether the bytes from `position` on were still whole when the loads before this call were made. Where they were
  /// not, `oldest` has moved beyond them; fails where it has not, so that nobody looks again for ever.
  @inline(__always)
  func isStillWhole(from position: UInt64) throws(QueueError) -> Bool {
    // Pairs with the release fence in `RingWriter.append`: if one of those loads saw a word that was stored after it,
    // the load of `intent` below sees at least the intent that was stored before it.
    atomicMemoryFence(ordering: .acquiring)
    // Acquire: pairs with the release of `intent`: who sees an intent, sees the `oldest` that made room for it.
    let intent = mapping.loadAcquiring(QueueLayout.intentOffset)
    if intent <= position &+ capacity { return true }
    guard mapping.loadRelaxed(QueueLayout.oldestOffset) > position else {
      throw .damaged(path: path, what: "an intent that leaves no room for the record at \(position)")
    }
    return false
  }

  /// The eight header words of the record at `position`, which may be torn.
  @inline(__always)
  func headerWords(at position: UInt64) -> InlineArray<8, UInt64> {
    var words: InlineArray<8, UInt64> = .init(repeating: 0)
    for index in 0..<8 {
      words[index] = mapping.loadRelaxed(QueueLayout.place(position &+ UInt64(truncatingIfNeeded: index &* 8), mask))
    }
    return words
  }

  /// Stores the record of `header`, whose length is that of `payload`, with its checksum and trailer.
  @inline(__always)
  func store(_ header: RecordHeader, _ payload: borrowing Span<UInt8>, at position: UInt64) {
    let words = header.words
    store(words[0] | UInt64(header.checksum(payload)) << 32, at: position)
    for index in 1..<RecordLayout.headerWords { store(words[index], at: position &+ UInt64(index &* 8)) }
    store(payload, at: position &+ UInt64(RecordLayout.headerBytes))
    let recordBytes = UInt64(RecordLayout.recordBytes(payload: header.length))
    store(recordBytes, at: position &+ recordBytes &- UInt64(RecordLayout.trailerBytes))
  }

  @inline(__always)
  private func store(_ word: UInt64, at position: UInt64) {
    mapping.storeRelaxed(word, QueueLayout.place(position, mask))
  }

  /// Stores `bytes` at `position`, wrapping at the end of the ring, the last word filled up with zeros.
  @inline(__always)
  func store(_ bytes: borrowing Span<UInt8>, at position: UInt64) {
    let place = QueueLayout.place(position, mask)
    let run = QueueLayout.headerBytes + Int(truncatingIfNeeded: capacity) - place
    if bytes.count <= run {
      mapping.storeRelaxed(bytes, place)
    } else {
      mapping.storeRelaxed(bytes.extracting(0..<run), place)
      mapping.storeRelaxed(bytes.extracting(run..<bytes.count), QueueLayout.headerBytes)
    }
  }

  /// Copies the bytes from `position` on into `target`, whose length is a multiple of 8 and at most the capacity.
  func load(into target: UnsafeMutableRawBufferPointer, from position: UInt64) {
    let place = QueueLayout.place(position, mask)
    let run = QueueLayout.headerBytes + Int(truncatingIfNeeded: capacity) - place
    if target.count <= run {
      unsafe mapping.loadRelaxed(into: target, place)
    } else {
      unsafe mapping.loadRelaxed(into: .init(rebasing: target[..<run]), place)
      unsafe mapping.loadRelaxed(into: .init(rebasing: target[run...]), QueueLayout.headerBytes)
    }
  }
}
