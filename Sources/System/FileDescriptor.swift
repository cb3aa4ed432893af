package import Bytes
internal import CLinux
internal import Glibc

/// What fstat(2) says of an open file, as far as we ask.
package struct FileStatus: Sendable {
  package let size: Int
  package let mode: UInt32
  package let owner: UInt32
  package let device: UInt64
  package let inode: UInt64
  package let links: UInt64
  /// Nanoseconds since the Unix epoch.
  package let modified: UInt64

  /// Tells this file from every other that exists as long as it does.
  package var identity: FileIdentity { FileIdentity(device: device, inode: inode) }
  package var isRegular: Bool { mode & 0o170000 == 0o100000 }
  package var isFolder: Bool { mode & 0o170000 == 0o040000 }

  init(_ raw: stat) {
    size = Int(raw.st_size)
    mode = raw.st_mode
    owner = raw.st_uid
    device = UInt64(raw.st_dev)
    inode = UInt64(raw.st_ino)
    links = UInt64(raw.st_nlink)
    let seconds = UInt64(clamping: raw.st_mtim.tv_sec)
    let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    modified = overflow ? .max : nanoseconds &+ UInt64(clamping: raw.st_mtim.tv_nsec)
  }
}

/// Which file it is, whatever its name: no other has the same while it is open or mapped somewhere.
package struct FileIdentity: Equatable, Sendable {
  package let device: UInt64
  package let inode: UInt64
}

/// The outcome of a read or write that never waits.
package enum Progress: Equatable, Sendable {
  case bytes(Int)
  /// Nothing now; try again when the descriptor is ready.
  case blocked
  /// The other side has closed (reads only).
  case end
}

