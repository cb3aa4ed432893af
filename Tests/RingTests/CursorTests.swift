import Bytes
import Glibc
import Ring
import Synchronization
import System
import TestSupport
import Testing

@Suite("Cursors: where a consumer stands")
struct CursorTests {
  /// The cursor file's words, as its layout draws them.
  private enum Offset {
    static let version = 8
    static let next = 64
    static let hint = 72
  }

  private func make(
    _ folder: borrowing Folder, name: String = "default", generation: UInt64 = 7, start: UInt64 = 1,
    replacing: Bool = false
  ) throws(CursorError) -> Cursor {
    try Cursor.make(
      name, in: folder, generation: generation, start: start, permissions: 0o600, replacing: replacing ? 7 : nil)
  }

  private func error(_ folder: borrowing Folder, _ name: String = "default", writable: Bool = true) -> CursorError? {
    do throws(CursorError) { _ = try Cursor.open(name, in: folder, writable: writable) } catch { return error }
    return nil
  }

  @Test("A new cursor stands at its start, has lost nothing, and is found again as it was left")
  func making() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let none = try Cursor.open("default", in: folder, writable: true) == nil
    #expect(none)
    do {
      let cursor = try make(folder, start: 5)
      #expect(cursor.next == 5)
      #expect(cursor.start == 5)
      #expect(cursor.batch == 5)
      #expect(cursor.lost == 0)
      #expect(cursor.hint == 0)
      #expect(cursor.generation == 7)
      let moved = cursor.advance(to: 9, hint: 800) { standing in
        #expect(standing == 5)
        return 2
      }
      #expect(moved)
    }
    guard let cursor = try Cursor.open("default", in: folder, writable: false) else {
      Issue.record("the cursor is gone")
      return
    }
    #expect(cursor.next == 9)
    #expect(cursor.batch == 5)
    #expect(cursor.lost == 2)
    #expect(cursor.hint == 800)
    #expect(cursor.start == 5)
    #expect(try folder.status(of: "default").mode & 0o777 == 0o600)
  }

  @Test("It moves forward only; standing still or going back is answered with false and changes nothing")
  func forwardOnly() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let cursor = try make(folder)
    #expect(cursor.advance(to: 100, hint: 1) { _ in 3 } == true)
    let before = contents(temporary.path + "/default")
    for target: UInt64 in [100, 99, 1, 0] { #expect(cursor.advance(to: target, hint: 2) { _ in 5 } == false) }
    #expect(contents(temporary.path + "/default") == before)
    #expect(cursor.advance(to: .max, hint: 2) { _ in 0 } == true)
    #expect(cursor.next == .max)
  }

  @Test("Made by many at once there is one, and what the first has read is not read again")
  func makingRace() throws {
    for _ in 0..<10 {
      let temporary = TemporaryFolder()
      let path = temporary.path
      let failures = Mutex<[String]>([])
      let threads = (0..<8).map { number in
        TestThread {
          do {
            let cursor = try make(try Folder(path))
            _ = cursor.advance(to: UInt64(number) + 10, hint: 0) { _ in 0 }
          } catch {
            failures.withLock { $0.append("\(error)") }
          }
        }
      }
      for thread in threads { thread.join() }
      #expect(failures.withLock { $0 } == [])
      let folder = try temporary.open()
      #expect(try make(folder).next == 17)
      #expect(try folder.names().filter { !$0.hasPrefix(".") } == ["default"])
      #expect(try folder.names().filter { $0.hasSuffix(".new") } == [])
    }
  }

  @Test("Losses are counted once, whoever of many advances over them")
  func lostExactly() throws {
    let temporary = TemporaryFolder()
    let path = temporary.path
    let folder = try temporary.open()
    do { _ = try make(folder) }
    let counter = Counter()
    let threads = (0..<4).map { number in
      TestThread {
        guard let folder = try? Folder(path),
          let cursor = (try? Cursor.open("default", in: folder, writable: true)) ?? nil
        else { return }
        var random = SeededGenerator(seed: UInt64(number))
        while cursor.next < 100_000 {
          let target = cursor.next + 1 + random.next() % 20
          // Every third number is a lost one.
          if cursor.advance(to: target, hint: target, lostSince: { (target - 1) / 3 - ($0 - 1) / 3 }) { counter.add() }
        }
      }
    }
    for thread in threads { thread.join() }
    let cursor = try make(folder)
    #expect(cursor.lost == (cursor.next - 1) / 3)
    #expect(counter.value > 1000)
  }

  @Test("A cursor of another queue is replaced on demand, by one process only, and not otherwise")
  func replacing() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let old = try make(folder, generation: 7)
    _ = old.advance(to: 50, hint: 0) { _ in 0 }
    #expect(try make(folder, generation: 8).generation == 7)
    let new = try make(folder, generation: 8, start: 3, replacing: true)
    #expect(new.generation == 8)
    #expect(new.next == 3)
    _ = new.advance(to: 20, hint: 0) { _ in 0 }
    // The slower of two that found the old one.
    let slower = try make(folder, generation: 8, start: 3, replacing: true)
    #expect(slower.next == 20)
    #expect(old.next == 50, "who still holds the old one does not disturb the new")
    let replaced = try make(folder, name: "fresh", generation: 8, start: 4, replacing: true)
    #expect(replaced.next == 4)
  }

  @Test("A cursor may be read where it cannot be written")
  func readOnly() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try make(folder, start: 12) }
    _ = unsafe chmod(temporary.path + "/default", 0o400)
    guard let cursor = try Cursor.open("default", in: folder, writable: false) else {
      Issue.record("not found")
      return
    }
    #expect(cursor.next == 12)
  }

  @Test("What is no cursor is refused, not followed, not waited for and not replaced")
  func foreign() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let path = temporary.path + "/default"
    let whole: [UInt8] = try {
      _ = try make(folder)
      return contents(path)
    }()
    for length in 0..<128 {
      setContents(path, Array(whole[..<length]))
      #expect(error(folder) == .damaged(path: path), "\(length) bytes")
      #expect(throws: CursorError.self) { _ = try make(folder) }
    }
    setContents(path, [UInt8](repeating: 0x20, count: 4096))
    #expect(error(folder) == .damaged(path: path))
    #expect(unsafe unlink(path) == 0 && mkfifo(path, 0o600) == 0)
    #expect(error(folder) == .damaged(path: path))
    #expect(error(folder, writable: false) == .damaged(path: path))
    #expect(unsafe unlink(path) == 0 && symlink("/dev/zero", path) == 0)
    #expect(error(folder) == .damaged(path: path))
    #expect(unsafe unlink(path) == 0 && mkdir(path, 0o700) == 0)
    #expect(error(folder) == .damaged(path: path))
    #expect(error(folder, writable: false) == .damaged(path: path))
  }

  @Test("Any bit of what is written once flipped: refused, by name where it is a newer version")
  func flipped() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let path = temporary.path + "/default"
    do { _ = try make(folder) }
    let whole = contents(path)
    for offset in 0..<40 {
      for bit in 0..<8 {
        overwrite(path, at: offset, [whole[offset] ^ 1 << UInt8(bit)])
        let isVersion = Offset.version..<Offset.version + 8 ~= offset && !(offset == Offset.version && bit == 0)
        #expect(error(folder) == (isVersion ? .newerVersion(path: path) : .damaged(path: path)), "\(offset), \(bit)")
      }
      overwrite(path, at: offset, [whole[offset]])
    }
    #expect(error(folder) == nil)
    // The moving part holds any number at all.
    for offset in 64..<96 {
      overwrite(path, at: offset, [0xFF])
      #expect(error(folder) == nil)
    }
  }

  @Test("Cursors ahead of the queue's end are set back to it; others, and what is none, are left alone")
  func clamping() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let ahead = try make(folder, name: "ahead")
    _ = ahead.advance(to: 120, hint: 0) { _ in 4 }
    let behind = try make(folder, name: "behind")
    _ = behind.advance(to: 80, hint: 0) { _ in 0 }
    let at = try make(folder, name: "zz")
    _ = at.advance(to: 100, hint: 0) { _ in 0 }
    let before = contents(temporary.path + "/behind")
    try Cursor.clamp(in: folder, to: 100)
    #expect(ahead.next == 100)
    #expect(behind.next == 80)
    #expect(at.next == 100)
    #expect(contents(temporary.path + "/behind") == before)
    #expect(ahead.advance(to: 101, hint: 0) { _ in 0 } == true)
    #expect(ahead.batch == 100)
  }

  @Test("A file among the cursors that is none does not keep the others from being set back")
  func clampingBesideDamage() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    for number in 0..<20 {
      let cursor = try make(folder, name: "c\(number)")
      _ = cursor.advance(to: 120, hint: 0) { _ in 0 }
      setContents(temporary.path + "/d\(number)", Array("no cursor".utf8))
      #expect(unsafe mkdir(temporary.path + "/e\(number)", 0o700) == 0)
    }
    try Cursor.clamp(in: folder, to: 100)
    for number in 0..<20 {
      let cursor = try Cursor.open("c\(number)", in: folder, writable: false)
      let next = cursor?.next
      #expect(next == 100)
    }
  }

  @Test("A disk without room: a typed error, no cursor, and no rest of one")
  func noRoom() throws {
    // A file system of one page, where this machine lets us have one; it is gone with the folder that we hold open.
    let temporary = TemporaryFolder()
    guard unsafe mount("tmpfs", temporary.path, "tmpfs", 0, "size=4k,nr_inodes=10") == 0 else {
      try Test.cancel("no right to mount a file system here")
    }
    let folder = try temporary.open()
    _ = unsafe umount2(temporary.path, Int32(MNT_DETACH))
    do {
      let full = try folder.open("full", [.readWrite, .createNew], permissions: 0o600)
      try full.allocate(4096)
    }
    do throws(CursorError) {
      _ = try make(folder)
      Issue.record("made without room")
    } catch {
      guard case .system(let system) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(system.code == ENOSPC)
    }
    #expect(try folder.names().sorted() == [".lock", "full"])
    do throws(QueueError) {
      _ = try RingWriter.open("queue.ring", in: folder, capacity: 65536, permissions: 0o600, lossReason: 5, now: 1)
      Issue.record("made without room")
    } catch {
      guard case .system(let system) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(system.code == ENOSPC)
    }
    #expect(try folder.names().sorted() == [".lock", "full"])
  }
}

/// A count between threads.
final class Counter: Sendable {
  private let count = Atomic<Int>(0)
  var value: Int { count.load(ordering: .acquiring) }
  func add() { count.wrappingAdd(1, ordering: .relaxed) }
}
