import System
import TestSupport
import Testing

@testable import Ring

/// Two processes that read as one consumer, the second at work between any two steps of the first.
@Suite("Cursors, step by step")
struct CursorStepTests {
  /// Every third number is a lost one.
  private func lost(before number: UInt64) -> UInt64 { (number - 1) / 3 }

  private func advance(_ cursor: borrowing Cursor, to target: UInt64) -> Bool {
    cursor.advance(to: target, hint: target * 8) { lost(before: target) - lost(before: $0) }
  }

  private func mark(_ folder: borrowing Folder) throws -> CursorMark {
    guard let cursor = try Cursor.open("default", in: folder, writable: false) else { throw Wrong("no cursor") }
    return cursor.mark
  }

  /// Between the load and the exchange, and before each of the three stores that follow.
  private static let steps = 5

  @Test("An advance is a load, an exchange and three more: these are all the moments there are")
  func count() throws {
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    let cursor = try Cursor.make("default", in: folder, generation: 7, start: 1, permissions: 0o600)
    #expect(Steps.count { _ = advance(cursor, to: 100) } == Self.steps)
  }

  @Test(
    "It never goes back and counts every loss once, wherever the other process comes between",
    arguments: 0..<steps, [60, 99, 100, 101, 140] as [UInt64])
  func comingBetween(step: Int, other: UInt64) throws {
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    let mine = try Cursor.make("default", in: folder, generation: 7, start: 1, permissions: 0o600)
    _ = advance(mine, to: 50)
    let path = temporary.path
    var reached = 0
    var last: UInt64 = 50
    var movedOther = false
    var failure: (any Error)?
    var moved = false
    Steps.watch({ _ in
      do {
        let folder = try Folder(path)
        guard let theirs = try Cursor.open("default", in: folder, writable: true) else { throw Wrong("no cursor") }
        if theirs.next < last { throw Wrong("back from \(last) to \(theirs.next)") }
        if reached == step { movedOther = advance(theirs, to: other) }
        last = theirs.next
      } catch { failure = error }
      reached += 1
    }) { moved = advance(mine, to: 100) }
    if let failure { throw failure }
    let mark = try mark(folder)
    #expect(mark.next == max(100, other))
    #expect(mark.lost == lost(before: mark.next))
    // Both report what they gave; where one was overtaken from behind, it moved nothing.
    #expect(moved || other >= 100)
    #expect(movedOther || other <= 100)
    #expect(mark.batch >= 1 && mark.batch < mark.next)
  }

  @Test(
    "Killed before any step, it has moved or it has not; who comes after goes on from there", arguments: 0...steps)
  func killed(step: Int) throws {
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    let cursor = try Cursor.make("default", in: folder, generation: 7, start: 1, permissions: 0o600)
    _ = advance(cursor, to: 50)
    let path = temporary.path + "/default"
    var moments: [[UInt8]] = []
    Steps.watch({ _ in moments.append(contents(path)) }) { _ = advance(cursor, to: 100) }
    moments.append(contents(path))
    overwrite(path, at: 0, moments[step])
    let left = try mark(folder)
    #expect(left.next == (step < 2 ? 50 : 100))
    // The losses of the batch whose reader died are all that may be missing in the count.
    #expect(left.lost == lost(before: step < Self.steps ? 50 : 100))
    let moved = advance(cursor, to: 130)
    #expect(moved)
    let after = try mark(folder)
    #expect(after.next == 130 && after.hint == 1040)
    #expect(after.lost == left.lost + lost(before: 130) - lost(before: left.next))
  }

  @Test("Killed while it is put in the place of another queue's: it is the one or the other, and the next call ends it")
  func replacing() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    do {
      let old = try Cursor.make("default", in: folder, generation: 7, start: 1, permissions: 0o600)
      _ = advance(old, to: 50)
    }
    let before = try mark(folder)
    let after = CursorMark(generation: 8, start: 3, next: 3, hint: 0, lost: 0, batch: 3)
    func replace(_ folder: borrowing Folder) throws {
      _ = try Cursor.make("default", in: folder, generation: 8, start: 3, permissions: 0o600, replacing: 7)
    }
    let dead = TemporaryFolder(inMemory: true)
    let place = try dead.open()
    let steps = try forEachDeath(temporary, in: dead, &random) {
      try replace(folder)
    } left: { made, note in
      #expect(try mark(place) == (made.contains(.call("rename")) ? after : before), note)
      try replace(place)
      #expect(try mark(place) == after, note)
      #expect(try place.names().sorted() == [".lock", "default"], note)
    }
    // What is left of one that died is removed; magic, version, generation, start, checksum, next, batch; the name.
    let stores = [0, 8, 16, 24, 32, 64, 88].map(Step.store)
    #expect(steps.ofTheProtocol == [.call("unlink")] + stores + [.call("rename")])
  }
}
