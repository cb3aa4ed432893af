internal import Glibc
internal import Ring
internal import System

/// A consumer's cursor, and where its file is.
struct CursorPlace: ~Copyable {
  let name: String
  let cursor: Cursor?
  /// Where the cursor stood when it was opened; nil where there was none.
  let mark: CursorMark?
  /// Where a cursor may be made; nil where nothing may be changed.
  private let folder: Folder?
  private let permissions: UInt32

  /// - Parameters:
  ///   - generation: of the queue.
  ///   - first: where a new cursor begins.
  init(
    _ name: String, _ cursors: String, in parent: borrowing Folder, _ access: Consumer.Access, generation: UInt64,
    first: UInt64
  ) throws(CursorError) {
    switch access {
    case .withoutCursor: self.init(name: name, mark: nil, cursor: nil, folder: nil, permissions: 0)
    case .readOnly:
      let cursor = try Self.standing(name, cursors, in: parent)
      let mark = cursor.mark
      self.init(name: name, mark: mark, cursor: cursor, folder: nil, permissions: 0)
    case .readWrite(let file, let inside):
      let own: Folder
      do { own = try Folder(making: cursors, in: parent, permissions: inside) } catch { throw .system(error) }
      var cursor = try Cursor.open(name, in: own, writable: true)
      let mark = cursor.mark
      if mark == nil {
        cursor = try Cursor.make(name, in: own, generation: generation, start: first, permissions: file)
      }
      self.init(name: name, mark: mark, cursor: cursor, folder: own, permissions: file)
    }
  }

  private init(
    name: String, mark: CursorMark?, cursor: consuming Cursor?, folder: consuming Folder?, permissions: UInt32
  ) {
    self.name = name
    self.mark = mark
    self.cursor = cursor
    self.folder = folder
    self.permissions = permissions
  }

  private static func standing(
    _ name: String, _ cursors: String, in parent: borrowing Folder
  ) throws(CursorError) -> Cursor? {
    let own: Folder
    do { own = try Folder(cursors, in: parent) } catch {
      if error.code == ENOENT { return nil }
      throw .system(error)
    }
    return try Cursor.open(name, in: own, writable: false)
  }

  /// The cursor of the queue `generation` in the place of one that counts in another; nil where nothing may be changed.
  func replacement(generation: UInt64) throws(CursorError) -> Cursor? {
    switch folder {
    case .some(let folder):
      return try Cursor.make(
        name, in: folder, generation: generation, start: 1, permissions: permissions, replacing: true)
    case .none: return nil
    }
  }
}

extension Optional where Wrapped == Cursor {
  /// Where the cursor stands, if there is one.
  var mark: CursorMark? {
    switch self {
    case .some(let cursor): cursor.mark
    case .none: nil
    }
  }

  func advance(to end: UInt64, hint: UInt64, asBatch isBatch: Bool, lostSince lost: (UInt64) -> UInt64) {
    switch self {
    case .some(let cursor): _ = cursor.advance(to: end, hint: hint, asBatch: isBatch, lostSince: lost)
    case .none: break
    }
  }

  /// Back to the beginning, from the impossible number `standing`.
  func setBack(from standing: UInt64) {
    switch self {
    case .some(let cursor): _ = cursor.setBack(from: standing, to: 1)
    case .none: break
    }
  }
}
