internal import Bytes
internal import CLinux
internal import Glibc

extension Folder {
  /// Calls `body` with the bytes of each name inside, without `.` and `..`, in no order. A name that comes or goes
  /// meanwhile may be missing.
  package func forEachName(_ body: (borrowing Span<UInt8>) -> Void) throws(SystemError) {
    let raw = descriptor.raw
    // The stream owns its descriptor, and reading it moves an offset: give it one of its own.
    let own = try systemCall("open", path) { unsafe clinux_openat(raw, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
    guard let stream = unsafe fdopendir(own) else {
      let code = errno
      close(own)
      throw SystemError(code: code, call: "fdopendir", subject: path)
    }
    defer { unsafe closedir(stream) }
    while true {
      errno = 0
      guard let entry = unsafe readdir(stream) else {
        guard errno == 0 else { throw SystemError(code: errno, call: "readdir", subject: path) }
        return
      }
      // The record ends where its name does, so only the name's own bytes are looked at.
      unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        let start = unsafe UnsafeRawPointer(field).assumingMemoryBound(to: UInt8.self)
        let count = unsafe strlen(UnsafeRawPointer(field).assumingMemoryBound(to: CChar.self))
        let name = unsafe Span(_unsafeStart: start, count: count)
        let isDots = (count == 1 || (count == 2 && name[1] == UInt8(ascii: "."))) && name[0] == UInt8(ascii: ".")
        if !isDots { body(name) }
      }
    }
  }

  /// The names inside, without `.` and `..`, in no order. Names that are not UTF-8 are repaired, and so will not be
  /// found again under the name given: `forEachName` gives the bytes.
  package func names() throws(SystemError) -> [String] {
    var names: [String] = []
    try forEachName { names.append(String(repairing: $0)) }
    return names
  }

  /// Renames `name` to `newName` in `target`; false, and nothing is changed, where that exists already.
  package func renameWithoutReplacing(
    _ name: String, to newName: String, in target: borrowing Folder
  ) throws(SystemError) -> Bool {
    try unsafe renameWithoutReplacing(terminated: name, to: newName, in: target)
  }

  /// The same for a name given as bytes, which need not be UTF-8.
  package func renameWithoutReplacing(
    _ name: borrowing Span<UInt8>, to newName: String, in target: borrowing Folder
  ) throws(SystemError) -> Bool {
    var terminated: [CChar] = []
    terminated.reserveCapacity(name.count + 1)
    for index in 0..<name.count { terminated.append(CChar(bitPattern: name[index])) }
    terminated.append(0)
    return try unsafe renameWithoutReplacing(terminated: terminated, to: newName, in: target)
  }

  private func renameWithoutReplacing(
    terminated name: UnsafePointer<CChar>, to newName: String, in target: borrowing Folder
  ) throws(SystemError) -> Bool {
    let from = descriptor.raw
    let into = target.descriptor.raw
    do {
      _ = try systemCall("rename", target.path + "/" + newName) {
        unsafe clinux_rename_noreplace(from, name, into, newName)
      }
      return true
    } catch {
      if error.code == EEXIST { return false }
      guard error.code == EINVAL || error.code == ENOSYS else { throw error }
    }
    // A file system without the flag (NFS): a second name, then the first away. Killed between the two, both stand.
    do {
      _ = try systemCall("link", target.path + "/" + newName) { unsafe linkat(from, name, into, newName, 0) }
    } catch {
      if error.code == EEXIST { return false }
      throw error
    }
    _ = try systemCall("unlink", path) { unsafe unlinkat(from, name, 0) }
    return true
  }
}
