import Bytes
import Glibc
import System
import TestSupport
import Testing

@testable import Outbox

@Suite("Draining")
struct DrainTests {
  /// An outbox with the messages "0", "1", … waiting.
  private func filled(_ count: Int) throws -> TemporaryState {
    let state = TemporaryState()
    _ = try state.drain()
    var sender = try OutboxSender(state: state.open())
    for index in 0..<count { _ = try sender.send("\(index)", index) }
    return state
  }

  @Test("several in flight finish in order; each leaves new/ when it is finished and not before")
  func inFlight() throws {
    let state = try filled(3)
    var drain = try state.drain()
    try drain.scan()
    let tokens = try (0..<3).map { index in
      let (token, text) = try drain.takeMessage()
      #expect(text == "\(index)")
      return token
    }
    let afterLast = try drain.take().0
    #expect(afterLast == .empty)
    for (index, token) in tokens.enumerated() {
      #expect(try state.names("new").count == 3 - index)
      try drain.finish(token)
    }
    #expect(try state.names("new").isEmpty)
  }

  @Test("what was in flight at a disconnect is sent again in its old order, before what came later")
  func putBack() throws {
    let state = try filled(5)
    var drain = try state.drain()
    try drain.scan()
    let first = try drain.takeMessage().0
    let second = try drain.takeMessage().0
    _ = try drain.takeMessage()
    try drain.finish(first)
    drain.putBack()
    // An answer that comes late, for a token of the time before, changes nothing.
    try drain.finish(second)
    let late = try drain.fail(second, .rejected("late"))
    #expect(late == nil)
    #expect(try state.names("new").count == 4)
    #expect(try drain.takeAll() == ["1", "2", "3", "4"])
  }

  @Test("notices in any order and repeated give each message once, in order")
  func notices() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    var sender = try OutboxSender(state: state.open())
    let names = try (0..<6).map { try sender.send("\($0)", $0).text }
    for index in [3, 0, 5, 3, 1, 4, 2, 0] { drain.noticed(names[index].utf8.span) }
    let (token, text) = try drain.takeMessage()
    #expect(text == "0")
    // Again while it is in flight, by notice and by listing.
    drain.noticed(names[0].utf8.span)
    try drain.scan()
    let (second, secondText) = try drain.takeMessage()
    #expect(secondText == "1")
    try drain.finish(token)
    try drain.finish(second)
    drain.noticed(names[0].utf8.span)
    #expect(try drain.takeAll() == ["2", "3", "4", "5"])
    #expect(drain.counted == OutboxCounted(messages: 0, bytes: 0))
  }

  @Test("a name that comes back into order while later ones are in flight is still sent, once")
  func lateLower() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    try state.put("eight", "new", name(8))
    drain.noticed(name(8).utf8.span)
    let eight = try drain.takeMessage().0
    try state.put("seven", "new", name(7))
    drain.noticed(name(7).utf8.span)
    drain.noticed(name(8).utf8.span)
    let (seven, text) = try drain.takeMessage()
    #expect(text == "seven")
    let end = try drain.take().0
    #expect(end == .empty)
    try drain.finish(eight)
    drain.putBack()
    #expect(try drain.takeAll() == ["seven"])
    try drain.finish(seven)
  }

  @Test("the heap gives random names sorted and without repetition")
  func heap() {
    var generator = SeededGenerator()
    var queue = OutboxQueue(reserving: 10)
    var expected: Set<OutboxName> = []
    for _ in 0..<2000 {
      let name = OutboxName(number: generator.next() % 500 + 1, id: id(Int(generator.next() % 3)))
      queue.insert(name)
      expected.insert(name)
    }
    var given: [OutboxName] = []
    while let name = queue.removeFirst() { given.append(name) }
    #expect(given == expected.sorted(), "\(generator)")
    #expect(queue.count == 0)
  }

  @Test("10,000 waiting messages are drained in order")
  func many() throws {
    let state = try filled(Limits.outboxMessages)
    var drain = try state.drain()
    try drain.scan()
    #expect(drain.waitingCount == Limits.outboxMessages)
    let texts = try drain.takeAll()
    #expect(texts == (0..<Limits.outboxMessages).map(String.init))
    #expect(drain.counted == OutboxCounted(messages: 0, bytes: 0))
  }

  @Test("a flood of notices is not kept: a scan is asked for, and nothing is lost")
  func flood() throws {
    let state = try filled(2)
    var drain = try state.drain()
    try drain.scan()
    let repeated = name(1, 0)
    for _ in 0..<Limits.outboxNames + 10 { drain.noticed(repeated.utf8.span) }
    #expect(drain.waitingCount <= Limits.outboxNames)
    try state.put("late", "new", name(9))
    drain.noticed(name(9).utf8.span)
    let next = try drain.take().0
    #expect(next == .scanNeeded)
    try drain.scan()
    #expect(try drain.takeAll() == ["0", "1", "late"])
  }

  @Test("a rejected message goes to failed/ with its reason in one line, and leaves the counts")
  func failing() throws {
    let state = try filled(2)
    var drain = try state.drain()
    try drain.scan()
    let token = try drain.takeMessage().0
    let failure = try drain.fail(token, .rejected("not a\nJSON object\u{2028}\u{7}!"))
    #expect(
      failure == OutboxFailure(name: token.name.text, reason: .rejected("not a\nJSON object\u{2028}\u{7}!"), stuck: nil)
    )
    #expect(try state.read("failed", token.name.text) == "0")
    #expect(try state.read("failed", token.name.text + ".reason") == "not a JSON object  !\n")
    #expect(drain.counted == OutboxCounted(messages: 1, bytes: 1))
    #expect(try drain.takeAll() == ["1"])
  }

  @Test("a reason of any length is cut at a character")
  func longReason() {
    let text = OutboxReason.rejected(String(repeating: "\u{1F600}", count: 1000)).text
    #expect(text == String(repeating: "\u{1F600}", count: Limits.outboxReasonBytes / 4))
  }

  @Test("the largest message is taken, one byte more is not")
  func size() throws {
    let state = TemporaryState()
    var drain = try state.drain(limit: 100_000)
    var sender = try OutboxSender(state: state.open())
    _ = try sender.send(String(repeating: "a", count: 100_000), 1)
    let tooLarge = try sender.send(String(repeating: "b", count: 100_001), 2)
    try drain.scan()
    let (token, text) = try drain.takeMessage()
    #expect(text.utf8.count == 100_000)
    try drain.finish(token)
    let next = try drain.take()
    #expect(next.0 == .failed(OutboxFailure(name: tooLarge.text, reason: .tooLarge(limit: 100_000), stuck: nil)))
    #expect(next.1.isEmpty)
    #expect(drain.counted == OutboxCounted(messages: 0, bytes: 0))
  }

  @Test("a batch stands one after the other in one buffer")
  func batch() throws {
    let state = try filled(3)
    var drain = try state.drain()
    try drain.scan()
    var buffer = ByteBuffer(capacity: 1)
    var sizes: [Int] = []
    while case .message(let token) = try drain.next(into: &buffer) { sizes.append(token.byteCount) }
    #expect(sizes == [1, 1, 1])
    #expect(String(repairing: buffer.readable) == "012")
  }
}

