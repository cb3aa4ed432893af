import Bytes
import Glibc
import System
import TestSupport
import Testing

@testable import Outbox

@Suite("What becomes of a message")
struct OutcomeTests {
  /// A state folder with one message, "x", in its outbox, and who sent it.
  private struct Sent: ~Copyable {
    let state = TemporaryState()
    var drain: OutboxDrain
    var sender: OutboxSender
    let name: OutboxName

    init() throws {
      let state = state
      let drain = try state.drain()
      var sender = try OutboxSender(state: state.open())
      name = try sender.send("x", 1)
      self.drain = drain
      self.sender = sender
    }

    func outcome() throws -> OutboxOutcome { try sender.outcome(of: name, state: state.open()) }

    func error() throws -> OutboxError? {
      let state = try state.open()
      do {
        _ = try sender.outcome(of: name, state: state)
        return nil
      } catch {
        return error
      }
    }

    mutating func take() throws -> OutboxToken {
      try drain.scan()
      return try drain.takeMessage().0
    }
  }

  @Test("it waits until the daemon has finished it, and is stored then")
  func stored() throws {
    var sent = try Sent()
    #expect(try sent.outcome() == .waiting)
    let token = try sent.take()
    #expect(try sent.outcome() == .waiting)
    sent.drain.putBack()
    #expect(try sent.outcome() == .waiting)
    let again = try sent.take()
    try sent.drain.finish(token)
    #expect(try sent.outcome() == .waiting)
    try sent.drain.finish(again)
    #expect(try sent.outcome() == .stored)
    #expect(try sent.outcome() == .stored)
  }

  @Test("it has failed for the reason that was written down, and is where it says")
  func failed() throws {
    var sent = try Sent()
    let token = try sent.take()
    _ = try sent.drain.fail(token, .rejected("no object"))
    let path = "\(sent.state.path)/outbox/failed/\(sent.name.text)"
    #expect(try sent.outcome() == .failed(reason: "no object", path: path))
    #expect(contents(path) == Array("x".utf8))
    // A disk that was full has no room for a reason; what stands there may be anything.
    for (command, reason) in [
      (": >", "the reason could not be written down"), ("rm", "the reason could not be written down"),
      ("printf 'a\\nb\\377' >", "a\nb\u{FFFD}"),
      ("rm -f \(path).reason; mkdir", "the reason could not be written down"),
    ] {
      shell("\(command) '\(path).reason'")
      #expect(try sent.outcome() == .failed(reason: reason, path: path), "\(command)")
    }
  }

  @Test(
    "nobody can say where the outbox is not the one any more in which it was put",
    arguments: [
      "rm -r outbox", "mv outbox elsewhere", "mv outbox old; cp -r old outbox", "rm -r outbox/new",
      "mv outbox/new elsewhere", "rm -r outbox/new; mkdir outbox/new",
      "rm -r outbox; mkdir -p outbox/new outbox/failed",
      "rm outbox/new/*; mv outbox elsewhere", "rm -r outbox; touch outbox", "mv outbox o; ln -s o outbox",
    ])
  func removed(command: String) throws {
    let sent = try Sent()
    shell("cd '\(sent.state.path)' && \(command)")
    #expect(try sent.error() == .folderRemoved("\(sent.state.path)/outbox/new"))
  }

  @Test("a missing failed/ keeps nobody from saying what became of it")
  func withoutFailed() throws {
    let sent = try Sent()
    shell("rm -r '\(sent.state.path)/outbox/failed'")
    #expect(try sent.outcome() == .waiting)
    shell("rm '\(sent.state.path)/outbox/new/'*")
    #expect(try sent.outcome() == .stored)
  }

  @Test("moved to failed/ between any two looks, it is never taken for stored")
  func moving() throws {
    let state = TemporaryState()
    _ = try state.drain()
    var sender = try OutboxSender(state: state.open())
    let names = try (0..<300).map { try sender.send("x", $0) }
    let path = state.path
    let thread = TestThread {
      guard let folder = try? Folder(path), var drain = try? OutboxDrain(state: folder, maximumMessageBytes: 10) else {
        return
      }
      try? drain.scan()
      while let (token, _) = try? drain.takeMessage() { _ = try? drain.fail(token, .rejected("no")) }
    }
    defer { thread.join() }
    let folder = try state.open()
    for name in names {
      var outcome = OutboxOutcome.waiting
      while outcome == .waiting { outcome = try sender.outcome(of: name, state: folder) }
      guard case .failed = outcome else {
        Issue.record("\(outcome)")
        return
      }
    }
  }
}
