import Bytes
import Glibc
import System
import TestSupport
import Testing

@testable import Ring

@Suite("The queue: what fails while it is replaced")
struct FailedReplacingTests {
  @Test(
    "Where the rename cannot be made safe, nobody writes into the file that lost its name, and the next start goes on")
  func unsafeRename() throws {
    let temporary = TemporaryFolder()
    var model = Model(capacity: 65536)
    do {
      var writer = try openWriter(try temporary.open())
      for _ in 0..<20 { try model.append([UInt8](repeating: 7, count: 100), to: &writer) }
    }
    let old = try RingReader.open("queue.ring", in: try temporary.open())
    let folder = try temporary.open()
    // A descriptor that only names the folder (O_PATH, which Glibc shows to nobody): it cannot be written to the disk.
    let useless = unsafe open(temporary.path, O_RDONLY | Int32(0o10000000))
    defer { close(useless) }
    var hasName = false
    var failure: QueueError?
    do throws(QueueError) {
      _ = try Steps.watch({ step in
        if step == .call("rename") { hasName = true }
        if hasName, step == .call("fsync") { _ = dup2(useless, folder.descriptor.raw) }
      }) { () throws(QueueError) in try openWriter(folder, capacity: 131_072) }
    } catch {
      failure = error
    }
    guard case .system(let error) = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
    #expect(error.code == EBADF)
    // The new file has the name and everything in it; the one before is told at the next start.
    let writer = try openWriter(try temporary.open(), capacity: 131_072)
    #expect(writer.capacity == 131_072 && writer.outcome == .opened && writer.nextSequence == model.nextSequence)
    let isTold = old.isSuperseded
    #expect(isTold)
    let names = try temporary.open().names()
    #expect(names == ["queue.ring"])
    let witness = try Witness(try temporary.open())
    try witness.drain(model, until: model.nextSequence, "")
  }

  @Test("A queue without a whole record keeps its name until the new one has it, and what it was joined to")
  func noRoomBesideADamagedOne() throws {
    let temporary = TemporaryFolder()
    let mounted = unsafe mount("tmpfs", temporary.path, "tmpfs", 0, "size=1500k,mode=700")
    try #require(mounted == 0, "this test mounts a small disk, for which it must be root")
    defer { _ = unsafe umount2(temporary.path, Int32(MNT_DETACH)) }
    let folder = try temporary.open()
    do {
      var writer = try openWriter(folder, capacity: 1 << 20)
      writer.markJoined()
      for _ in 0..<40 { _ = try writer.append([1, 2, 3]) }
    }
    let generation = try RingReader.open("queue.ring", in: folder).generation
    overwrite(temporary.queue, at: Word.ring, [UInt8](repeating: 0xFF, count: 65536))
    // There is no room for another: refused, and nothing has changed.
    var refusal: QueueError?
    do throws(QueueError) { _ = try openWriter(folder, capacity: 1 << 20) } catch { refusal = error }
    guard case .system(let full) = refusal, full.code == ENOSPC else { throw Unexpected() }
    #expect(try folder.names() == ["queue.ring"])
    // There is for a smaller one.
    let writer = try openWriter(folder, capacity: 65536, now: 3_000_000)
    #expect(writer.outcome == .replaced(aside: "queue.ring.damaged-3"))
    #expect(writer.nextSequence == 41 && writer.generation == generation && writer.wasJoined)
    #expect(try folder.names().sorted() == ["queue.ring", "queue.ring.damaged-3"])
  }
}
