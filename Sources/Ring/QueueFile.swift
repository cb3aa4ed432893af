internal import Bytes
internal import Glibc
internal import Synchronization
internal import System

/// An open, mapped and checked queue file: what writer and reader have in common.
struct QueueFile: ~Copyable {
  let mapping: SharedMapping
  private let place: FilePlace
  /// For messages.
  var path: String { place.path }
  let head: QueueHead
  /// The ring's length in bytes: a power of two.
  let capacity: UInt64
  let mask: UInt64
  /// The largest record, in bytes.
  let largestRecord: Int
  /// Whether a record's checksum covers where it stands: since version 2.
  let checksumCoversPosition: Bool

  /// Opens `name` in `folder` and checks everything that does not change while it is open.
  init(_ name: String, in folder: borrowing Folder, writable: Bool) throws(QueueError) {
    let place = FilePlace(name, in: folder.place)
    let file: FileDescriptor
    do throws(SystemError) {
      // Non-blocking, in case somebody put a pipe in its place.
      file = try folder.open(name, writable ? [.readWrite, .nonBlocking] : [.readOnly, .nonBlocking])
    } catch {
      throw Self.refusal(error, place)
    }
    let head = try Self.head(of: file, place)
    let mapping: SharedMapping
    do throws(SystemError) {
      // A copy restored with holes in it: a store into one on a full disk would be SIGBUS.
      if writable { try file.allocate(head.fileBytes, place.path) }
      mapping = try SharedMapping(file, byteCount: head.fileBytes, writable: writable, place.path)
    } catch {
      throw Self.refusal(error, place)
    }
    self.init(mapping, place, head)
  }

  /// The checked head of a file that is long enough for it.
  private static func head(of file: borrowing FileDescriptor, _ place: FilePlace) throws(QueueError) -> QueueHead {
    var start = ByteBuffer(capacity: QueueHead.byteCount)
    let size: Int
    do throws(SystemError) {
      let status = try file.status(place.path)
      size = status.size
      if status.isRegular { _ = try file.read(into: &start, atLeast: QueueHead.byteCount) }
    } catch {
      throw refusal(error, place)
    }
    guard start.count >= 8, equal(start.readable.extracting(0..<8), "OCBQUEUE") else {
      throw .foreign(path: place.path)
    }
    let head = try QueueHead(start.readable, path: place.path)
    guard size >= head.fileBytes else { throw .damaged(path: place.path, what: "cut short") }
    return head
  }

  /// A file whose whole length is mapped.
  init(_ mapping: consuming SharedMapping, _ place: FilePlace, _ head: QueueHead) {
    self.mapping = mapping
    self.place = place
    self.head = head
    capacity = head.capacity
    mask = head.capacity - 1
    largestRecord = RecordLayout.largest(capacity: head.capacity)
    checksumCoversPosition = head.version >= 2
  }

  private static func refusal(_ error: SystemError, _ place: FilePlace) -> QueueError {
    switch error.code {
    case ENOENT: .missing(path: place.path)
    // What cannot be opened or mapped that way (a folder, a link, a pipe, a device) was not made by us.
    case ENODEV, EISDIR, ELOOP, ENXIO: .foreign(path: place.path)
    default: .system(error)
    }
  }

  #if STEPS
    /// The same file in the same memory, for a second thread of a test, which must not outlive the first.
    init(aliasing other: borrowing QueueFile) {
      self.init(SharedMapping(aliasing: other.mapping), other.place, other.head)
    }
  #endif

  // MARK: - The words that move

  /// The bounds that the writer has published. Read in an order that keeps the invariant whatever the writer does
  /// meanwhile: `oldest` first, so that it can only be too low.
  ///
  /// - Throws: `damaged` where they contradict each other.
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
      // Acquire: pairs as the first load does.
      let moved = mapping.loadAcquiring(QueueLayout.oldestOffset)
      guard moved > oldest else { throw .damaged(path: path, what: "positions \(oldest) and \(published)") }
      oldest = moved
    }
  }

  /// Where the newest record ends.
  ///
  /// - Throws: `damaged` where no record can end there.
  @inline(__always)
  func published() throws(QueueError) -> UInt64 {
    // Acquire: pairs with the release of `published` in `RingWriter.append`; the record before it is whole.
    let published = mapping.loadAcquiring(QueueLayout.publishedOffset)
    guard published & 7 == 0, published < QueueLayout.positionLimit else {
      throw .damaged(path: path, what: "an end of \(published)")
    }
    return published
  }

  /// From where on the bytes that were loaded before this call can be trusted; `position`, from where they were loaded,
  /// or the oldest record where the writer has come nearer than that meanwhile.
  ///
  /// - Throws: `damaged` where `intent` leaves no room for a record that was not given up.
  @inline(__always)
  func firstTrusted(from position: UInt64) throws(QueueError) -> UInt64 {
    // Pairs with the release fence in `RingWriter.append`: if one of those loads saw a word that was stored after it,
    // the load of `intent` below sees at least the intent that was stored before it.
    atomicMemoryFence(ordering: .acquiring)
    // Acquire: pairs with the release of `intent`: who sees an intent, sees the `oldest` that made room for it.
    let intent = mapping.loadAcquiring(QueueLayout.intentOffset)
    if intent <= position &+ capacity { return position }
    // The writer gave up everything before `oldest` before it said how far it would write: intent <= oldest + capacity.
    // Acquire: pairs with the release of `oldest` in `RingWriter.makeRoom`. Whoever goes on there must not see an end
    // from before.
    let oldest = mapping.loadAcquiring(QueueLayout.oldestOffset)
    guard oldest > position, oldest & 7 == 0, intent <= oldest &+ capacity else {
      throw .damaged(path: path, what: "an intent of \(intent) that leaves no room for the record at \(position)")
    }
    return oldest
  }

  /// The sequence number that the next record gets, as the header has it: at most the truth, or nil.
  var sequenceHint: UInt64? {
    // Acquire: pairs with the release in `storeSequenceHint`: who sees a hint, sees what was published before it.
    let hint = mapping.loadAcquiring(QueueLayout.sequenceOffset)
    guard hint < QueueLayout.positionLimit else { return nil }
    // Without its complement it is none: one of the two was stored and the other not yet, or it is damaged.
    return head.version < 2 || mapping.loadRelaxed(QueueLayout.sequenceCheckOffset) == ~hint ? hint : nil
  }

  @inline(__always)
  func storeSequenceHint(_ next: UInt64) {
    // Release: pairs with the acquire in `sequenceHint`.
    mapping.storeReleasing(next, QueueLayout.sequenceOffset)
    if head.version >= 2 { mapping.storeRelaxed(~next, QueueLayout.sequenceCheckOffset) }
  }

  var flags: UInt64 {
    // Acquire: pairs with the release in `setFlags`.
    mapping.loadAcquiring(QueueLayout.flagsOffset)
  }

  /// Only for the writer, or who holds its lock. Release: pairs with the acquire in `flags`: who sees that a file is
  /// superseded, finds the other one under its name.
  func setFlags(_ flags: UInt64) { mapping.storeReleasing(flags, QueueLayout.flagsOffset) }

  /// Wakes everyone who sleeps on this file.
  func wakeAll() {
    // Adding releases; pairs with the acquire in `RingReader.wakeWord`.
    _ = mapping.add(1, QueueLayout.wakeOffset)
    mapping.futexWakeAll(QueueLayout.wakeOffset)
  }
}
