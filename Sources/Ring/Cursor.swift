internal import Bytes
internal import Glibc
package import System

/// Where one consumer stands in the queue: a mapped file of 128 bytes, shared by every process of that consumer.
///
///      0  magic "OCBCURSR"                                  ┐
///      8  version                                           │ written once, before the file has its name;
///     16  generation of the queue it belongs to             │ covered by the checksum
///     24  start: the sequence number this consumer began at │
///     32  CRC-32C of bytes 0..<32                           ┘
///     64  next    the next sequence number to be read: everything before it was delivered, passed over or reported
///     72  hint    the place of that record in the ring, believed only when it proves right
///     80  lost    how many sequence numbers before `next` were reported lost
///     88  batch   where the last batch began
///
/// `next` moves by compare-and-swap and only to a greater number: the slower of two processes changes nothing. The
/// others are stored after it, so a process that dies between leaves a hint that is not believed, or a count of
/// losses in `clawq status` that lacks the last batch's; what was read and what was not is never in doubt.
package struct Cursor: ~Copyable {
  private let mapping: SharedMapping
  /// The queue that this cursor counts in.
  package let generation: UInt64
  /// The sequence number at which this consumer began.
  package let start: UInt64

  /// The consumer that exists from the queue's birth, and reads where nobody is named.
  package static let defaultName = "default"

  private static let magic = UInt64(littleEndian: 0x5253_5255_4342_434F)  // "OCBCURSR"
  private static let version: UInt64 = 1
  private static let byteCount = 128
  private static let magicOffset = 0
  private static let versionOffset = 8
  private static let generationOffset = 16
  private static let startOffset = 24
  private static let checksumOffset = 32
  private static let nextOffset = 64
  private static let hintOffset = 72
  private static let lostOffset = 80
  private static let batchOffset = 88

  /// Opens the cursor file `name`; nil where there is none.
  package static func open(_ name: String, in folder: borrowing Folder, writable: Bool) throws(CursorError) -> Cursor? {
    let place = FilePlace(name, in: folder.place)
    let mapping: SharedMapping
    do throws(SystemError) {
      let file = try folder.open(name, writable ? [.readWrite, .nonBlocking] : [.readOnly, .nonBlocking])
      let status = try file.status(place.path)
      guard status.isRegular, status.size >= byteCount else { throw SystemError(code: ENODEV, call: "fstat") }
      mapping = try SharedMapping(file, byteCount: byteCount, writable: writable, place.path)
    } catch {
      if error.code == ENOENT { return nil }
      throw [ENODEV, EISDIR, ELOOP, ENXIO].contains(error.code) ? .damaged(path: place.path) : .system(error)
    }
    let version = mapping.loadRelaxed(versionOffset)
    guard mapping.loadRelaxed(magicOffset) == magic, version >= 1 else { throw .damaged(path: place.path) }
    guard version == Self.version else { throw .newerVersion(path: place.path) }
    guard mapping.loadRelaxed(checksumOffset) == checksum(mapping) else { throw .damaged(path: place.path) }
    return Cursor(mapping: mapping)
  }

  private init(mapping: consuming SharedMapping) {
    generation = mapping.loadRelaxed(Self.generationOffset)
    start = mapping.loadRelaxed(Self.startOffset)
    self.mapping = mapping
  }

  /// Makes the cursor file `name`, standing at `start`, and opens it. Where another process was quicker, its file is
  /// opened: there is never more than one, and never a half-made one.
  ///
  /// - Parameter replacing: puts the new file in the place of one that counts in another queue than `generation`.
  package static func make(
    _ name: String, in folder: borrowing Folder, generation: UInt64, start: UInt64, permissions: UInt32,
    replacing: Bool = false
  ) throws(CursorError) -> Cursor {
    do throws(SystemError) {
      // Two processes that replace the same cursor one after the other would set back what the first has read since.
      let lock = try folder.open(".lock", [.readWrite, .create], permissions: permissions)
      try lock.waitForExclusiveLock()
      if replacing, isCurrent(name, in: folder, generation: generation) {
        // The other process has replaced it already.
      } else {
        let aside = ".\(name.prefix(200)).new"
        _ = try folder.remove(aside)
        do throws(SystemError) {
          try write(aside, in: folder, generation: generation, start: start, permissions: permissions)
          if replacing {
            try folder.rename(aside, to: name)
          } else {
            _ = try folder.link(aside, to: name)
            _ = try folder.remove(aside)
          }
        } catch {
          _ = try? folder.remove(aside)
          throw error
        }
      }
    } catch {
      throw .system(error)
    }
    guard let cursor = try open(name, in: folder, writable: true) else {
      throw .system(SystemError(code: ENOENT, call: "open", subject: folder.path + "/" + name))
    }
    return cursor
  }

  private static func isCurrent(_ name: String, in folder: borrowing Folder, generation: UInt64) -> Bool {
    guard let standing = (try? open(name, in: folder, writable: false)) ?? nil else { return false }
    return standing.generation == generation
  }

  private static func write(
    _ name: String, in folder: borrowing Folder, generation: UInt64, start: UInt64, permissions: UInt32
  ) throws(SystemError) {
    let path = folder.path + "/" + name
    let file = try folder.open(name, [.readWrite, .createNew], permissions: permissions)
    try file.allocate(byteCount, path)
    let mapping = try SharedMapping(file, byteCount: byteCount, writable: true, path)
    mapping.storeRelaxed(magic, magicOffset)
    mapping.storeRelaxed(version, versionOffset)
    mapping.storeRelaxed(generation, generationOffset)
    mapping.storeRelaxed(start, startOffset)
    mapping.storeRelaxed(checksum(mapping), checksumOffset)
    mapping.storeRelaxed(start, nextOffset)
    mapping.storeRelaxed(start, batchOffset)
  }

  private static func checksum(_ mapping: borrowing SharedMapping) -> UInt64 {
    var checksum = CRC32C()
    for offset in stride(from: 0, to: checksumOffset, by: 8) { checksum.update(mapping.loadRelaxed(offset)) }
    return UInt64(checksum.value)
  }

  /// The next sequence number to be read. Acquire: pairs with the exchange in `advance`, its own or another process's.
  package var next: UInt64 { mapping.loadAcquiring(Self.nextOffset) }
  /// Where that record probably is in the ring.
  package var hint: UInt64 { mapping.loadRelaxed(Self.hintOffset) }
  /// How many sequence numbers before `next` were reported lost.
  package var lost: UInt64 { mapping.loadRelaxed(Self.lostOffset) }
  /// The first sequence number of the last batch.
  package var batch: UInt64 { mapping.loadRelaxed(Self.batchOffset) }

  /// All of the above at one moment.
  package var mark: CursorMark {
    CursorMark(generation: generation, start: start, next: next, hint: hint, lost: lost, batch: batch)
  }

  /// Moves forward to `target`; does nothing where another process is there or beyond already.
  ///
  /// - Parameters:
  ///   - hint: the place of the record `target` in the ring.
  ///   - isBatch: whether something was given to the consumer, and not all of it passed over: what it got before then
  ///     stays its last batch.
  ///   - lost: answers how many sequence numbers from the one given up to `target` were reported lost.
  /// - Returns: whether it moved.
  package func advance(
    to target: UInt64, hint: UInt64, asBatch isBatch: Bool = true, lostSince lost: (UInt64) -> UInt64
  ) -> Bool {
    var standing = next
    while standing < target {
      // Acquires and releases; pairs with itself in another process, and with the acquire in `next`.
      let result = mapping.compareExchange(standing, with: target, Self.nextOffset)
      guard result.exchanged else {
        standing = result.original
        continue
      }
      mapping.storeRelaxed(hint, Self.hintOffset)
      if isBatch { mapping.storeRelaxed(standing, Self.batchOffset) }
      _ = mapping.add(lost(standing), Self.lostOffset)
      return true
    }
    return false
  }

  /// Goes back from exactly `standing`, a number that its queue has not given yet, to `target`; false where another
  /// process has moved it since. For a file that was tampered with or restored from elsewhere.
  package func setBack(from standing: UInt64, to target: UInt64) -> Bool {
    mapping.compareExchange(standing, with: target, Self.nextOffset).exchanged
  }

  /// Sets every cursor in `folder` that is ahead of `end` back to it. Only for the writer, at its start, before its first
  /// record. Where the machine was started anew, the cursors' pages may have reached the disk when the queue's had not, and
  /// the numbers they passed are about to be given to new messages.
  ///
  /// What is not a cursor is left alone: nobody can read on from it. Where one cannot be opened for another reason, the
  /// others are set back all the same, and then the error is thrown.
  package static func clamp(in folder: borrowing Folder, to end: UInt64) throws(CursorError) {
    let names: [String]
    do { names = try folder.names() } catch { throw .system(error) }
    var failure: CursorError?
    for name in names where !name.hasPrefix(".") {
      do throws(CursorError) {
        guard let cursor = try open(name, in: folder, writable: true), cursor.next > end else { continue }
        cursor.mapping.storeRelaxed(end, nextOffset)
      } catch {
        if case .damaged = error { continue }
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }
}

/// Where a consumer stood at one moment; the members are those of `Cursor`.
package struct CursorMark: Equatable, Sendable {
  package let generation: UInt64
  package let start: UInt64
  package let next: UInt64
  package let hint: UInt64
  package let lost: UInt64
  package let batch: UInt64
}

/// Why a cursor file cannot be used.
package enum CursorError: Error, Equatable, CustomStringConvertible {
  /// Not a cursor file, or its contents contradict themselves.
  case damaged(path: String)
  case newerVersion(path: String)
  case system(SystemError)

  package var description: String {
    switch self {
    case .damaged(let path): "\(path): damaged; remove it, and this consumer begins at the oldest message again"
    case .newerVersion(let path): "\(path): made by a newer version"
    case .system(let error): error.description
    }
  }
}
