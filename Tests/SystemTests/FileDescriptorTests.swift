import Bytes
import Glibc
import System
import TestSupport
import Testing

@Suite("FileDescriptor")
struct FileDescriptorTests {
  /// A pair of connected sockets that do not block.
  private func pair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    try #require(unsafe socketpair(AF_UNIX, type, 0, &ends) == 0)
    return (ends[0], ends[1])
  }

  @Test("The lock belongs to the open file: a second one in the same process does not get it, until the first closes")
  func locks() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let second = try folder.open("lock", [.readWrite, .create], permissions: 0o600)
    do {
      let first = try folder.open("lock", [.readWrite])
      #expect(try second.isLockedByAnother() == false)
      #expect(try first.lockExclusively() == true)
      #expect(try first.lockExclusively() == true, "its own lock is no obstacle")
      #expect(try first.isLockedByAnother() == false)
      #expect(try second.isLockedByAnother() == true)
      #expect(try second.lockExclusively() == false)
      // Closing some third one does not let go of it, as it would with the older kind of lock.
      do { _ = try folder.open("lock", [.readOnly]) }
      #expect(try second.lockExclusively() == false)
    }
    #expect(try second.isLockedByAnother() == false, "asking does not take it, closing lets go of it")
    #expect(try second.lockExclusively() == true)
  }

  @Test("Who waits for the lock gets it when the holder closes; never two at once")
  func waitingForLock() throws {
    let temporary = TemporaryFolder()
    let path = temporary.path
    setContents(path + "/lock", [])
    setContents(path + "/count", [0])
    let threads = (0..<4).map { _ in
      TestThread {
        for _ in 0..<25 {
          guard let folder = try? Folder(path), let lock = try? folder.open("lock", [.readWrite]),
            (try? lock.waitForExclusiveLock()) != nil
          else { return }
          overwrite(path + "/count", at: 0, [contents(path + "/count")[0] + 1])
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(contents(path + "/count") == [100])
  }

  @Test("Reading: bytes, nothing now, the end")
  func reading() throws {
    let (left, right) = try pair()
    let reader = FileDescriptor(owning: left)
    var buffer = ByteBuffer(capacity: 1)
    do {
      let writer = FileDescriptor(owning: right)
      #expect(try reader.read(into: &buffer, atLeast: 10) == .blocked)
      let bytes: [UInt8] = [1, 2, 3]
      #expect(try writer.write(bytes.span) == .bytes(3))
      #expect(try reader.read(into: &buffer, atLeast: 10) == .bytes(3))
      #expect(try reader.read(into: &buffer, atLeast: 10) == .blocked)
      let same = equal(buffer.readable, bytes.span)
      #expect(same)
    }
    #expect(try reader.read(into: &buffer, atLeast: 10) == .end)
    #expect(buffer.count == 3)
  }

  @Test("Writing all waits where the other side is slow, and every byte arrives")
  func writingAll() throws {
    var random = SeededGenerator()
    let (left, right) = try pair()
    let bytes = random.bytes(3_000_000)
    let failed = Mailbox()
    let thread = TestThread {
      let writer = FileDescriptor(owning: right)
      do { try writer.writeAll(bytes.span) } catch { failed.put("\(error)") }
    }
    let reader = FileDescriptor(owning: left)
    var buffer = ByteBuffer(capacity: 65536)
    while true {
      let progress = try reader.read(into: &buffer, atLeast: 65536)
      if progress == .end { break }
      if progress == .blocked { sched_yield() }
    }
    thread.join()
    #expect(failed.text == nil)
    let same = equal(buffer.readable, bytes.span)
    #expect(same, "seed \(random.seed)")
  }

  @Test("A failed write says so")
  func failedWrite() throws {
    let devices = try Folder("/dev")
    let full = try devices.open("full", .writeOnly)
    let bytes: [UInt8] = [1]
    do throws(SystemError) {
      try full.writeAll(bytes.span)
      Issue.record("written to a full disk")
    } catch {
      #expect(error.code == ENOSPC)
      #expect(error.call == "write")
    }
  }

  @Test(
    "A whole file is read up to the limit, and not beyond it", arguments: [0, 1, 100, 65535, 65536, 65537, 200_000])
  func readingWhole(size: Int) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let bytes = random.bytes(size)
    setContents(temporary.path + "/f", bytes)
    for limit in [size, size + 1, size + 100_000] {
      var buffer = ByteBuffer(capacity: 16)
      buffer.append("held" as StaticString)
      #expect(try folder.open("f", .readOnly).readWhole(limit: limit, into: &buffer) == true)
      buffer.consume(4)
      let same = equal(buffer.readable, bytes.span)
      #expect(same)
    }
    guard size > 0 else { return }
    for limit in Set([size - 1, size / 2, 0]) {
      var buffer = ByteBuffer(capacity: 16)
      #expect(try folder.open("f", .readOnly).readWhole(limit: limit, into: &buffer) == false, "limit \(limit)")
    }
  }

  @Test("Allocating gives the file its length and real blocks")
  func allocating() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let file = try folder.open("f", [.readWrite, .createNew], permissions: 0o600)
    try file.allocate(100_000)
    #expect(try file.status().size == 100_000)
    var raw = stat()
    #expect(unsafe stat(temporary.path + "/f", &raw) == 0)
    #expect(raw.st_blocks * 512 >= 100_000)
  }

  @Test("A descriptor is closed when its owner goes, and is not inherited by programs that are started")
  func ownership() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do {
      let file = try folder.open("f", [.readWrite, .createNew], permissions: 0o600)
      #expect(fcntl(file.raw, F_GETFD) & FD_CLOEXEC == FD_CLOEXEC)
    }
    let (left, right) = try pair()
    do { _ = FileDescriptor(owning: left) }
    // The other end sees the close.
    let other = FileDescriptor(owning: right)
    var buffer = ByteBuffer(capacity: 1)
    #expect(try other.read(into: &buffer, atLeast: 1) == .end)
  }
}

/// A text handed from one thread to another that joins it.
final class Mailbox: @unchecked Sendable {
  private(set) var text: String?
  func put(_ text: String) { self.text = text }
}
