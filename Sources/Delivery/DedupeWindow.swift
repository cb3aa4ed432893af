package import Bytes

/// The messages that the queue holds, so that none is put there twice: keys in the order of the queue, found by hashing.
///
///     entries  │ oldest … newest │          a ring, in the order of the queue
///     slots    │ 0 │ 7 │ 0 │ 3 │ …          entry number + 1, at its key's hash or behind (linear probing)
///
/// It forgets what the queue has overwritten: what a message's record no longer shows is no reason to suppress one. Memory
/// is doubled when it is full, up to `limit` messages; reading and noting allocate nothing else.
///
/// Invariant: count <= entries.count; slots.count >= 2 * entries.count, both powers of two.
package struct DedupeWindow: ~Copyable {
  /// Beyond this many the oldest are forgotten although the queue has them still: 48 bytes each, and 8 for the slots.
  package static let limit = 1 << 18

  private struct Entry: BitwiseCopyable {
    var key = MessageKey(StreamID.zero)
    /// Where the entry stands in the stream; zero for what never was there.
    var place = StreamID.zero
    /// Where its record ends in the queue file.
    var end: UInt64 = 0
    /// The checksum of its bytes; 0: of no known bytes, alike to all.
    var fingerprint: UInt32 = 0
  }

  /// What is known of a message.
  package enum Knowledge: Equatable, Sendable {
    case unknown
    case known
    /// The key is known, of a message with other bytes.
    case differs
  }

  private var entries: [Entry]
  private var slots: [UInt32]
  private var head = 0
  package private(set) var count = 0

  /// - Parameter capacity: how many messages there is room for at first; a power of two.
  package init(capacity: Int = 1024) {
    precondition(capacity > 0 && capacity & (capacity - 1) == 0, "a power of two")
    entries = Array(repeating: Entry(), count: capacity)
    slots = Array(repeating: 0, count: capacity * 2)
  }

  /// What is known of a message with this key.
  ///
  /// - Parameter fingerprint: the CRC-32C of its bytes, or 0 where they are not known.
  package func knowledge(of key: MessageKey, fingerprint: UInt32) -> Knowledge {
    var found = Knowledge.unknown
    var slot = home(key)
    while slots[slot] != 0 {
      let entry = entries[Int(slots[slot]) - 1]
      if entry.key == key {
        if entry.fingerprint == fingerprint || entry.fingerprint == 0 || fingerprint == 0 { return .known }
        found = .differs
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    return found
  }

  /// Whether this message is known as one that stands in the stream, and not only from being heard.
  package func isInStream(_ key: MessageKey, fingerprint: UInt32) -> Bool {
    var slot = home(key)
    while slots[slot] != 0 {
      let entry = entries[Int(slots[slot]) - 1]
      if entry.key == key, entry.place != .zero, entry.fingerprint == fingerprint { return true }
      slot = (slot + 1) & (slots.count - 1)
    }
    return false
  }

  /// Notes the newest message.
  ///
  /// - Parameters:
  ///   - place: of its entry in the stream; zero where it is in none.
  ///   - end: where its record ends in the queue file.
  package mutating func note(_ key: MessageKey, fingerprint: UInt32, place: StreamID, end: UInt64) {
    if count == entries.count {
      if count < Self.limit { grow() } else { forgetOldest() }
    }
    let index = (head + count) & (entries.count - 1)
    entries[index] = Entry(key: key, place: place, end: end, fingerprint: fingerprint)
    count += 1
    insert(index)
  }

  /// Forgets what the queue has overwritten: every record that ends at `oldest` or before.
  package mutating func forget(before oldest: UInt64) {
    while count > 0, entries[head].end <= oldest { forgetOldest() }
  }

  /// Where the messages stood counts no more: that was in another stream.
  package mutating func forgetPlaces() {
    for offset in 0..<count { entries[(head + offset) & (entries.count - 1)].place = .zero }
  }

  /// The stream id of the oldest message that was in the stream; nil where none was.
  package var oldestPlace: StreamID? {
    for offset in 0..<count {
      let place = entries[(head + offset) & (entries.count - 1)].place
      if place != .zero { return place }
    }
    return nil
  }

  /// Whether the newest message that is known to stand at `place` in the stream is another one: then it is another stream,
  /// or ids were given anew.
  package func hasAnother(at place: StreamID, than key: MessageKey, fingerprint: UInt32) -> Bool {
    for offset in stride(from: count - 1, through: 0, by: -1) {
      let entry = entries[(head + offset) & (entries.count - 1)]
      guard entry.place == place else { continue }
      // Of one that could not be delivered nothing is known but the place.
      if entry.key == MessageKey(place) { return false }
      return entry.key != key || !(entry.fingerprint == fingerprint || entry.fingerprint == 0 || fingerprint == 0)
    }
    return false
  }

  private func home(_ key: MessageKey) -> Int { Int(truncatingIfNeeded: key.hash) & (slots.count - 1) }

  private mutating func insert(_ index: Int) {
    var slot = home(entries[index].key)
    while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = UInt32(index + 1)
  }

  private mutating func forgetOldest() {
    var slot = home(entries[head].key)
    while slots[slot] != UInt32(head + 1) { slot = (slot + 1) & (slots.count - 1) }
    head = (head + 1) & (entries.count - 1)
    count -= 1
    // Whoever was pushed on by this one moves back, so that no search ends before it.
    var empty = slot
    var next = (slot + 1) & (slots.count - 1)
    while slots[next] != 0 {
      let wanted = home(entries[Int(slots[next]) - 1].key)
      if (next &- wanted) & (slots.count - 1) >= (next &- empty) & (slots.count - 1) {
        slots[empty] = slots[next]
        empty = next
      }
      next = (next + 1) & (slots.count - 1)
    }
    slots[empty] = 0
  }

  private mutating func grow() {
    var larger = Array(repeating: Entry(), count: entries.count * 2)
    for offset in 0..<count { larger[offset] = entries[(head + offset) & (entries.count - 1)] }
    entries = larger
    head = 0
    slots = Array(repeating: 0, count: larger.count * 2)
    for index in 0..<count { insert(index) }
  }
}
