internal import Bytes
internal import Glibc
package import System

/// The folder where the queue, the cursors and the outbox of one machine live, opened and found safe.
///
///     <state folder>/        0700, or 2770 with `share_group`
///       queue.ring           the queue file
///       queue.lock           locked by the running clawd
///       cursors/             one file for each consumer
///       outbox/              what clawsend hands over
///
/// The outbox and the names inside it are `Outbox`'s (`OutboxLayout`); the other names are known here alone.
package struct StateFolder: ~Copyable {
  package static let queueFile = "queue.ring"
  package static let lockFile = "queue.lock"
  package static let cursorsFolder = "cursors"

  /// The name the state folder has inside a user's state home.
  private static let ownName = "openclaw-bus"

  package let folder: Folder
  /// Whether the members of the folder's group take part (`share_group`).
  package let sharesGroup: Bool

  package var path: String { folder.path }

  /// For the folder and those inside it: theirs alone, or the group's with the group handed down.
  package static func folderPermissions(shareGroup: Bool) -> UInt32 { shareGroup ? 0o2770 : 0o700 }
  /// For every file inside.
  package static func filePermissions(shareGroup: Bool) -> UInt32 { shareGroup ? 0o660 : 0o600 }
  /// What a program gives to `setCreationMask` before it makes the first file here: the usual mask of 022 would take the
  /// group's right to write away again.
  package static func creationMask(shareGroup: Bool) -> UInt32 { shareGroup ? 0o007 : 0o077 }

  package var filePermissions: UInt32 { Self.filePermissions(shareGroup: sharesGroup) }
  package var folderPermissions: UInt32 { Self.folderPermissions(shareGroup: sharesGroup) }

  /// Where the state folder is: the flag, else `$OPENCLAW_BUS_STATE_DIR`, else `$XDG_STATE_HOME/openclaw-bus` where that
  /// is absolute (the XDG base directory specification has others ignored), else `~/.local/state/openclaw-bus`.
  package static func locate(flag: String?, environment: Environment) throws(StateFolderError) -> String {
    if let flag {
      guard !flag.isEmpty else { throw .notLocated("--state-dir names no folder") }
      return flag
    }
    if let own = environment.text("OPENCLAW_BUS_STATE_DIR") { return own }
    if let home = environment.text("XDG_STATE_HOME"), home.hasPrefix("/") { return home + "/" + ownName }
    // The user database is not asked: a static executable cannot load the modules that it needs.
    guard let home = environment.text("HOME"), home.hasPrefix("/") else {
      throw .notLocated("neither HOME nor OPENCLAW_BUS_STATE_DIR is set")
    }
    return home + "/.local/state/" + ownName
  }

  /// Opens the folder at `path`, never through a symbolic link in its last component, and checks whose it is.
  ///
  /// - Parameters:
  ///   - create: make it, and the folders above it (0700), where they are missing.
  ///   - shareGroup: another user's folder is welcome where its group has every right, and so is a group that may write.
  package init(path: String, create: Bool, shareGroup: Bool) throws(StateFolderError) {
    // A final slash would have the system follow a link.
    var path = path
    while path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") { path.removeLast() }
    let made = create ? try Self.make(path) : false
    folder = try Self.open(path, justMade: made, shareGroup: shareGroup)
    sharesGroup = shareGroup
  }

  /// - Parameter justMade: by us: gets its permissions first.
  private static func open(_ path: String, justMade: Bool, shareGroup: Bool) throws(StateFolderError) -> Folder {
    let folder: Folder
    do {
      folder = try Folder(path)
    } catch {
      throw StateFolderError(opening: path, error)
    }
    let status: FileStatus
    do {
      if justMade {
        // mkdir(2) obeys the creation mask and does not set the set-group bit.
        try folder.descriptor.setPermissions(folderPermissions(shareGroup: shareGroup), path)
      }
      status = try folder.descriptor.status(path)
    } catch {
      throw .failed(error)
    }
    try check(status, path: path, shareGroup: shareGroup)
    return folder
  }

  /// Makes the folder at `path` and what is missing above it; false where it exists.
  private static func make(_ path: String) throws(StateFolderError) -> Bool {
    let bytes = Array(path.utf8)
    do {
      for index in bytes.indices.dropFirst() where bytes[index] == UInt8(ascii: "/") {
        _ = try Folder.make(String(repairing: bytes.span.extracting(..<index)), permissions: 0o700)
      }
      return try Folder.make(path, permissions: 0o700)
    } catch {
      // Nothing can be made where it should be: not the same as a folder that was never made.
      throw error.code == ENOENT ? .failed(error) : StateFolderError(opening: path, error)
    }
  }

  private static func check(_ status: FileStatus, path: String, shareGroup: Bool) throws(StateFolderError) {
    if shareGroup {
      guard status.owner == effectiveUser() || status.mode & 0o070 == 0o070 else { throw .foreign(path: path) }
    } else {
      guard status.owner == effectiveUser() else { throw .foreign(path: path) }
    }
    let writers: UInt32 = shareGroup ? 0o002 : 0o022
    guard status.mode & writers == 0 else {
      throw .writableByOthers(path: path, mend: folderPermissions(shareGroup: shareGroup))
    }
  }

  /// Takes the lock that makes this process the one clawd of the folder, for as long as the descriptor is open; nil
  /// where another has it. The lock dies with the process, however it ends.
  ///
  /// - Parameter patience: how long to wait for one that is ending, in nanoseconds; a killed process holds its lock
  ///   until the kernel has taken it apart.
  package func lockForDaemon(patience: UInt64) throws(StateFolderError) -> FileDescriptor? {
    do {
      let lock = try folder.open(Self.lockFile, [.readWrite, .create], permissions: filePermissions)
      let deadline = SystemClock.monotonic() + patience
      while try !lock.lockExclusively() {
        guard SystemClock.monotonic() < deadline else { return nil }
        SystemClock.sleep(nanoseconds: .milliseconds(20))
      }
      return lock
    } catch {
      throw error.isRefusal ? .denied(error) : .failed(error)
    }
  }

  /// Whether a clawd works on this folder.
  package enum DaemonPresence: Equatable, Sendable {
    case running
    /// One ran here once; messages handed over now wait for the next.
    case stopped
    /// There is no lock file: none has ever run here.
    case neverRan
  }

  /// Asks for the daemon's lock without taking it, so that asking never keeps a daemon from starting.
  package func daemonPresence() throws(StateFolderError) -> DaemonPresence {
    do {
      let lock = try folder.open(Self.lockFile, [.readOnly, .nonBlocking])
      return try lock.isLockedByAnother() ? .running : .stopped
    } catch {
      if error.code == ENOENT { return .neverRan }
      if error.code == EACCES { throw .denied(error) }
      throw .failed(error)
    }
  }
}
