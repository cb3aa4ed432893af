internal import Bytes
package import System

/// Reads a queue file beside its writer: takes no lock, needs no daemon, never changes the file.
///
/// A record is copied word by word while the writer may be overwriting it, and believed only when, after an acquire
/// fence, the writer's `intent` shows that it had not come near: Boehm's reading of a seqlock ("Can seqlocks get along
/// with programming language memory models?", 2012).
package struct RingReader: ~Copyable {
  let file: QueueFile
  /// The place of the next record to be read.
  package private(set) var position: UInt64
  /// The next sequence number that this reader expects: everything before it was delivered or reported lost.
  package private(set) var sequence: UInt64
  private var copy = RecordCopy()

  private init(_ file: consuming QueueFile) {
    self.file = file
    position = 0
    sequence = 0
  }

  /// Opens the queue file `name` in `folder`, standing at the oldest record.
  package static func open(_ name: String, in folder: borrowing Folder) throws(QueueError) -> RingReader {
    var reader = RingReader(try QueueFile(name, in: folder, writable: false))
    try reader.seekToOldest()
    return reader
  }

  /// Opens the queue file as `open` does, standing behind the newest record: all before it may be damaged.
  package static func openAtEnd(_ name: String, in folder: borrowing Folder) throws(QueueError) -> RingReader {
    var reader = RingReader(try QueueFile(name, in: folder, writable: false))
    try reader.seekToEnd()
    return reader
  }

  /// Identifies this queue: changes when the queue is created anew.
  package var generation: UInt64 { file.mapping.loadRelaxed(QueueLayout.generationOffset) }
  /// The ring's length in bytes.
  package var capacity: UInt64 { file.capacity }
  /// For messages.
  package var path: String { file.path }
  /// Whether a queue with these members was once joined to Redis.
  package var wasJoined: Bool { file.mapping.loadRelaxed(QueueLayout.flagsOffset) & QueueLayout.joinedFlag != 0 }

  /// Whether another file has taken the place of this one: nothing will be published here any more, and what comes next
  /// is found by opening the name again. Whoever slept on this file was woken.
  package var isSuperseded: Bool {
    // Acquire: pairs with the release in `RingWriter.supersede`: who sees the flag finds the new file under the name.
    file.mapping.loadAcquiring(QueueLayout.flagsOffset) & QueueLayout.supersededFlag != 0
  }

  /// What `next` found.
  package enum Step: Equatable {
    /// A whole, checked record; its payload is `payload` until the next call.
    case record(RecordHeader)
    /// So many sequence numbers were overwritten before this reader came to them.
    case overwritten(UInt64)
    /// Nothing more has been published.
    case end
  }

  /// The payload of the record that `next` answered last.
  package var payload: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get { copy.payload }
  }

  /// Reads the next record, or says how many were lost before it.
  package mutating func next() throws(QueueError) -> Step {
    for _ in 0..<Self.patience {
      let (oldest, published) = try file.bounds()
      if position == published { return .end }
      if position < oldest || position > published {
        guard position < oldest else { throw damaged("a reader beyond the end, at \(position)") }
        position = oldest
        continue
      }
      guard let header = try copy.load(file, at: position, published: published) else { continue }
      // What was skipped between the expected number and this record is exactly what was overwritten.
      guard header.sequence >= sequence else {
        throw damaged("sequence number \(header.sequence) where at least \(sequence) belongs")
      }
      if header.sequence > sequence {
        let missed = header.sequence - sequence
        sequence = header.sequence
        return .overwritten(missed)
      }
      position += UInt64(RecordLayout.recordBytes(payload: header.length))
      sequence = header.nextSequence
      return .record(header)
    }
    throw .overrun(path: file.path)
  }

  /// Goes to the oldest record there is.
  package mutating func seekToOldest() throws(QueueError) {
    for _ in 0..<Self.patience {
      let (oldest, published) = try file.bounds()
      guard oldest < published else {
        throw damaged("no record at all")
      }
      guard let header = try copy.load(file, at: oldest, published: published) else { continue }
      position = oldest
      sequence = header.sequence
      return
    }
    throw .overrun(path: file.path)
  }

  /// Goes to the record that begins with `sequence`, or to the nearest before it; to the oldest where that is gone, in
  /// which case `next` reports how many are missing.
  ///
  /// - Parameters:
  ///   - target: 0, which is no sequence number, means 1.
  ///   - hint: where that record probably is; only believed when it proves right.
  package mutating func seek(to target: UInt64, hint: UInt64 = 0) throws(QueueError) {
    let sequence = max(target, 1)
    if try seekByHint(sequence, hint) { return }
    try seekToOldest()
    if self.sequence >= sequence {
      self.sequence = sequence
      return
    }
    while self.sequence < sequence {
      let before = position
      let expected = self.sequence
      switch try next() {
      case .end: return
      case .overwritten: continue
      case .record(let header):
        if header.nextSequence > sequence {
          // A loss that reaches over the number: it is read again, whole.
          position = before
          self.sequence = expected
          return
        }
      }
    }
    // The writer may have overwritten the number while we walked to it: then `next` has still to say so.
    self.sequence = sequence
  }

  private mutating func seekByHint(_ sequence: UInt64, _ hint: UInt64) throws(QueueError) -> Bool {
    let (oldest, published) = try file.bounds()
    guard hint & 7 == 0, hint >= oldest, hint <= published else { return false }
    if hint == published {
      guard try nextSequence() == sequence else { return false }
    } else {
      guard published - hint >= UInt64(RecordLayout.smallest),
        let header = try? copy.load(file, at: hint, published: published), header.sequence == sequence
      else { return false }
    }
    position = hint
    self.sequence = sequence
    return true
  }

  /// The sequence number that the next record will get: one more than were ever used.
  package mutating func nextSequence() throws(QueueError) -> UInt64 { try end().sequence }

  /// Goes behind the newest record, whatever lies between: none of it is reported.
  package mutating func seekToEnd() throws(QueueError) { (position, sequence) = try end() }

  /// Where the next record will stand, and its sequence number.
  private mutating func end() throws(QueueError) -> (position: UInt64, sequence: UInt64) {
    for _ in 0..<Self.patience {
      let (oldest, published) = try file.bounds()
      guard published - oldest >= UInt64(RecordLayout.smallest) else { throw damaged("no record at all") }
      guard let start = file.startOfRecord(endingAt: published, oldest: oldest) else {
        if try file.isStillWhole(from: oldest) { throw damaged("the newest record has an impossible length") }
        continue
      }
      guard let header = try copy.load(file, at: start, published: published) else { continue }
      return (published, header.nextSequence)
    }
    throw .overrun(path: file.path)
  }

  private func damaged(_ what: String) -> QueueError { .damaged(path: file.path, what: what) }

  /// How often a reader tries again when it is overtaken at every try: each time the writer must have gone round the
  /// whole ring while one record was copied.
  private static let patience = 100_000
}

// MARK: - Waiting

extension RingReader {
  /// The futex word: load it, look with `next`, then sleep on it with `wait`. No wake-up is lost, because the writer
  /// changes it after publishing.
  package var wakeWord: UInt32 {
    // Acquire: pairs with the release in `RingWriter.wakeReaders`.
    UInt32(truncatingIfNeeded: file.mapping.loadAcquiring(QueueLayout.wakeOffset))
  }

  /// Sleeps until something was published since `wakeWord` was loaded, at most `nanoseconds` (nil: without end). May
  /// return early: the caller looks again.
  package func wait(since wakeWord: UInt32, atMost nanoseconds: UInt64?) {
    file.mapping.futexWait(QueueLayout.wakeOffset, while: wakeWord, atMost: nanoseconds)
  }
}
