import Bytes
import Inbox
import Message
import Ring
import System
import TestSupport
import Testing

@Suite("A consumer")
struct ConsumerTests {
  // MARK: The filter

  @Test("with --as gets what is for it or for all, and neither its own messages nor those for others")
  func filter() throws {
    var queue = try Queue()
    let sent: [(String, String?)] = [
      ("elon", nil), ("ann", nil), ("ann", "elon"), ("ann", "ELON"), ("ann", "bob"), ("Elon", "elon"), ("ann", "all"),
      ("ann", "All"), ("ann", "*"), ("ann", "elo"), ("ann", "elonx"), ("ann", ""),
    ]
    for (from, to) in sent { try queue.append(1, from: from, to: to) }
    let found = try queue.get("eLoN")
    #expect(found == messages([2, 3, 4, 7, 8, 9, 12]))
    let again = try queue.get("elon")
    #expect(again == [], "the same cursor, whatever the case")
    var unfiltered = try queue.consumer("Elon", unfiltered: true, readOnly: true)
    try unfiltered.seek(to: 1)
    let rest = try unfiltered.rest()
    #expect(rest == messages(1...12))
    let all = try queue.get()
    #expect(all == messages(1...12), "without a name everything")
  }

  @Test("knows names that are written with escapes, and member names that are")
  func escapes() throws {
    var queue = try Queue()
    try queue.append(#"{"from":"\u0065lon","text":"1"}"#)
    try queue.append(#"{"fro\u006d":"elon","text":"2"}"#)
    try queue.append(#"{"from":"a","text":"3","t\u006f":"ELO\u004E"}"#)
    try queue.append(#"{"from":"a","text":"4","\u0074\u006f":"b\u006fb"}"#)
    try queue.append(#"{"from":"a","text":"5","to":"\u0061ll"}"#)
    try queue.append(#"{"from":"a","text":"6","to":"\u002a"}"#)
    // What is no string addresses nobody in particular; of two the last counts.
    try queue.append(#"{"from":"a","text":"7","to":null}"#)
    try queue.append(#"{"from":"a","text":"8","to":["bob"]}"#)
    try queue.append(#"{"from":"a","text":"9","to":"elon","to":"bob"}"#)
    try queue.append(#"{"from":"elon","from":"a","text":"10","to":"bob","to":"elon"}"#)
    let found = try queue.get("elon")
    #expect(found == messages([3, 5, 6, 7, 8, 10]))
  }

  @Test("--consumer is the cursor alone, the filter stays the agent's")
  func consumerName() throws {
    var queue = try Queue()
    try queue.append(1, from: "elon")
    try queue.append(1, from: "ann")
    let identity = ConsumerIdentity(
      agent: try AgentName("elon"), consumer: try AgentName("My Cursor"), unfiltered: false)
    #expect(identity.cursor == "my%20cursor")
    var consumer = try queue.consumer(identity)
    let found = try consumer.get()
    #expect(found == messages(2...2))
    let marks = (try queue.cursor("my%20cursor"), try queue.cursor("elon"))
    #expect(marks.0?.next == 3 && marks.1 == nil)
  }

  @Test("a record that is no message is a loss of one, and what follows it is read")
  func invalid() throws {
    var queue = try Queue()
    try queue.append(1)
    try queue.append("not JSON")
    try queue.append("{}")
    try queue.append(1)
    let found = try queue.get()
    #expect(
      found == [
        .message(sequence: 1), .loss(sequence: 2, count: 1, reason: .invalid),
        .loss(sequence: 3, count: 1, reason: .invalid), .message(sequence: 4),
      ])
  }

  // MARK: Where it begins

  @Test("the default consumer begins with the first message ever, any other with the oldest there is")
  func newcomer() throws {
    var queue = try Queue()
    try queue.append(3)
    try queue.lap()
    var newcomer = try queue.consumer("bob")
    let begin = newcomer.next
    let found = try newcomer.get()
    #expect(begin > 3 && found == messages(begin...(queue.writer.nextSequence - 1)))
    let mark = try queue.cursor("bob")
    #expect(mark?.start == begin)
    let all = try queue.get()
    #expect(all.first == .loss(sequence: 1, count: begin - 1, reason: .overwritten))
    #expect(Array(all.dropFirst()) == found)
    let own = try queue.cursor()
    #expect(own?.start == 1 && own?.lost == begin - 1)
  }

  @Test("looking makes no cursor, and moves none")
  func readOnly() throws {
    var queue = try Queue()
    try queue.append(3)
    var looking = try queue.consumer(readOnly: true)
    var found = try looking.get()
    #expect(found == messages(1...3) && looking.mark == nil)
    let exists = try queue.folder.contains("cursors")
    #expect(!exists)
    try queue.get()
    try queue.append(2)
    looking = try queue.consumer(readOnly: true)
    found = try looking.get(commit: false)
    #expect(found == messages(4...5))
    let mark = try queue.cursor()
    #expect(mark?.next == 4)
  }

  // MARK: Queues that are not the one the cursor knew

  @Test("a new queue is one loss of unknown number, and then all of it, also where it is longer than the cursor")
  func newQueue() throws {
    var queue = try Queue()
    try queue.append(3)
    try queue.get()
    try queue.replace()
    try queue.append(5)
    let told: [Entry] = [.loss(sequence: 1, count: 0, reason: .newQueue)] + messages(1...5)
    var looking = try queue.consumer(readOnly: true)
    let seen = try looking.rest()
    let found = try queue.get()
    let again = try queue.get()
    #expect(seen == told && found == told && again == [])
  }

  @Test("a new queue is told of until it was really told: without commit it is told again")
  func newQueueWithoutCommit() throws {
    var queue = try Queue()
    try queue.append(3)
    try queue.get()
    try queue.replace()
    try queue.append(1)
    let told: [Entry] = [.loss(sequence: 1, count: 0, reason: .newQueue), .message(sequence: 1)]
    for _ in 0..<2 {
      let found = try queue.get(commit: false)
      #expect(found == told)
    }
    let first = try queue.get(nil, BatchLimits(entries: 1, bytes: .max))
    let second = try queue.get()
    let third = try queue.get()
    #expect(first == Array(told[..<1]) && second == Array(told[1...]) && third == [])
  }

  @Test("a cursor ahead of its queue is told as a reset until it was read, once, and then works again")
  func ahead() throws {
    var queue = try Queue()
    try queue.append(5)
    try queue.get()
    // The 64-bit `next` at offset 64.
    overwrite(queue.temporary.path + "/cursors/default", at: 64, [200, 0, 0, 0, 0, 0, 0, 0])
    let told: [Entry] = [.loss(sequence: 1, count: 0, reason: .reset)] + messages(1...5)
    var looking = try queue.consumer(readOnly: true)
    let seen = try looking.rest()
    let unmarked = try queue.get(commit: false)
    let found = try queue.get()
    #expect(seen == told && unmarked == told && found == told)
    let again = try queue.get()
    #expect(again == [])
    try queue.append(2)
    let new = try queue.get()
    #expect(new == messages(6...7))
  }

  @Test("a cursor ahead of its queue is not set back by who was slow, once another has and has come there again")
  func aheadNoMore() throws {
    var queue = try Queue()
    try queue.append(5)
    try queue.get()
    overwrite(queue.temporary.path + "/cursors/default", at: 64, [20, 0, 0, 0, 0, 0, 0, 0])
    var slow = try queue.consumer()
    var buffer = ByteBuffer(capacity: 1024)
    let batch = try slow.collect(.none, .lines, to: &buffer)
    try queue.get()
    try queue.append(14)
    try queue.get()
    #expect(try queue.cursor()?.next == 20)
    try slow.commit(batch)
    #expect(try queue.cursor()?.next == 20)
  }

  @Test("a cursor of a newer queue is not replaced by who was slow, nor one where there is no queue any more")
  func newerQueue() throws {
    var queue = try Queue()
    try queue.append(3)
    try queue.get()
    try queue.replace()
    try queue.append(3)
    var slow = try queue.consumer()
    var buffer = ByteBuffer(capacity: 1024)
    let batch = try slow.collect(.none, .lines, to: &buffer)
    let before = try queue.cursor()
    _ = try queue.folder.remove("queue.ring")
    try slow.commit(batch)
    #expect(try queue.cursor() == before)
    try queue.reopen()
    try queue.append(2)
    try queue.get()
    let mark = try queue.cursor()
    #expect(mark?.generation == queue.writer.generation && mark?.next == 3)
    try slow.commit(batch)
    #expect(try queue.cursor() == mark)
  }

  // MARK: Losses

  @Test("losses stand where they happened, with their number and reason")
  func losses() throws {
    var queue = try Queue()
    try queue.append(1)
    try queue.lose(4, .trimmed)
    try queue.append(1)
    try queue.lose(1, .tooLarge)
    let found = try queue.get()
    #expect(
      found == [
        .message(sequence: 1), .loss(sequence: 2, count: 4, reason: .trimmed), .message(sequence: 6),
        .loss(sequence: 7, count: 1, reason: .tooLarge),
      ])
    let mark = try queue.cursor()
    #expect(mark?.lost == 5 && mark?.next == 8)
  }

  @Test(
    "a cursor in the middle of a loss has the rest of it before it, and no more",
    arguments: 2...6 as ClosedRange<UInt64>)
  func middle(place: UInt64) throws {
    var queue = try Queue()
    try queue.append(1)
    try queue.lose(5, .trimmed)
    try queue.append(1)
    var consumer = try queue.consumer()
    try consumer.seek(to: place)
    #expect(consumer.next == place)
    let rest = try consumer.rest()
    #expect(rest == [.loss(sequence: place, count: 7 - place, reason: .trimmed), .message(sequence: 7)])
  }

  @Test("nor where the loss is overwritten before it is read")
  func middleOverwritten() throws {
    var queue = try Queue()
    try queue.append(1)
    try queue.lose(5, .trimmed)
    try queue.lap()
    var consumer = try queue.consumer()
    try consumer.seek(to: 4)
    guard case .loss(let sequence, let count, .overwritten) = try consumer.nextEntry(),
      case .message(let next) = try consumer.nextEntry()
    else {
      Issue.record("no loss and then a message")
      return
    }
    #expect(sequence == 4 && sequence + count == next)
  }

  @Test("going to a number that is not there yet finds nothing, and to 0 the beginning")
  func seeks() throws {
    var queue = try Queue()
    try queue.append(3)
    var consumer = try queue.consumer()
    for (target, expected) in [(100, []), (0, [1, 2, 3]), (3, [3])] as [(UInt64, [UInt64])] {
      try consumer.seek(to: target)
      let rest = try consumer.rest()
      #expect(rest == messages(expected))
    }
  }

  @Test("what is no cursor is refused, not overwritten", arguments: [true, false])
  func foreignCursor(readOnly: Bool) throws {
    let queue = try Queue()
    try queue.folder.makeFolder("cursors", permissions: 0o700)
    let path = queue.temporary.write("cursors/default", String(repeating: "x", count: 200))
    var fault: InboxError?
    do { _ = try queue.consumer(readOnly: readOnly).next } catch { fault = error as? InboxError }
    guard case .cursor(.damaged) = fault else {
      Issue.record("\(String(describing: fault))")
      return
    }
    #expect(contents(path) == Array(String(repeating: "x", count: 200).utf8))
  }

  @Test("where there is no queue it says so")
  func missing() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let identity = ConsumerIdentity(agent: nil, consumer: nil, unfiltered: false)
    var fault: InboxError?
    do throws(InboxError) {
      _ = try Consumer.open(identity, queue: "queue.ring", cursors: "cursors", in: folder, .readOnly).next
    } catch {
      fault = error
    }
    #expect(fault == .queue(.missing(path: temporary.path + "/queue.ring")))
  }
}
