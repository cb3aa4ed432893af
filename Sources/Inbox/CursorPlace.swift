internal import Glibc
internal import Ring
internal import System

/// A consumer's cursor, and where its file is.
struct CursorPlace: ~Copyable {
  let name: String
  private let cursors: String
  private let access: Consumer.Access
  private(set) var cursor: Cursor?
  /// Where the cursor stood when it was opened; nil where there was none.
  private(set) var mark: CursorMark?

  /// Opens the cursor where there is one.
  init(
    _ name: String, _ cursors: String, in parent: borrowing Folder, _ access: Consumer.Access
  ) throws(CursorError) {
    var cursor: Cursor?
    switch access {
    case .withoutCursor: cursor = nil
    case .readOnly: cursor = try Self.standing(name, cursors, in: parent, writable: false)
    case .readWrite: cursor = try Self.standing(name, cursors, in: parent, writable: true)
    }
    mark = cursor.mark
    self.cursor = cursor
    self.name = name
    self.cursors = cursors
    self.access = access
  }

  private static func standing(
    _ name: String, _ cursors: String, in parent: borrowing Folder, writable: Bool
  ) throws(CursorError) -> Cursor? {
    let own: Folder
    do { own = try Folder(cursors, in: parent) } catch {
      if error.code == ENOENT { return nil }
      throw .system(error)
    }
    return try Cursor.open(name, in: own, writable: writable)
  }

  /// Makes the cursor where there was none and one may be made, for the queue `generation`, standing at `first`.
  ///
  /// - Returns: whether there is one now that another process has made or moved, whose `mark` was read only now.
  mutating func make(generation: UInt64, first: UInt64, in parent: borrowing Folder) throws(CursorError) -> Bool {
    guard mark == nil, case .readWrite(let file, let inside) = access else { return false }
    let own: Folder
    do { own = try Folder(making: cursors, in: parent, permissions: inside) } catch { throw .system(error) }
    let made = try Cursor.make(name, in: own, generation: generation, start: first, permissions: file)
    let found = made.mark
    cursor = consume made
    guard found.generation != generation || found.next != first else { return false }
    mark = found
    return true
  }

  /// The cursor of the queue `generation` in the place of one that counts in another; nil where nothing may be changed,
  /// or another process has put one there of yet another queue.
  func replacement(generation: UInt64, in parent: borrowing Folder) throws(CursorError) -> Cursor? {
    guard case .readWrite(let file, _) = access else { return nil }
    let own: Folder
    do { own = try Folder(cursors, in: parent) } catch { throw .system(error) }
    let cursor = try Cursor.make(
      name, in: own, generation: generation, start: 1, permissions: file, replacing: mark?.generation)
    guard cursor.generation == generation else { return nil }
    return cursor
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
