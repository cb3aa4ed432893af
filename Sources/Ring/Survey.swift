internal import Bytes

/// What can be trusted of a queue file that no writer has open: found by verifying every record. The one thing that it
/// changes is a length at a record's end that does not agree with the record.
///
/// The death of a process leaves every published record whole. The death of the machine may leave any page of the
/// file older than the others. What can be trusted is the chain that begins at the oldest record and the one that ends
/// at the newest. What lies between them is a gap, which a record of its loss can fill:
///
///     oldest ── whole ──┤ gap ├── whole ── published
///
/// Where the oldest record is bad, or the gap cannot be filled, the chain at the end is kept (the older records then
/// count as overwritten); where the newest is bad, the chain at the beginning (the newer ones are lost).
struct Survey {
  /// A stretch of bad bytes between two whole chains, and the sequence numbers that stood in it.
  struct Gap: Equatable {
    let start: UInt64
    let end: UInt64
    /// The first sequence number, and how many.
    let sequence: UInt64
    let count: UInt64
  }

  /// The oldest record that is kept.
  private(set) var oldest: UInt64
  /// The end of the newest record that is kept.
  private(set) var end: UInt64
  /// The sequence number after it; nil where no record can be trusted.
  private(set) var nextSequence: UInt64?
  /// What is bad between `oldest` and `end`.
  private(set) var gap: Gap?
  /// Where the older records had to be given up: the sequence number that is now the oldest.
  private(set) var givenUpBefore: UInt64?
  /// What the records say of the stream.
  private(set) var trace = StreamTrace()

  init(of file: borrowing QueueFile) throws(QueueError) {
    let (oldest, published) = try file.bounds()
    var window = RecordWindow()
    self.oldest = oldest
    end = oldest
    while published - end >= UInt64(RecordLayout.smallest),
      let header = (try? window.header(at: end, in: file, published: published)) ?? nil,
      nextSequence == nil || header.sequence == nextSequence
    {
      nextSequence = header.nextSequence
      trace.note(header, window.payload, at: end)
      let recordBytes = UInt64(RecordLayout.recordBytes(payload: header.length))
      end += recordBytes
      // No checksum covers the length at a record's end: it follows from the record.
      file.mendTrailer(recordBytes, at: end)
    }
    if end == published { return }
    // Backwards from the newest, as far as the chain is whole.
    var start = published
    var following: RecordHeader?
    var newest: RecordHeader?
    var later = StreamTrace()
    while let before = file.startOfRecord(endingAt: start, oldest: oldest),
      let header = (try? window.header(at: before, in: file, published: start)) ?? nil,
      UInt64(RecordLayout.recordBytes(payload: header.length)) == start - before,
      following == nil || header.nextSequence == following?.sequence
    {
      newest = newest ?? header
      later.noteEarlier(header, window.payload, at: before)
      following = header
      start = before
    }
    guard let newest, let following else { return }
    if let expected = nextSequence, following.sequence >= expected, start >= end,
      start - end >= UInt64(RecordLayout.smallest)
    {
      gap = Gap(start: end, end: start, sequence: expected, count: following.sequence - expected)
    } else {
      self.oldest = start
      givenUpBefore = following.sequence
    }
    trace = trace.followed(by: later)
    end = published
    nextSequence = newest.nextSequence
  }
}

extension Survey.Gap {
  /// Writes records over the gap, exactly as long as it is: the loss of its sequence numbers, and moves of nothing
  /// where that is not long enough. Their payloads are zeros, at which nobody looks.
  ///
  /// Nobody could read beyond the gap before. A process that dies in the middle leaves a smaller gap, or one that is
  /// still bad, with the same chains around it.
  ///
  /// - Parameter reason: the raw value of a loss reason.
  func fill(in file: borrowing QueueFile, reason: UInt8, now: UInt64) {
    let smallest = UInt64(RecordLayout.smallest)
    let largest = min(UInt64(file.largestRecord), Self.largestFiller)
    let zeros = [UInt8](repeating: 0, count: Int(largest))
    var position = start
    var left = count
    while position < end {
      var length = min(end - position, largest)
      // What remains must be long enough for a record.
      let rest = end - position - length
      if rest > 0, rest < smallest { length -= smallest }
      var header = RecordHeader(kind: left > 0 ? .loss : .position, sequence: sequence, span: left, receivedAt: now)
      if left > 0 {
        header.reason = reason
      } else {
        header.sequence = sequence + count
      }
      header.length = Int(length - smallest)
      file.store(header, zeros.span.extracting(0..<header.length), at: position)
      position += length
      left = 0
    }
  }

  /// So that a long gap takes no long buffer.
  private static var largestFiller: UInt64 { 65536 }
}
