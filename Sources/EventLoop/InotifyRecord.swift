internal import Bytes
internal import CLinux

/// One record of an inotify descriptor (inotify(7)), in native byte order:
///
///      0          4          8          12         16                 16 + length
///      │ watch    │ mask     │ cookie   │ length   │ name, then NULs  │
///
/// `length` counts the NULs that fill up the name and is 0 where there is no name.
struct InotifyRecord: Equatable {
  static let headerBytes = 16
  /// The longest name on Linux (NAME_MAX) and its NUL: a read offering less than a whole record of it may fail.
  static let longestBytes = headerBytes + 256

  /// The watch descriptor; -1 for a queue overflow.
  let watch: Int32
  let mask: UInt32
  /// The name's length without the NULs; its first byte follows the header.
  let nameCount: Int
  /// The whole record; the next one follows.
  let byteCount: Int

  /// Decodes the record at the front of `bytes`; nil where it is not there whole, which the kernel never does.
  init?(_ bytes: borrowing Span<UInt8>) {
    guard bytes.count >= Self.headerBytes else { return nil }
    watch = Int32(bitPattern: Self.word(bytes, 0))
    mask = Self.word(bytes, 4)
    let length = Int(Self.word(bytes, 12))
    guard length <= bytes.count - Self.headerBytes else { return nil }
    byteCount = Self.headerBytes + length
    var count = 0
    while count < length && bytes[Self.headerBytes + count] != 0 { count += 1 }
    nameCount = count
  }

  private static func word(_ bytes: borrowing Span<UInt8>, _ offset: Int) -> UInt32 {
    unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)
  }

  var isOverflow: Bool { mask & clinux_inotify_overflow != 0 }
  var isFolderItselfGone: Bool { mask & Self.gone != 0 }
  /// A file's name appeared, whole: by rename or by link. (`mkdir` is not of interest.)
  var isArrival: Bool {
    mask & (clinux_inotify_moved_in | clinux_inotify_created) != 0 && mask & clinux_inotify_is_folder == 0
      && nameCount > 0
  }

  private static let gone =
    clinux_inotify_self_deleted | clinux_inotify_self_moved | clinux_inotify_ignored | clinux_inotify_unmounted

  /// What is asked of the kernel; overflow, ignored and unmounted come unasked.
  static let wanted =
    clinux_inotify_moved_in | clinux_inotify_created | clinux_inotify_self_deleted | clinux_inotify_self_moved
    | clinux_inotify_only_folder
}
