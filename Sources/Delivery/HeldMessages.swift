package import Bytes
package import Message

/// Messages that came live and wait until the stream was read.
package struct HeldMessages: ~Copyable {
  private struct Entry: BitwiseCopyable {
    let start: Int
    let end: Int
    /// What it claims.
    let position: BusPosition?
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

  /// Holds a message back; where there is no room, it and all others are dropped: the stream has them.
  ///
  /// - Returns: how many were dropped.
  package mutating func hold(
    _ message: borrowing Span<UInt8>, _ position: BusPosition?, since reading: UInt64
  ) -> Int {
    guard message.count <= limit - bytes.count else {
      let dropped = entries.count + 1
      entries.removeAll(keepingCapacity: true)
      bytes.removeAll()
      hasDropped = true
      return dropped
    }
    let start = bytes.count
    bytes.append(contentsOf: message)
    entries.append(Entry(start: start, end: bytes.count, position: position, since: reading))
    return 0
  }

  /// Gives `body` the messages that claim the numbers of `range` in `epoch`, in the order of the numbers, each once: what was
  /// trimmed from the stream before it was read may have been heard.
  ///
  /// - Parameter entry: what they stood before; nil where nothing of the stream is behind them.
  package mutating func take(
    _ range: ClosedRange<UInt64>, of epoch: StreamEpoch, before entry: StreamID?,
    _ body: (borrowing Span<UInt8>, BusPosition) -> Void
  ) {
    var found: [(position: BusPosition, index: Int)] = []
    for index in entries.indices {
      guard let position = entries[index].position, entry.map({ position.id < $0 }) ?? true else { continue }
      if position.epoch == epoch, range.contains(position.number) {
        found.append((position, index))
      }
    }
    guard !found.isEmpty else { return }
    // Of two that claim one number the first is taken; the other is settled like any message that does not fit.
    found.sort { ($0.position.number, $0.index) < ($1.position.number, $1.index) }
    var last: UInt64?
    var taken = Set<Int>()
    for (position, index) in found where position.number != last {
      last = position.number
      taken.insert(index)
      body(bytes.readable.extracting(entries[index].start..<entries[index].end), position)
    }
    var kept: [Entry] = []
    for index in entries.indices where !taken.contains(index) { kept.append(entries[index]) }
    entries = kept
  }

  /// Gives every message to `body`, the oldest first; keeps those for which it answers true.
  package mutating func settle(_ body: (borrowing Span<UInt8>, _ since: UInt64) -> Bool) {
    hasDropped = false
    guard !entries.isEmpty else { return }
    var kept = HeldMessages(limit: limit)
    for entry in entries {
      let message = bytes.readable.extracting(entry.start..<entry.end)
      if body(message, entry.since) { _ = kept.hold(message, entry.position, since: entry.since) }
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
