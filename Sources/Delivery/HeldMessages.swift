internal import Bytes

/// Messages that came live and wait until the stream was read.
package struct HeldMessages: ~Copyable {
  private struct Entry: BitwiseCopyable {
    let start: Int
    let end: Int
    /// The reading that went on, or had ended last, when it came.
    let since: UInt64
  }

  private let limit: Int
  private var bytes = ByteBuffer(capacity: 4096)
  private var entries: [Entry] = []
  /// Some did not fit and are gone: the stream is to be read once more.
  package private(set) var hasDropped = false

  /// - Parameter limit: how many bytes are held.
  package init(limit: Int = Limits.heldBytes) { self.limit = limit }

  package var isEmpty: Bool { entries.isEmpty && !hasDropped }
  package var count: Int { entries.count }
  package var byteCount: Int { bytes.count }

  /// Holds a message back; where there is no room, it and all others are dropped: the stream has them.
  ///
  /// - Returns: how many were dropped.
  package mutating func hold(_ message: borrowing Span<UInt8>, since reading: UInt64) -> Int {
    guard message.count <= limit - bytes.count else {
      let dropped = entries.count + 1
      entries.removeAll(keepingCapacity: true)
      bytes.removeAll()
      hasDropped = true
      return dropped
    }
    let start = bytes.count
    bytes.append(contentsOf: message)
    entries.append(Entry(start: start, end: bytes.count, since: reading))
    return 0
  }

  /// Gives every message to `body`, the oldest first; keeps those for which it answers true.
  package mutating func settle(_ body: (borrowing Span<UInt8>, _ since: UInt64) -> Bool) {
    hasDropped = false
    guard !entries.isEmpty else { return }
    var kept = HeldMessages(limit: limit)
    for entry in entries {
      let message = bytes.readable.extracting(entry.start..<entry.end)
      if body(message, entry.since) { _ = kept.hold(message, since: entry.since) }
    }
    self = kept
  }

  /// Forgets all: the link is down, and what they were will be read from the stream.
  package mutating func removeAll() {
    entries.removeAll(keepingCapacity: true)
    bytes.removeAll()
    hasDropped = false
  }
}
