internal import Message
internal import Ring

// What a reader needs who shows what there is and goes on with what comes, and leaves every cursor alone.

/// How far a reader has come, for it to go on in another file of the same name.
package struct ReadingPlace: Equatable, Sendable {
  /// The queue in which it counts.
  package let generation: UInt64
  /// The sequence number of the next record.
  package let next: UInt64
  /// Where that probably is.
  fileprivate let hint: UInt64
}

extension Consumer {
  package var place: ReadingPlace { ReadingPlace(generation: reader.generation, next: next, hint: position) }

  /// Goes on where `place` was, perhaps in an earlier file of the queue's name. Where this is another queue, or lacks
  /// what was read already, the next entry says so, and then comes all there is.
  package mutating func resume(at place: ReadingPlace) throws(InboxError) {
    let end: UInt64
    do { end = try reader.nextSequence() } catch { throw .queue(error) }
    guard place.generation == reader.generation, place.next <= end else {
      try go(to: 1, hint: 0)
      owed = place.generation == reader.generation ? .reset : .newQueue
      return
    }
    owed = nil
    try go(to: place.next, hint: place.hint)
  }

  /// Goes to where the last `count` messages for this consumer begin, of those that are in the queue now; to the oldest
  /// record where they are not so many.
  ///
  /// Looks at the newest records first, and at four times as many for as long as too few of them are for this consumer.
  package mutating func seek(toLast count: Int) throws(InboxError) {
    try seekToEnd()
    guard count > 0 else { return }
    let end = next
    var width = UInt64(max(count, Self.firstWidth))
    while true {
      try seekToOldest()
      let isWhole = end <= width || next >= end - width
      if !isWhole { try go(to: end - width, hint: 0) }
      if let start = try startOfLast(count, before: end) { return try go(to: start.next, hint: start.hint) }
      if isWhole { return try seekToOldest() }
      width = width.multipliedReportingOverflow(by: 4).overflow ? .max : width * 4
    }
  }

  /// Where the last `count` messages before `end` begin; nil where there are fewer from here on.
  private mutating func startOfLast(_ count: Int, before end: UInt64) throws(InboxError) -> ReadingPlace? {
    // Round and round: the oldest of the last `count` stands where the next one goes.
    var starts: [ReadingPlace] = []
    var oldest = 0
    while true {
      let start = place
      guard let entry = try nextEntry(before: end) else { break }
      guard case .message = entry else { continue }
      if starts.count < count {
        starts.append(start)
      } else {
        starts[oldest] = start
        oldest = (oldest + 1) % count
      }
    }
    return starts.count < count ? nil : starts[oldest]
  }

  /// In sequence numbers.
  private static let firstWidth = 64
}
