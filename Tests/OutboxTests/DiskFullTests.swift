import Bytes
import Glibc
import System
import Testing

@testable import Outbox

@Suite("A full disk")
struct DiskFullTests {
  @Test("a full disk is told as such, everything is given back, and room made later is used")
  func full() throws {
    let state = TemporaryState()
    let mounted = shell("mount -t tmpfs -o size=256k,mode=700 tmpfs '\(state.path)'")
    // Without the right to mount there is no small disk to fill: that is a failure to say, not a test to skip.
    try #require(mounted == 0, "this test mounts a small tmpfs and must run as root")
    defer { shell("umount '\(state.path)'") }

    var drain = try state.drain()
    var sender = try OutboxSender(state: state.open())
    _ = try sender.send("before", 1)
    shell("dd if=/dev/zero of='\(state.path)/filler' bs=4096 count=1000 2>/dev/null")
    var error: OutboxError?
    do throws(OutboxError) {
      _ = try sender.send(String(repeating: "x", count: 50_000), 2)
    } catch let thrown { error = thrown }
    guard case .diskFull(let cause) = error else {
      Issue.record("not told as a full disk: \(String(describing: error))")
      return
    }
    #expect(cause.code == ENOSPC)
    #expect(try state.names("tmp").isEmpty)
    #expect(drain.counted == OutboxCounted(messages: 1, bytes: 6))

    // A full disk does not stop what waits, nor what must be put aside.
    try drain.scan()
    let (token, text) = try drain.takeMessage()
    #expect(text == "before")
    let failure = try drain.fail(token, .rejected("not a JSON object"))
    #expect(failure?.stuck == nil)
    #expect(try state.names("failed").contains(token.name.text))

    shell("rm '\(state.path)/filler'")
    _ = try sender.send("after", 3)
    try drain.scan()
    #expect(try drain.takeAll() == ["after"])
  }

  @Test("a page cannot be made on a full disk: nothing half-made is left")
  func fullForCounts() throws {
    let state = TemporaryState()
    let mounted = shell("mount -t tmpfs -o size=256k,mode=700 tmpfs '\(state.path)'")
    try #require(mounted == 0, "this test mounts a small tmpfs and must run as root")
    defer { shell("umount '\(state.path)'") }
    _ = try state.drain()
    shell("rm '\(state.path)/outbox/counts'; dd if=/dev/zero of='\(state.path)/filler' bs=4096 count=1000 2>/dev/null")
    var error: OutboxError?
    do { _ = try OutboxSender(state: state.open()) } catch let thrown { error = thrown as? OutboxError }
    guard case .diskFull = error else {
      Issue.record("not told as a full disk: \(String(describing: error))")
      return
    }
    shell("rm '\(state.path)/filler'")
    var sender = try OutboxSender(state: state.open())
    #expect(try sender.send("x", 1).number == 1)
  }

  @Test("the user's quota of disk is a full disk too", arguments: [ENOSPC, EDQUOT])
  func codes(code: Int32) {
    let error = SystemError(code: code, call: "write")
    #expect(OutboxError(error) == .diskFull(error))
    #expect(OutboxError(SystemError(code: EIO, call: "write")) == .system(SystemError(code: EIO, call: "write")))
  }
}
