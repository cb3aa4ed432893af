internal import Bytes

/// What can be trusted of a queue file that no writer has open: found by verifying every record.
///
/// The death of a process leaves every published record whole. The death of the machine may leave any page of the
/// file older than the others. Where a record is bad, the records behind it are kept if the chain that ends at the
/// newest is whole (the older ones then count as overwritten), else those before it (the newer ones are lost).
struct Survey {
  /// The oldest record that is kept.
  private(set) var oldest: UInt64
  /// The end of the newest record that is kept.
  private(set) var end: UInt64
  /// The sequence number after it; nil where no record can be trusted.
  private(set) var nextSequence: UInt64?

  init(of file: borrowing QueueFile) throws(QueueError) {
    let (oldest, published) = try file.bounds()
    var copy = RecordCopy()
    self.oldest = oldest
    end = oldest
    while end < published, let header = (try? copy.load(file, at: end, published: published)) ?? nil,
      nextSequence == nil || header.sequence == nextSequence
    {
      nextSequence = header.nextSequence
      end += UInt64(RecordLayout.recordBytes(payload: header.length))
    }
    if end == published { return }
    // Backwards from the newest, as far as the chain is whole.
    var start = published
    var following: RecordHeader?
    var newest: RecordHeader?
    while let before = file.startOfRecord(endingAt: start, oldest: oldest),
      let header = (try? copy.load(file, at: before, published: start)) ?? nil,
      UInt64(RecordLayout.recordBytes(payload: header.length)) == start - before,
      following == nil || header.nextSequence == following?.sequence
    {
      newest = newest ?? header
      following = header
      start = before
    }
    if let newest {
      self.oldest = start
      end = published
      nextSequence = newest.nextSequence
    }
  }
}
