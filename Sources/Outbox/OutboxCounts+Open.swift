internal import Bytes
internal import Glibc
internal import System

extension OutboxCounts {
  /// What stands under the page's name.
  private enum Found: ~Copyable {
    case good(OutboxCounts)
    /// Not a page: too short, foreign, absurd, or not even a file.
    case damaged
    case missing
  }

  /// Opens the page of the open folder `outbox`; makes it where there is none, and anew where it is damaged.
  ///
  /// Protocol: a good page is used without a lock and never replaced. Whoever finds none takes the lock on
  /// `counts.lock`, looks again (another may have been quicker), surveys the folders, makes the page aside, complete,
  /// removes the damaged one, and gives the new one its name with link(2), which never replaces. So nobody sees
  /// half a page, and of two who repair at once the second uses the first one's. The kernel gives the lock back when
  /// its holder dies; what a killed holder left aside is removed by the next.
  static func open(in outbox: borrowing Folder, _ access: OutboxAccess) throws(OutboxError) -> OutboxCounts {
    switch try find(in: outbox) {
    case .good(let counts): return counts
    case .damaged: break
    case .missing: break
    }
    let lock: FileDescriptor
    do { lock = try takeLock(in: outbox, access) } catch { throw OutboxError(error) }
    return try openLocked(in: outbox, access, lock)
  }

  private static func takeLock(in outbox: borrowing Folder, _ access: OutboxAccess) throws(SystemError)
    -> FileDescriptor
  {
    let lock = try outbox.open(
      OutboxLayout.countsLock, [.readWrite, .create, .nonBlocking], permissions: access.filePermissions)
    // Whoever made it has set the permissions; for another user this fails and need not succeed.
    if access.isShared { try? lock.setPermissions(access.filePermissions) }
    try lock.waitForExclusiveLock()
    return lock
  }

  /// - Parameter lock: held; borrowed so that it outlives the work.
  private static func openLocked(
    in outbox: borrowing Folder, _ access: OutboxAccess, _ lock: borrowing FileDescriptor
  ) throws(OutboxError) -> OutboxCounts {
    switch try find(in: outbox) {
    case .good(let counts): return counts
    case .damaged:
      do { try clear(in: outbox) } catch { throw OutboxError(error) }
    case .missing: break
    }
    do {
      try make(in: outbox, access)
    } catch {
      _ = try? outbox.remove(OutboxLayout.countsAside)
      throw OutboxError(error)
    }
    switch try find(in: outbox) {
    case .good(let counts): return counts
    case .damaged: break
    case .missing: break
    }
    // Someone destroys it as fast as we make it, past the lock.
    throw .damagedCounts(outbox.path + "/" + OutboxLayout.counts)
  }

  private static func find(in outbox: borrowing Folder) throws(OutboxError) -> Found {
    let path = outbox.path + "/" + OutboxLayout.counts
    let file: FileDescriptor
    do {
      file = try outbox.open(OutboxLayout.counts, [.readWrite, .nonBlocking])
    } catch {
      switch error.code {
      case ENOENT: return .missing
      // A link, a folder, a socket or pipe: none of ours.
      case ELOOP, EISDIR, ENXIO, ENODEV: return .damaged
      default: throw OutboxError(error)
      }
    }
    let status: FileStatus
    let mapping: SharedMapping
    do {
      status = try file.status(path)
      // Magic and version stand first in every version, whatever the size.
      guard status.isRegular, status.size >= nextNumberOffset else { return .damaged }
      mapping = try SharedMapping(file, byteCount: min(status.size, byteCount) & ~7, writable: true, path)
    } catch {
      throw OutboxError(error)
    }
    guard mapping.loadRelaxed(magicOffset) == magic else { return .damaged }
    let found = mapping.loadRelaxed(versionOffset)
    guard found <= version else { throw .newerVersion(found, path: path) }
    guard found == version, status.size == byteCount else { return .damaged }
    let next = mapping.loadRelaxed(nextNumberOffset)
    guard next >= 1, next <= OutboxLayout.maximumNumber else { return .damaged }
    return .good(OutboxCounts(file: file, mapping: mapping, path: path))
  }

  /// Takes a damaged page away. What is not a file is kept under another name: it may hold someone's data.
  private static func clear(in outbox: borrowing Folder) throws(SystemError) {
    do {
      _ = try outbox.remove(OutboxLayout.counts)
    } catch {
      guard error.code == EISDIR || error.code == EPERM else { throw error }
      let aside = "\(OutboxLayout.counts).damaged-\(try systemRandom())"
      try outbox.rename(OutboxLayout.counts, to: aside)
    }
  }

  private static func make(in outbox: borrowing Folder, _ access: OutboxAccess) throws(SystemError) {
    let survey = try OutboxSurvey(of: outbox)
    _ = try outbox.remove(OutboxLayout.countsAside)
    let file = try outbox.open(
      OutboxLayout.countsAside, [.readWrite, .createNew], permissions: access.filePermissions)
    if access.isShared { try file.setPermissions(access.filePermissions) }
    try file.allocate(byteCount, outbox.path)
    let mapping = try SharedMapping(file, byteCount: byteCount, writable: true, outbox.path)
    mapping.storeRelaxed(survey.numberAfter, nextNumberOffset)
    mapping.storeRelaxed(survey.counted.word, heldOffset)
    mapping.storeRelaxed(version, versionOffset)
    // link(2) orders these stores before the name for every process that opens it.
    mapping.storeReleasing(magic, magicOffset)
    _ = try outbox.link(OutboxLayout.countsAside, to: OutboxLayout.counts)
    _ = try outbox.remove(OutboxLayout.countsAside)
  }
}
