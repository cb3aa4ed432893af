internal import CLinux
internal import Glibc

/// An open folder. Names inside it are resolved from here, so that a renamed or replaced path cannot redirect us.
///
/// Names are given to the system by `withCString`: a string as the argument itself would first be copied into an array.
package struct Folder: ~Copyable {
  package let descriptor: FileDescriptor
  package let place: FilePlace

  /// For messages only.
  package var path: String { place.path }

  /// Opens an existing folder that is not a symbolic link.
  package init(_ path: String) throws(SystemError) {
    descriptor = FileDescriptor(
      owning: try systemCall("open", path) {
        unsafe path.withCString {
          unsafe clinux_openat(AT_FDCWD, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
        }
      })
    place = FilePlace(path)
  }

  /// Opens the folder `name` inside `parent`.
  package init(_ name: String, in parent: borrowing Folder) throws(SystemError) {
    let raw = parent.descriptor.raw
    descriptor = FileDescriptor(
      owning: try systemCall("open", parent.path + "/" + name) {
        unsafe name.withCString { unsafe clinux_openat(raw, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0) }
      })
    place = FilePlace(name, in: parent.place)
  }

  /// Opens the folder `name` inside `parent`, making it where it does not exist.
  package init(making name: String, in parent: borrowing Folder, permissions: UInt32) throws(SystemError) {
    try parent.makeFolder(name, permissions: permissions)
    try self.init(name, in: parent)
  }

  /// Makes the folder `name`, with the permissions that the creation mask leaves; false where the name exists already.
  @discardableResult
  package func makeFolder(_ name: String, permissions: UInt32) throws(SystemError) -> Bool {
    let raw = descriptor.raw
    do {
      _ = try systemCall("mkdir", path + "/" + name) { unsafe mkdirat(raw, name, permissions) }
      return true
    } catch  where error.code == EEXIST {
      return false
    }
  }

  /// Makes the folder at `path`, whose parent must exist; false where the path exists already.
  package static func make(_ path: String, permissions: UInt32) throws(SystemError) -> Bool {
    do {
      _ = try systemCall("mkdir", path) { unsafe mkdir(path, permissions) }
      return true
    } catch  where error.code == EEXIST {
      return false
    }
  }

  /// Whether `path` itself, not what it points to, is a symbolic link.
  package static func isSymbolicLink(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
  }

  package func open(_ name: String, _ mode: OpenMode, permissions: UInt32 = 0) throws(SystemError) -> FileDescriptor {
    let raw = descriptor.raw
    return FileDescriptor(
      owning: try systemCall("open", path + "/" + name) {
        unsafe name.withCString {
          unsafe clinux_openat(raw, $0, mode.rawValue | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, permissions)
        }
      })
  }

  /// Whether `name` exists, whatever it is.
  package func contains(_ name: String) throws(SystemError) -> Bool {
    let raw = descriptor.raw
    do {
      var status = stat()
      _ = try systemCall("fstatat", path + "/" + name) {
        unsafe fstatat(raw, name, &status, AT_SYMLINK_NOFOLLOW)
      }
      return true
    } catch  where error.code == ENOENT {
      return false
    }
  }

  /// Which file has the name; nil where none has.
  package func identity(of name: String) throws(SystemError) -> FileIdentity? {
    do {
      return try status(of: name).identity
    } catch  where error.code == ENOENT {
      return nil
    }
  }

  package func status(of name: String) throws(SystemError) -> FileStatus {
    let raw = descriptor.raw
    var status = stat()
    _ = try systemCall("fstatat", path + "/" + name) {
      unsafe fstatat(raw, name, &status, AT_SYMLINK_NOFOLLOW)
    }
    return FileStatus(status)
  }

  /// Renames `name` to `newName` in `target`, replacing what stands there.
  package func rename(_ name: String, to newName: String, in target: borrowing Folder) throws(SystemError) {
    let from = descriptor.raw
    let into = target.descriptor.raw
    _ = try systemCall("rename", path + "/" + name) { unsafe renameat(from, name, into, newName) }
  }

  package func rename(_ name: String, to newName: String) throws(SystemError) {
    try rename(name, to: newName, in: self)
  }

  /// Gives `name` the second name `newName`; false where that exists already.
  package func link(_ name: String, to newName: String) throws(SystemError) -> Bool {
    let raw = descriptor.raw
    do {
      _ = try systemCall("link", path + "/" + newName) { unsafe linkat(raw, name, raw, newName, 0) }
      return true
    } catch  where error.code == EEXIST {
      return false
    }
  }

  /// Removes the file `name`; false where there was none.
  package func remove(_ name: String) throws(SystemError) -> Bool {
    let raw = descriptor.raw
    do {
      _ = try systemCall("unlink", path + "/" + name) { unsafe unlinkat(raw, name, 0) }
      return true
    } catch  where error.code == ENOENT {
      return false
    }
  }

  /// Makes renames and links inside durable.
  package func sync() throws(SystemError) { try descriptor.sync() }
}

/// The path without links, dots and doubled slashes (realpath(3)); nil where it does not exist.
package func realPath(_ path: String) -> String? {
  guard let found = unsafe realpath(path, nil) else { return nil }
  defer { unsafe free(found) }
  return unsafe String(cString: found)
}
