internal import Bytes
package import System

/// Reads a queue file beside its writer: takes no lock, needs no daemon, never changes the file.
///
/// Records are copied word by word while the writer may be overwriting them, and believed only when, after an acquire
/// fence, the writer's `intent` shows that it had not come near: Boehm's reading of a seqlock ("Can seqlocks get along
/// with programming language memory models?", 2012).
package struct RingReader: ~Copyable {
  let file: QueueFile
  /// The place of the next record to be read.
  package internal(set) var position: UInt64 = 0
  /// The next sequence number that this reader expects: everything before it was delivered or reported lost.
  package internal(set) var sequence: UInt64 = 0
  var window = RecordWindow()

  /// Reads `file`, standing at its oldest record, or behind the newest.
  init(_ file: consuming QueueFile, atEnd: Bool = false) throws(QueueError) {
    self.file = file
    if atEnd { try seekToEnd() } else { try seekToOldest() }
  }

  /// Opens the queue file `name` in `folder`, standing at the oldest record.
  package static func open(_ name: String, in folder: borrowing Folder) throws(QueueError) -> RingReader {
    try RingReader(QueueFile(name, in: folder, writable: false))
  }

  /// Opens the queue file as `open` does, standing behind the newest record: all before it may be damaged.
  package static func openAtEnd(_ name: String, in folder: borrowing Folder) throws(QueueError) -> RingReader {
    try RingReader(QueueFile(name, in: folder, writable: false), atEnd: true)
  }

  /// Identifies this queue: changes when the queue is created anew.
  package var generation: UInt64 { file.head.generation }
  /// For messages.
  package var path: String { file.path }
  /// Whether another file has taken the place of this one: nothing will be published here any more, and what comes next
  /// is found by opening the name again. Whoever slept on this file was woken.
  package var isSuperseded: Bool { file.flags & QueueLayout.supersededFlag != 0 }

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
    borrowing get { window.payload }
  }

  /// Reads the next record, or says how many were lost before it.
  package mutating func next() throws(QueueError) -> Step {
    for _ in 0..<Self.patience {
      switch window.record(at: position, in: file) {
      case .record(let header):
        guard header.sequence == sequence else { return try skipped(to: header.sequence) }
        position &+= UInt64(truncatingIfNeeded: RecordLayout.recordBytes(payload: header.length))
        sequence = header.nextSequence
        return .record(header)
      case .malformed:
        try lookAgain()
      case .more(let bytes):
        guard try load(bytes) else { return .end }
      }
    }
    throw .overrun(path: file.path)
  }

  /// What is not a record is looked at once more: a writer may have repaired the file since it was copied, and have given
  /// up what was bad, or filled it.
  ///
  /// - Throws: `damaged` where it has not.
  private mutating func lookAgain() throws(QueueError) {
    let (oldest, published) = try file.bounds()
    if oldest > position {
      position = oldest
      return
    }
    guard published >= position, published - position >= UInt64(RecordLayout.smallest) else {
      throw damaged("an end of \(published) in the middle of a record")
    }
    window.forget()
    _ = try window.header(at: position, in: file, published: published)
  }

  /// What lies between the expected number and the one that was found is exactly what was overwritten.
  private mutating func skipped(to found: UInt64) throws(QueueError) -> Step {
    guard found > sequence else { throw damaged("sequence number \(found) where at least \(sequence) belongs") }
    let missed = found - sequence
    sequence = found
    return .overwritten(missed)
  }

  /// Loads what stands at `position`, which moves on where that was overwritten; false at the end.
  ///
  /// Who has read everything looks at one line of memory, that of `published`, and at no other that the writer stores into.
  private mutating func load(_ bytes: Int) throws(QueueError) -> Bool {
    var published = try file.published()
    if published == position { return try hasMore() }
    guard published > position else { throw damaged("a reader beyond the end, at \(position)") }
    if published - position > file.capacity {
      let bounds = try file.bounds()
      position = max(position, bounds.oldest)
      published = bounds.published
      // A writer whose file was damaged gives up all it has before it goes on.
      guard position < published else { return false }
    }
    guard published - position >= UInt64(RecordLayout.smallest) else {
      throw damaged("an end of \(published) in the middle of a record")
    }
    position = try window.load(file, from: position, atLeast: bytes, published: published)
    return true
  }

  /// Whether something was published since the end was reached. At the end, all that the hint has counted must have been
  /// read: the hint is loaded before `published`, which may then only be ahead of it.
  private func hasMore() throws(QueueError) -> Bool {
    let hint = file.sequenceHint
    guard try file.published() == position else { return true }
    if let hint, hint > sequence {
      let bounds = try file.bounds()
      guard bounds.oldest == bounds.published || bounds.published != position else {
        throw damaged("numbers up to \(hint - 1) were given, but the records end before \(sequence)")
      }
    }
    return false
  }

  func damaged(_ what: String) -> QueueError { .damaged(path: file.path, what: what) }

  /// How often a reader tries again when it is overtaken at every try: each time the writer must have gone round the
  /// whole ring while one record was copied.
  static let patience = 100_000
}

// MARK: - Waiting

extension RingReader {
  /// The futex word: load it, look with `next`, then sleep on it with `wait`. No wake-up is lost, because the writer
  /// changes it after publishing.
  package var wakeWord: UInt32 {
    // Acquire: pairs with the release in `QueueFile.wakeAll`.
    UInt32(truncatingIfNeeded: file.mapping.loadAcquiring(QueueLayout.wakeOffset))
  }

  /// Sleeps until something was published since `wakeWord` was loaded, at most `nanoseconds` (nil: without end). May
  /// return early: the caller looks again.
  package func wait(since wakeWord: UInt32, atMost nanoseconds: UInt64?) {
    file.mapping.futexWait(QueueLayout.wakeOffset, while: wakeWord, atMost: nanoseconds)
  }
}
