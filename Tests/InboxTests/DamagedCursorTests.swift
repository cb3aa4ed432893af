import Bytes
import Inbox
import Message
import Ring
import TestSupport
import Testing

@Suite("A cursor file with any one bit flipped")
struct DamagedCursorTests {
  @Test("is refused, or gives messages as they were written up to the queue's end, and then works again")
  func everyBit() throws {
    var queue = try Queue()
    try queue.append(20)
    try queue.lose(5, .trimmed)
    try queue.append(15)
    try queue.get(nil, BatchLimits(entries: 12, bytes: .max))
    let end = queue.writer.nextSequence
    let path = queue.temporary.path + "/cursors/default"
    let whole = contents(path)
    var refused = 0
    for offset in whole.indices {
      for bit in 0..<8 {
        var damaged = whole
        damaged[offset] ^= 1 << UInt8(bit)
        setContents(path, damaged)
        let note = Comment(rawValue: "bit \(bit) of byte \(offset)")
        do throws(InboxError) {
          _ = try Consumer.open(
            ConsumerIdentity(agent: nil, consumer: nil, unfiltered: false), queue: "queue.ring", cursors: "cursors",
            in: queue.folder, .readOnly)
        } catch {
          guard case .cursor = error, offset < 40 else { throw error }
          refused += 1
          continue
        }
        try again(queue, note)
        var counting = try queue.consumer(readOnly: true)
        let tally = try counting.tally()
        #expect(tally.total <= end && tally.unread <= tally.total, note)
        // Whatever it gives: a message's text is its number, or `parse` throws.
        let given = try queue.get()
        #expect(given.count <= 37, note)
        #expect(try queue.get() == [], note)
        #expect(try queue.cursor()?.next == end, note)
        try again(queue, note)
      }
    }
    #expect(refused == 40 * 8)
  }

  /// Reads the last batch once more, as `clawq get --again` does.
  private func again(_ queue: borrowing Queue, _ note: Comment) throws {
    var consumer = try queue.consumer(readOnly: true)
    guard let last = consumer.lastBatch else { return }
    try consumer.seek(to: last.start)
    _ = try consumer.get(until: last.end, commit: false)
  }
}
