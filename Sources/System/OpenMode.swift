// Public, because the callers in other modules inline the constants.
public import Glibc

/// How a file is opened; always close-on-exec and never through a symbolic link.
///
/// Inlinable throughout, so that `[.readOnly, .nonBlocking]` is a constant: made by the generic code of `OptionSet`, one
/// such literal cost an eighth of the instructions of `clawq check`.
@frozen
@usableFromInline
package struct OpenMode: OptionSet, Sendable {
  @usableFromInline package let rawValue: Int32
  @inlinable package init(rawValue: Int32) { self.rawValue = rawValue }

  @inlinable package static var readOnly: OpenMode { OpenMode(rawValue: O_RDONLY) }
  @inlinable package static var writeOnly: OpenMode { OpenMode(rawValue: O_WRONLY) }
  @inlinable package static var readWrite: OpenMode { OpenMode(rawValue: O_RDWR) }
  @inlinable package static var create: OpenMode { OpenMode(rawValue: O_CREAT) }
  @inlinable package static var createNew: OpenMode { OpenMode(rawValue: O_CREAT | O_EXCL) }
  @inlinable package static var truncate: OpenMode { OpenMode(rawValue: O_TRUNC) }
  /// Never waits: for files that might be pipes.
  @inlinable package static var nonBlocking: OpenMode { OpenMode(rawValue: O_NONBLOCK) }
}
