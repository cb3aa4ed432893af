extension RingReader {
  /// Goes to the oldest record there is.
  package mutating func seekToOldest() throws(QueueError) {
    for _ in 0..<Self.patience {
      let (oldest, published) = try file.bounds()
      guard published - oldest >= UInt64(RecordLayout.smallest) else {
        throw damaged("no record at all")
      }
      guard let header = try header(at: oldest, published: published) else { continue }
      position = oldest
      sequence = header.sequence
      return
    }
    throw .overrun(path: file.path)
  }

  /// Goes behind the newest record, whatever lies between: none of it is reported.
  package mutating func seekToEnd() throws(QueueError) { try seek(to: nextSequence()) }

  /// Goes to the record that begins with `sequence`, or to the nearest before it; to the oldest where that is gone, in
  /// which case `next` reports how many are missing.
  ///
  /// The cost grows with what lies between that record and the newest, not with what lies before it.
  ///
  /// - Parameters:
  ///   - target: 0, which is no sequence number, means 1.
  ///   - hint: where that record probably is; only believed when it proves right.
  package mutating func seek(to target: UInt64, hint: UInt64 = 0) throws(QueueError) {
    let target = max(target, 1)
    if try seekByHint(target, hint) { return }
    if try seekBackwards(target) { return }
    try seekForwards(target)
  }

  private mutating func seekByHint(_ target: UInt64, _ hint: UInt64) throws(QueueError) -> Bool {
    let (oldest, published) = try file.bounds()
    guard hint & 7 == 0, hint >= oldest, hint <= published else { return false }
    if hint == published {
      guard try nextSequence() == target else { return false }
    } else {
      guard published - hint >= UInt64(RecordLayout.smallest),
        let header = (try? header(at: hint, published: published)) ?? nil, header.sequence == target
      else { return false }
    }
    position = hint
    sequence = target
    return true
  }

  /// From the newest record to the one that is wanted, by the lengths that stand at the records' ends; false where a
  /// length leads nowhere, or the writer came too near.
  private mutating func seekBackwards(_ target: UInt64) throws(QueueError) -> Bool {
    let (oldest, published) = try file.bounds()
    var end = published
    var following: UInt64?
    while end > oldest {
      guard let start = file.startOfRecord(endingAt: end, oldest: oldest) else { return false }
      let first = file.load(at: start &+ 8)
      let span = file.load(at: start &+ 24)
      guard try file.firstTrusted(from: start) == start else { return false }
      let (next, overflow) = first.addingReportingOverflow(span)
      guard !overflow, following == nil || next == following else { return false }
      if first < target {
        if end == published, next <= target, !isWhole(from: start, to: end) { return false }
        // A loss that reaches over the number is read again, whole. Beyond the newest there is only the end.
        return stand(at: next > target ? start : end, next > target ? first : next, published)
      }
      following = first
      end = start
    }
    return stand(at: oldest, target, published)
  }

  /// Whether exactly one whole record stands there.
  private mutating func isWhole(from start: UInt64, to end: UInt64) -> Bool {
    guard let header = (try? header(at: start, published: end)) ?? nil else { return false }
    return UInt64(RecordLayout.recordBytes(payload: header.length)) == end - start
  }

  /// Stands there if what is there proves to be a record (or the end).
  private mutating func stand(at place: UInt64, _ sequence: UInt64, _ published: UInt64) -> Bool {
    if place < published {
      let found = (try? header(at: place, published: published)) ?? nil
      guard found != nil else { return false }
    }
    position = place
    self.sequence = sequence
    return true
  }

  private mutating func seekForwards(_ target: UInt64) throws(QueueError) {
    try seekToOldest()
    if sequence >= target {
      sequence = target
      return
    }
    while sequence < target {
      let before = position
      let expected = sequence
      switch try next() {
      case .end: return
      case .overwritten: continue
      case .record(let header):
        if header.nextSequence > target {
          // A loss that reaches over the number: it is read again, whole.
          position = before
          sequence = expected
          return
        }
      }
    }
    // The writer may have overwritten the number while we walked to it: then `next` has still to say so.
    sequence = target
  }

  /// The sequence number that the next record will get: one more than were ever used.
  package mutating func nextSequence() throws(QueueError) -> UInt64 {
    for _ in 0..<Self.patience {
      let (oldest, published) = try file.bounds()
      guard published - oldest >= UInt64(RecordLayout.smallest) else { throw damaged("no record at all") }
      guard let start = file.startOfRecord(endingAt: published, oldest: oldest) else {
        guard try file.firstTrusted(from: oldest) == oldest else { continue }
        return try nextSequenceByReading()
      }
      do throws(QueueError) {
        guard let header = try header(at: start, published: published) else { continue }
        // A damaged length may lead to the beginning of an older record.
        let end = start + UInt64(RecordLayout.recordBytes(payload: header.length))
        return end == published ? header.nextSequence : try nextSequenceByReading()
      } catch {
        // The length at its end may be what is damaged.
        return try nextSequenceByReading()
      }
    }
    throw .overrun(path: file.path)
  }

  private mutating func nextSequenceByReading() throws(QueueError) -> UInt64 {
    let before = (position, sequence)
    defer { (position, sequence) = before }
    try seekToOldest()
    while try next() != .end {}
    return sequence
  }

  /// The record at `place`; nil where the writer took it meanwhile.
  private mutating func header(at place: UInt64, published: UInt64) throws(QueueError) -> RecordHeader? {
    try window.header(at: place, in: file, published: published)
  }
}