@Suite("Status")
struct StatusTests {
  @Test("no outbox gives zeros")
  func missing() throws {
    let status = try OutboxStatus(state: TemporaryState().open(), now: 5)
    #expect(
      status.new == status.stored && status.stored == status.failed && status.new.count == 0
        && status.new.oldestAge == nil)
  }

  @Test("counts what waits, is stored and has failed, and the age of the first")
  func counts() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    var sender = try OutboxSender(state: state.open())
    let names = try (0..<4).map { try sender.send("x", $0) }
    try drain.scan()
    let token = try drain.takeMessage().0
    _ = try drain.fail(token, .rejected("no"))
    try state.put("s", "stored", name(77))
    let written = try state.folder("new").status(of: names[1].text).modified
    let status = try OutboxStatus(state: state.open(), now: written + .seconds(9))
    #expect(status.new.count == 3 && status.stored.count == 1 && status.failed.count == 1)
    #expect(status.new.oldestAge == .seconds(9))
    // What is in the others is as old as the first that was sent of them, whatever stands beside it.
    try state.put("young", "failed", name(900))
    try state.put("strange", "failed", "%2E")
    for (folder, file, at) in [("stored", name(77), 5), ("failed", names[0].text, 7)] as [(String, String, UInt64)] {
      shell("touch -d '@\(at)' '\(state.path)/outbox/\(folder)/\(file)'")
    }
    let later = try OutboxStatus(state: state.open(), now: .seconds(10))
    #expect(later.stored.oldestAge == .seconds(5))
    #expect(later.failed.count == 3 && later.failed.oldestAge == .seconds(3))
    let early = try OutboxStatus(state: state.open(), now: 0)
    #expect(early.new.oldestAge == 0)
  }
}