/// An open file descriptor: closed once, when its owner goes.
package struct FileDescriptor: ~Copyable {
  package let raw: Int32

  /// Takes ownership of an open descriptor.
  package init(owning raw: Int32) { self.raw = raw }

  /// Opens the file at `path`, following symbolic links: for files that a person places, not for our own (`Folder.open`).
  package init(opening path: String, _ mode: OpenMode) throws(SystemError) {
    raw = try systemCall("open", path) {
      unsafe path.withCString { unsafe clinux_openat(AT_FDCWD, $0, mode.rawValue | O_CLOEXEC | O_NOCTTY, 0) }
    }
  }

  /// A second descriptor of the open file behind `raw`, which stays open.
  package init(duplicating raw: Int32) throws(SystemError) {
    // Not one of the three standard numbers, should one of them be free.
    self.raw = try systemCall("fcntl(F_DUPFD_CLOEXEC)") { fcntl(raw, F_DUPFD_CLOEXEC, 3) }
  }

  deinit { Glibc.close(raw) }

  /// Closes it now. Some file systems (NFS, quotas) say only here that what was written found no place.
  package consuming func close() throws(SystemError) {
    let raw = self.raw
    discard self
    // Not repeated after EINTR: on Linux the descriptor is gone even then.
    if Glibc.close(raw) < 0, errno != EINTR { throw SystemError(code: errno, call: "close") }
  }

  package func status(_ subject: @autoclosure () -> String = "") throws(SystemError) -> FileStatus {
    var raw = stat()
    let descriptor = self.raw
    _ = try systemCall("fstat", subject()) { unsafe fstat(descriptor, &raw) }
    return FileStatus(raw)
  }

  /// Reads into the free end of `buffer`: at least room for `count` bytes is offered.
  package func read(into buffer: inout ByteBuffer, atLeast count: Int) throws(SystemError) -> Progress {
    let raw = self.raw
    do {
      let got = try unsafe buffer.fill(reserving: count) { (free) throws(SystemError) -> Int in
        try systemCall("read") { unsafe Glibc.read(raw, free.baseAddress, free.count) }
      }
      return got == 0 ? .end : .bytes(got)
    } catch {
      if error.code == EAGAIN { return .blocked }
      throw error
    }
  }

  /// Writes what the file takes at once.
  package func write(_ bytes: borrowing Span<UInt8>) throws(SystemError) -> Progress {
    let raw = self.raw
    do {
      let count = try unsafe bytes.withUnsafeBufferPointer { (source) throws(SystemError) -> Int in
        try systemCall("write") { unsafe Glibc.write(raw, source.baseAddress, source.count) }
      }
      return .bytes(count)
    } catch {
      if error.code == EAGAIN { return .blocked }
      throw error
    }
  }

  /// Whether a write of a little would not wait (poll(2)); also where it would fail at once.
  package func isWritable() -> Bool {
    var request = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
    return unsafe poll(&request, 1, 0) != 0
  }

  /// Writes all of `bytes`, waiting (with poll(2)) where the descriptor does not block.
  package func writeAll(_ bytes: borrowing Span<UInt8>) throws(SystemError) {
    var written = 0
    while written < bytes.count {
      switch try write(bytes.extracting(written..<bytes.count)) {
      case .bytes(let count): written += count
      case .blocked:
        var request = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
        _ = try systemCall("poll") { unsafe poll(&request, 1, -1) }
      case .end: throw SystemError(code: EPIPE, call: "write")
      }
    }
  }

  /// Reads a whole regular file of at most `limit` bytes; false where it is larger. The buffer is best made a little larger
  /// than the file is thought to be.
  package func readWhole(
    limit: Int, into buffer: inout ByteBuffer, _ subject: @autoclosure () -> String = ""
  ) throws(SystemError) -> Bool {
    let start = buffer.count
    while true {
      guard buffer.count - start <= limit else { return false }
      switch try read(into: &buffer, atLeast: 1) {
      case .bytes: continue
      case .end: return true
      case .blocked: throw SystemError(code: EAGAIN, call: "read", subject: subject())
      }
    }
  }

  /// Sets the permission bits (with set-user, set-group and sticky), whatever the creation mask.
  package func setPermissions(_ permissions: UInt32, _ subject: @autoclosure () -> String = "") throws(SystemError) {
    let raw = self.raw
    _ = try systemCall("fchmod", subject()) { fchmod(raw, permissions) }
  }

  package func sync() throws(SystemError) {
    let raw = self.raw
    _ = try systemCall("fsync") { fsync(raw) }
  }

  /// Gives the file real blocks for its first `count` bytes, so that a store into a mapping of it never meets a full
  /// disk (which would be SIGBUS).
  package func allocate(_ count: Int, _ subject: @autoclosure () -> String = "") throws(SystemError) {
    // posix_fallocate answers the error number itself and may be interrupted.
    while true {
      let code = posix_fallocate(raw, 0, count)
      if code == 0 { return }
      if code != EINTR { throw SystemError(code: code, call: "posix_fallocate", subject: subject()) }
    }
  }

  /// Takes the exclusive lock of this open file (F_OFD_SETLK); false where another holds it.
  package func lockExclusively() throws(SystemError) -> Bool {
    let raw = self.raw
    do {
      _ = try systemCall("fcntl(F_OFD_SETLK)") { clinux_lock_exclusive(raw) }
      return true
    } catch {
      if error.code == EAGAIN || error.code == EACCES { return false }
      throw error
    }
  }

  /// Takes the exclusive lock, waiting for it: for short critical sections between processes.
  package func waitForExclusiveLock() throws(SystemError) {
    let raw = self.raw
    _ = try systemCall("fcntl(F_OFD_SETLKW)") { clinux_lock_exclusive_waiting(raw) }
  }

  /// Whether another open file holds the lock; asks without taking it.
  package func isLockedByAnother() throws(SystemError) -> Bool {
    let raw = self.raw
    return try systemCall("fcntl(F_OFD_GETLK)") { clinux_lock_is_held(raw) } == 1
  }
}
