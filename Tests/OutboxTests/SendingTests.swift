import Bytes
import Glibc
import System
import Testing

@testable import Outbox

@Suite("Sending")
struct SendingTests {
  @Test("messages are drained in the order they were sent, whatever their ids say")
  func order() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    // Each from a sender of its own, as clawsend is; the ids count down, as a clock set back would make them.
    for index in 0..<20 {
      var sender = try OutboxSender(state: state.open())
      _ = try sender.send("message \(index)", 100 - index)
    }
    try drain.scan()
    let texts = try drain.takeAll()
    #expect(texts == (0..<20).map { "message \($0)" })
    #expect(try state.names("new").isEmpty)
    #expect(drain.counted == OutboxCounted(messages: 0, bytes: 0))
  }

  @Test("names in byte order are names in sending order")
  func names() {
    let numbers: [UInt64] = [1, 2, 9, 10, 11, 99, 100, 1_000_000, OutboxLayout.maximumNumber]
    let texts = numbers.map { name($0, 50 - Int($0 % 40)) }
    #expect(texts == texts.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) })
    for (number, text) in zip(numbers, texts) { #expect(OutboxName(text.utf8.span)?.number == number) }
  }

  @Test(
    "only <20 digits>-<ulid> within range is a name",
    arguments: [
      "", "x", "00000000000000000001", "00000000000000000001-", "00000000000000000000-01HF7YAT00001W000000000000",
      "0000000000000000000x-01HF7YAT00001W0000000000ZZ", "00000000000000000001-01HF7YAT00001W0000000000zz",
      "00000000000000000001_01HF7YAT00001W0000000000ZZ", "99999999999999999999-01HF7YAT00001W0000000000ZZ",
      "01000000000000000001-01HF7YAT00001W0000000000ZZ", "00000000000000000001-81HF7YAT00001W0000000000ZZ",
      "+0000000000000000001-01HF7YAT00001W0000000000ZZ",
    ])
  func badNames(text: String) { #expect(OutboxName(text.utf8.span) == nil) }

  @Test("many senders at once: every message arrives once, each sender's own in order, and the counts agree")
  func race() async throws {
    let state = TemporaryState()
    var drain = try state.drain()
    let senders = 8
    let each = 100
    try await withThrowingTaskGroup(of: Void.self) { group in
      for sender in 0..<senders {
        group.addTask {
          for index in 0..<each {
            var outbox = try OutboxSender(state: state.open())
            _ = try outbox.send("\(sender):\(index)", sender * each + index)
          }
        }
      }
      try await group.waitForAll()
    }
    let held = drain.counted
    #expect(held.messages == UInt64(senders * each))
    try drain.scan()
    let texts = try drain.takeAll()
    #expect(texts.count == senders * each)
    for sender in 0..<senders {
      #expect(texts.filter { $0.hasPrefix("\(sender):") } == (0..<each).map { "\(sender):\($0)" })
    }
    #expect(drain.counted == OutboxCounted(messages: 0, bytes: 0))
  }

  @Test("the quota of messages is exact however many send at once", arguments: [1, 37])
  func messageQuota(limit: Int) async throws {
    let state = TemporaryState()
    _ = try state.drain()
    let sent = try await sentAtOnce(state, OutboxQuota(messages: limit, bytes: 1 << 30), bytes: 10)
    #expect(sent == limit)
    #expect(try state.names("new").count == limit)
    #expect(try state.names("tmp").isEmpty)
    #expect(try state.held() == OutboxCounted(messages: UInt64(limit), bytes: UInt64(10 * limit)))
  }

  @Test("the quota of bytes is exact however many send at once")
  func byteQuota() async throws {
    let state = TemporaryState()
    _ = try state.drain()
    let sent = try await sentAtOnce(state, OutboxQuota(messages: 1000, bytes: 259), bytes: 10)
    #expect(sent == 25)
    #expect(try state.held() == OutboxCounted(messages: 25, bytes: 250))
  }

  private func sentAtOnce(_ state: TemporaryState, _ quota: OutboxQuota, bytes: Int) async throws -> Int {
    try await withThrowingTaskGroup(of: Int.self) { group in
      for task in 0..<8 {
        group.addTask {
          var sent = 0
          for index in 0..<20 {
            var sender = try OutboxSender(state: state.open(), quota: quota)
            let text = String(repeating: "x", count: bytes)
            do throws(OutboxError) {
              _ = try sender.send(text, task * 100 + index)
              sent += 1
            } catch {
              guard case .quotaFull = error else { throw error }
            }
          }
          return sent
        }
      }
      return try await group.reduce(0, +)
    }
  }

  @Test("a full outbox says how much waits and what the limits are, and takes more once something left")
  func quotaError() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    let quota = OutboxQuota(messages: 2, bytes: 100)
    var sender = try OutboxSender(state: state.open(), quota: quota)
    _ = try sender.send("one", 1)
    _ = try sender.send("two", 2)
    var error: OutboxError?
    do throws(OutboxError) { _ = try sender.send("three", 3) } catch let thrown { error = thrown }
    #expect(error == .quotaFull(OutboxCounted(messages: 2, bytes: 6), limit: quota))
    #expect(error?.description.contains("2 messages and 100 bytes") == true)
    try drain.scan()
    let (token, _) = try drain.takeMessage()
    try drain.finish(token)
    _ = try sender.send("three", 3)
    try drain.scan()
    #expect(try drain.takeAll() == ["two", "three"])
  }

  @Test("a send with sync arrives like any other")
  func sync() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    var sender = try OutboxSender(state: state.open())
    let name = try sender.send("durable", 1, sync: true)
    drain.noticed(name.text.utf8.span)
    #expect(try drain.takeAll() == ["durable"])
  }

  @Test("where no daemon ever ran, the missing folder is named")
  func missing() throws {
    let state = TemporaryState()
    var error: OutboxError?
    do throws(OutboxError) {
      _ = try OutboxSender(state: try folder(state.path))
    } catch let thrown { error = thrown }
    #expect(error == .missing(state.path + "/outbox"))
  }

  private func folder(_ path: String) throws(OutboxError) -> Folder {
    do { return try Folder(path) } catch { throw .system(error) }
  }

  @Test("nothing and more than the limit are refused before anything is claimed")
  func refused() throws {
    let state = TemporaryState()
    _ = try state.drain()
    var sender = try OutboxSender(state: state.open())
    let limit = Limits.messageBytesRange.upperBound
    for (text, reason) in [
      ("", OutboxReason.empty), (String(repeating: "x", count: limit + 1), .tooLarge(limit: limit)),
    ] {
      var error: OutboxError?
      do throws(OutboxError) { _ = try sender.send(text, 1) } catch let thrown { error = thrown }
      #expect(error == .refused(reason))
    }
    #expect(try state.held() == OutboxCounted(messages: 0, bytes: 0))
  }

  @Test("a folder removed under a sender is said so, and what was claimed is given back", arguments: ["tmp", "new"])
  func removedFolder(_ which: String) throws {
    let state = TemporaryState()
    _ = try state.drain()
    var sender = try OutboxSender(state: state.open())
    shell("rmdir '\(state.path)/outbox/\(which)'")
    var error: OutboxError?
    do throws(OutboxError) { _ = try sender.send("text", 1) } catch let thrown { error = thrown }
    #expect(error == .folderRemoved(state.path + "/outbox/" + which))
    #expect(try state.held() == OutboxCounted(messages: 0, bytes: 0))
    if which == "new" { #expect(try state.names("tmp").isEmpty) }
  }

  @Test("an id used twice at once is an error that leaves the other's file alone")
  func sameId() throws {
    let state = TemporaryState()
    _ = try state.drain()
    try state.put("other", "tmp", id(1).text)
    var sender = try OutboxSender(state: state.open())
    let before = try state.held()
    #expect(throws: OutboxError.self) { _ = try sender.send("mine", 1) }
    #expect(try state.read("tmp", id(1).text) == "other")
    #expect(try state.held() == before)
  }

  @Test("what is shared with a group has its permissions whatever the creation mask")
  func shared() throws {
    let state = TemporaryState()
    // Not umask, which is the whole process's: the mask in force takes the group's right to write in any case.
    var drain = try state.drain(.shared)
    var sender = try OutboxSender(state: state.open(), access: .shared)
    let name = try sender.send("text", 1)
    #expect(try state.folder("new").status(of: name.text).mode & 0o7777 == 0o660)
    #expect(try state.open().status(of: "outbox").mode & 0o7777 == 0o2770)
    #expect(try state.folder(".").status(of: "counts").mode & 0o7777 == 0o660)
    try drain.scan()
    #expect(try drain.takeAll() == ["text"])
  }

  @Test("alone, nobody else may look")
  func own() throws {
    let state = TemporaryState()
    _ = try state.drain()
    var sender = try OutboxSender(state: state.open())
    let name = try sender.send("text", 1)
    #expect(try state.folder("new").status(of: name.text).mode & 0o7777 == 0o600)
    #expect(try state.open().status(of: "outbox").mode & 0o7777 == 0o700)
    #expect(try state.folder(".").status(of: "counts").mode & 0o7777 == 0o600)
  }
}
