internal import Bytes
internal import Glibc
package import System

/// A file that is read as a whole, replaced as a whole.
package enum WholeFile {
  /// What stands in the file at `path`; nil where there is none.
  ///
  /// - Parameter limit: bytes; of a longer file `limit` and a few more are given.
  /// - Throws: also where it is no regular file.
  package static func content(_ path: String, limit: Int) throws(SystemError) -> [UInt8]? {
    var content = ByteBuffer(capacity: 4096)
    do throws(SystemError) {
      let file = try FileDescriptor(opening: path, [.readOnly, .nonBlocking])
      guard try file.status().isRegular else { throw SystemError(code: EINVAL, call: "open", subject: path) }
      _ = try file.readWhole(limit: limit, into: &content)
    } catch {
      guard error.isMissing else { throw error }
      return nil
    }
    return Array(copying: content.readable)
  }

  /// Puts `text` in the place of the file at `path`: written beside it, made durable, then renamed, so that there
  /// is always a whole one. A link is followed: who keeps his configuration elsewhere keeps it there.
  ///
  /// - Parameters:
  ///   - permissions: of the new file; its owner's alone unless said.
  ///   - keeping: what is added to the name for what stood there before; nil where that may go.
  package static func replace(
    _ path: String, with text: [UInt8], permissions: UInt32 = 0o600, keeping backup: String? = nil
  ) throws(SystemError) {
    let target = realPath(path) ?? path
    guard let slash = target.utf8.lastIndex(of: UInt8(ascii: "/")) else {
      throw SystemError(code: EINVAL, call: "open", subject: path)
    }
    let parent = slash == target.startIndex ? "/" : String(target[..<slash])
    let name = String(target[target.index(after: slash)...])
    // Through the dot, because the folder itself may be a link.
    let folder = try Folder(parent + "/.")
    let draft = ".\(name).\(processID()).new"
    _ = try folder.remove(draft)
    do throws(SystemError) {
      let file = try folder.open(draft, [.writeOnly, .createNew], permissions: permissions)
      try file.setPermissions(permissions, target)
      try file.writeAll(text.span)
      try file.sync()
      try file.close()
      if let backup {
        _ = try folder.remove(name + backup)
        _ = try folder.link(name, to: name + backup)
      }
      try folder.rename(draft, to: name)
    } catch {
      _ = try? folder.remove(draft)
      throw error
    }
    try folder.sync()
  }
}
