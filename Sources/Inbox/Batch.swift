package import Bytes
internal import Message
package import Ring

/// How a batch is written.
package enum BatchFormat: Sendable {
  /// One JSON array on one line.
  case array
  /// One JSON object on each line.
  case lines
}

/// What limits a batch. The first entry is taken whatever its size.
package struct BatchLimits: Sendable {
  /// The most entries: messages and losses.
  package var entries: Int
  /// The most bytes of output.
  package var bytes: Int

  package init(entries: Int, bytes: Int) {
    self.entries = entries
    self.bytes = bytes
  }

  /// What an agent's tool shows without cutting it.
  package static let standard = BatchLimits(entries: 50, bytes: 32 * 1024)
  package static let none = BatchLimits(entries: .max, bytes: .max)
}

/// A run of the queue as it was given to a consumer.
package struct Batch: Equatable, Sendable {
  package var messages = 0
  /// Messages reported lost in it; losses of unknown number count as none.
  package var lost: UInt64 = 0
  /// Entries reporting a loss.
  package var losses = 0
  /// Of them: those of unknown number.
  package var uncounted = 0
  /// What keeps the consumer from reading on behind it, where that is damage in the queue.
  package fileprivate(set) var damage: QueueError?
  /// Every sequence number before this is accounted for once the output has been written.
  package fileprivate(set) var end: UInt64
  fileprivate var hint: UInt64
  fileprivate var ranges: [Range<UInt64>] = []

  package var isEmpty: Bool { messages == 0 && losses == 0 }

  /// How many of the sequence numbers from `start` on it reported lost.
  func lost(since start: UInt64) -> UInt64 {
    ranges.reduce(0) { $0 + ($1.upperBound > start ? $1.upperBound - max($1.lowerBound, start) : 0) }
  }
}

/// How much is left for a consumer.
package enum Remainder: Equatable, Sendable {
  /// Sequence numbers for one that reads all; messages and losses for one with a filter.
  case exactly(UInt64)
  /// Messages and losses, among those that were looked at; there are others behind them, perhaps for others.
  case atLeast(UInt64)
}

extension Consumer {
  /// Writes the next entries to `buffer`, up to `limits`, and of what lies before the sequence number `end`. The
  /// consumer stands behind what was written afterwards.
  ///
  /// Where the queue is damaged behind the first entry, what comes before that is given; where it is damaged at once,
  /// that is thrown.
  package mutating func collect(
    _ limits: BatchLimits, _ format: BatchFormat, until end: UInt64 = .max, to buffer: inout ByteBuffer
  ) throws(InboxError) -> Batch {
    var batch = Batch(end: next, hint: position)
    let before = buffer.count
    let closing: StaticString = format == .array ? "]\n" : ""
    if format == .array { buffer.append("[") }
    while batch.messages + batch.losses < limits.entries, next < end {
      let start = buffer.count
      let entry: Entry
      do throws(InboxError) {
        guard let found = try nextEntry(before: end)?.clipped(to: end) else { break }
        entry = found
      } catch {
        guard !batch.isEmpty, let damage = error.damage else { throw error }
        batch.damage = damage
        break
      }
      if format == .array, !batch.isEmpty { buffer.append(",") }
      try append(entry, to: &buffer)
      if format == .lines { buffer.append("\n") }
      if !batch.isEmpty, buffer.count - before + closing.utf8CodeUnitCount > limits.bytes {
        // It stays for the next batch: the cursor goes no further than the one before it.
        buffer.truncate(to: start)
        buffer.append(closing)
        try go(to: batch.end, hint: batch.hint)
        return batch
      }
      batch.add(entry)
      batch.end = min(next, end)
      batch.hint = position
    }
    buffer.append(closing)
    // What was passed over behind the last entry need not be looked at again.
    batch.end = min(next, max(end, batch.end))
    batch.hint = position
    if next > batch.end { try go(to: batch.end, hint: batch.hint) }
    return batch
  }

  /// Appends the JSON object of what `nextEntry` just answered, without a line end.
  package func append(_ entry: Entry, to buffer: inout ByteBuffer) throws(InboxError) {
    switch entry {
    case .loss(let sequence, let count, let reason):
      ConsumerOutput.appendLoss(sequence: sequence, count: count, reason: reason, to: &buffer)
    case .message(let sequence):
      do { try ConsumerOutput.appendMessage(payload, sequence: sequence, to: &buffer) } catch {
        throw .queue(.damaged(path: reader.path, what: "message \(sequence): \(error)"))
      }
    }
  }

  /// Marks the batch read. To be called when its output was written out whole.
  ///
  /// Where it throws, the same is given again next time.
  package func commit(_ batch: Batch) throws(InboxError) {
    try advance(to: batch.end, hint: batch.hint, asBatch: !batch.isEmpty) { start in batch.lost(since: start) }
  }

  /// Counts what is left for this consumer, from where it has come to, and not beyond the sequence number `end`.
  package mutating func countRest(until end: UInt64 = .max) throws(InboxError) -> Batch {
    let (rest, error) = countReadable(until: end)
    if let error { throw error }
    return rest
  }

  /// Says how much is left before the sequence number `end`. The time it takes does not grow with it, so that who reads
  /// a long queue in batches does not count all of the rest each time.
  package mutating func remainder(until end: UInt64 = .max) throws(InboxError) -> Remainder {
    let last: UInt64
    do { last = min(end, try reader.nextSequence()) } catch { throw .queue(error) }
    guard next < last else { return .exactly(0) }
    if identity.agent == nil { return .exactly(last - next) }
    let horizon = min(last, next + Self.countedAhead)
    let rest = try countRest(until: horizon)
    let found = UInt64(rest.messages + rest.losses)
    return horizon == last ? .exactly(found) : .atLeast(found)
  }

  /// How many sequence numbers a filter is applied to only to say how many more there are.
  private static let countedAhead: UInt64 = 1000

  /// Counts what is left, and goes behind the newest record also where not all between can be read: `damage` of the
  /// answer says so. What is behind the damage is in none of its counts.
  package mutating func countAndSkipDamage() throws(InboxError) -> Batch {
    var (rest, error) = countReadable(until: .max)
    guard let error else { return rest }
    guard let damage = error.damage else { throw error }
    try seekToEnd()
    rest.damage = damage
    rest.end = next
    rest.hint = position
    return rest
  }

  private mutating func countReadable(until end: UInt64) -> (Batch, InboxError?) {
    var rest = Batch(end: next, hint: position)
    do throws(InboxError) {
      while next < end, let entry = try nextEntry(before: end)?.clipped(to: end) {
        rest.add(entry)
        // Behind an entry that reaches beyond the end, the record that stands at `end` is not the next.
        if next <= end { rest.hint = position }
      }
    } catch {
      return (rest, error)
    }
    rest.end = min(next, max(end, rest.end))
    if next <= end { rest.hint = position }
    return (rest, nil)
  }
}

extension Entry {
  /// What of it lies before `end`; nil where nothing does.
  fileprivate func clipped(to end: UInt64) -> Entry? {
    switch self {
    case .message(let sequence): sequence < end ? self : nil
    case .loss(let sequence, let count, let reason):
      sequence < end ? .loss(sequence: sequence, count: min(count, end - sequence), reason: reason) : nil
    }
  }
}

extension Batch {
  fileprivate mutating func add(_ entry: Entry) {
    switch entry {
    case .message: messages += 1
    case .loss(let sequence, let count, let reason):
      losses += 1
      lost += reason.told(count)
      if reason.told(count) == 0 { uncounted += 1 }
      if count > 0 { ranges.append(sequence..<sequence + count) }
    }
  }
}
