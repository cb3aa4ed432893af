internal import Bytes
package import System

/// Looks at every record of a queue file, whole or not, beside its writer and without changing anything: for
/// `clawq verify`, `clawq dump` and `clawq status`. A `RingReader` stops at the first damage; this goes on behind it.
///
///     oldest ── record ── record ──┤ damage ├── record ── published
///
/// Behind a bad record the next one is looked for at every multiple of 8: what has a plausible header, its own length at
/// its end, a matching checksum, and a number that does not go back, is one. What an earlier lap left there does not
/// match its checksum, which covers the position; in a file of version 1 only its number tells.
package struct QueueInspector: ~Copyable {
  private let file: QueueFile
  private var window = RecordWindow()
  /// Where the queue ended when it was opened: what is published afterwards is not looked at, so that a walk ends
  /// however fast the writer is.
  package let end: UInt64
  /// The place of the next record to be looked at.
  package private(set) var position: UInt64
  /// The number that the next record should have; nil where nothing is known before it.
  private var expected: UInt64?
  /// Whether the writer has overwritten records between the last one seen and `position`.
  private var wasOvertaken = false
  /// Where the walk began, until it is known whether anything stands there.
  private var start: UInt64?

  /// Opens the queue file `name` in `folder`, standing at the oldest record, of whatever state.
  ///
  /// - Throws: where the header cannot be used: nothing can be known of the records then.
  package init(_ name: String, in folder: borrowing Folder) throws(QueueError) {
    let file = try QueueFile(name, in: folder, writable: false)
    (position, end) = try file.bounds()
    start = position
    self.file = file
  }

  /// Changes when the queue is created anew.
  package var generation: UInt64 { file.head.generation }
  /// The ring's length in bytes.
  package var capacity: UInt64 { file.capacity }
  /// For messages.
  package var path: String { file.path }
  /// What the daemon last said of itself; nil where none ever did.
  package var daemonStatus: DaemonStatus? { StatusPage.read(file) }

  /// A stretch of the ring in which no record of this lap stands; an empty one where numbers are missing.
  package struct Damage: Equatable, Sendable {
    /// Positions; equal where the bytes are whole and only the numbers are not.
    package let start: UInt64
    package let end: UInt64
    /// The number that belongs here; nil where nothing is known before it.
    package let expected: UInt64?
    /// The number of the first whole record behind; nil where there is none.
    package let next: UInt64?
    /// What was found at `start`.
    package let what: String

    package init(start: UInt64, end: UInt64, expected: UInt64?, next: UInt64?, what: String) {
      self.start = start
      self.end = end
      self.expected = expected
      self.next = next
      self.what = what
    }
  }

  /// What `next` found.
  package enum Step: Equatable {
    /// A whole record; its payload is `payload` until the next call. `endsWell`: its length also stands at its end,
    /// from where the newest record is found.
    case record(RecordHeader, at: UInt64, endsWell: Bool)
    /// The writer has overwritten so many numbers before this came to them, which is no fault.
    case overtaken(UInt64)
    case damage(Damage)
    /// Nothing more had been published when the queue was opened.
    case end
  }

  /// The payload of the record that `next` answered last.
  package var payload: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get { window.payload }
  }

  /// Looks at the next record, or at what stands in its place.
  ///
  /// - Throws: where the header's bounds contradict each other, or the writer is always faster.
  package mutating func next() throws(QueueError) -> Step {
    for _ in 0..<Self.patience {
      let (oldest, published) = try file.bounds()
      if position < oldest {
        position = oldest
        wasOvertaken = true
      }
      // Who was overtaken right past the end has still to say how many it could not see.
      if position >= published || position >= end && !wasOvertaken {
        // A queue is never without a record, however far the writer has gone meanwhile.
        guard start == position, position >= published else { return .end }
        start = nil
        return .damage(Damage(start: position, end: position, expected: nil, next: nil, what: "no record at all"))
      }
      guard published - position >= UInt64(RecordLayout.smallest) else {
        return .damage(passOver("no room for a record", published))
      }
      let header: RecordHeader
      do throws(QueueError) {
        guard let found = try window.header(at: position, in: file, published: published) else { continue }
        header = found
      } catch {
        guard case .damaged(_, let what) = error else { throw error }
        // What was overwritten while it was looked at is no damage.
        if try file.bounds().oldest > position { continue }
        return .damage(passOver(what, published))
      }
      if let expected, header.sequence < expected {
        // In version 1, whole, but of an earlier lap: what should have replaced it never reached the disk. Later, no
        // writer wrote it.
        return .damage(passOver("number \(header.sequence) where \(expected) belongs", published))
      }
      if let step = jump(to: header.sequence) { return step }
      if position >= end { return .end }
      let start = position
      position += UInt64(RecordLayout.recordBytes(payload: header.length))
      expected = header.nextSequence
      return .record(header, at: start, endsWell: try endsWell(start, position))
    }
    throw .overrun(path: file.path)
  }

  /// What is to be said where the record at `position` has a greater number than the one that belongs there; the record
  /// itself comes with the next call.
  private mutating func jump(to sequence: UInt64) -> Step? {
    defer {
      expected = sequence
      wasOvertaken = false
    }
    guard let expected, sequence > expected else { return nil }
    if wasOvertaken { return .overtaken(sequence - expected) }
    return .damage(
      Damage(
        start: position, end: position, expected: expected, next: sequence,
        what: "number \(sequence) where \(expected) belongs"))
  }

  /// Whether the record's length stands at its end; also where it was overwritten since it was read.
  private func endsWell(_ start: UInt64, _ end: UInt64) throws(QueueError) -> Bool {
    if file.startOfRecord(endingAt: end, oldest: start) == start { return true }
    return try file.firstTrusted(from: start) > start
  }

  /// Goes back to the oldest record; `end` stays.
  package mutating func rewind() throws(QueueError) {
    position = try file.bounds().oldest
    start = position
    expected = nil
    wasOvertaken = false
  }

  /// Goes to the next whole record behind the bad one at `position`.
  private mutating func passOver(_ what: String, _ published: UInt64) -> Damage {
    let start = position
    let least = expected ?? 1
    var next: UInt64?
    position += 8
    while position < published {
      if let header = wholeRecord(at: position, published), header.sequence >= least {
        next = header.sequence
        break
      }
      position += 8
    }
    defer { expected = next }
    return Damage(start: start, end: position, expected: expected, next: next, what: what)
  }

  /// The record at `position`, if a whole one begins there: a look at the words that can only be a header's and at its
  /// length comes first, since there are two million places in a ring of 16 MiB, and a checksum may be of 2 MiB.
  private mutating func wholeRecord(at position: UInt64, _ published: UInt64) -> RecordHeader? {
    guard published - position >= UInt64(RecordLayout.smallest) else { return nil }
    let words = file.headerWords(at: position)
    let recordBytes = RecordLayout.recordBytes(payload: Int(words[0] & 0xFFFF_FFFF))
    guard recordBytes <= file.largestRecord, UInt64(recordBytes) <= published - position,
      RecordHeader(words: words) != nil,
      file.startOfRecord(endingAt: position + UInt64(recordBytes), oldest: position) == position,
      let header = record(at: position, published)
    else { return nil }
    return header
  }

  /// Where the queue begins and ends.
  package struct Extent: Equatable, Sendable {
    /// Positions of the oldest record and of the end of the newest.
    package let oldest: UInt64
    package let published: UInt64
    /// nil where they are damaged.
    package let oldestRecord: RecordHeader?
    package let newestRecord: RecordHeader?

    /// The number that comes next; nil where the newest record is damaged.
    package var nextSequence: UInt64? { newestRecord?.nextSequence }
  }

  /// Looks at both ends. Leaves `position` as it is; `payload` is another afterwards.
  package mutating func extent() throws(QueueError) -> Extent {
    for _ in 0..<Self.patience {
      let (oldest, published) = try file.bounds()
      let start = file.startOfRecord(endingAt: published, oldest: oldest)
      let newest = record(at: start, published)
      let first = record(at: oldest, published)
      // What cannot be read because it was overwritten meanwhile is no damage.
      if first == nil || newest == nil, try file.bounds().oldest != oldest { continue }
      return Extent(oldest: oldest, published: published, oldestRecord: first, newestRecord: newest)
    }
    throw .overrun(path: file.path)
  }

  private mutating func record(at position: UInt64?, _ published: UInt64) -> RecordHeader? {
    guard let position, published - position >= UInt64(RecordLayout.smallest) else { return nil }
    return (try? window.header(at: position, in: file, published: published)) ?? nil
  }

  /// How often it is tried again when the writer is faster at every try.
  private static let patience = 100_000
}

extension QueueFile {
  /// The eight words of a record's header at `position`, which may be torn.
  fileprivate func headerWords(at position: UInt64) -> InlineArray<8, UInt64> {
    var words: InlineArray<8, UInt64> = .init(repeating: 0)
    for index in words.indices { words[index] = load(at: position &+ UInt64(truncatingIfNeeded: index &* 8)) }
    return words
  }
}

/// A word of the queue file's header as it stands there, for `clawq dump --header`.
package struct QueueHeaderWord: Equatable, Sendable {
  package let name: StaticString
  /// In bytes from the file's begin.
  package let offset: Int
  /// nil where the file ends before it.
  package let value: UInt64?

  package static func == (left: QueueHeaderWord, right: QueueHeaderWord) -> Bool {
    left.offset == right.offset && left.value == right.value
  }

  private static let all: [(StaticString, Int)] = [
    ("magic", QueueLayout.magicOffset), ("version", QueueLayout.versionOffset),
    ("capacity", QueueLayout.capacityOffset), ("generation", QueueLayout.generationOffset),
    ("made_at", QueueLayout.madeAtOffset), ("checksum", QueueLayout.checksumOffset),
    ("boot_high", QueueLayout.bootHighOffset), ("boot_low", QueueLayout.bootLowOffset),
    ("flags", QueueLayout.flagsOffset), ("oldest", QueueLayout.oldestOffset), ("intent", QueueLayout.intentOffset),
    ("published", QueueLayout.publishedOffset), ("sequence", QueueLayout.sequenceOffset),
    ("sequence_check", QueueLayout.sequenceCheckOffset),
    ("wake", QueueLayout.wakeOffset),
  ]

  /// Reads the header of the file `name` in `folder`, whatever it holds: also of one that is damaged, newer or foreign.
  /// Beside a running writer the words need not be of one moment.
  package static func read(_ name: String, in folder: borrowing Folder) throws(QueueError) -> [QueueHeaderWord] {
    var bytes = ByteBuffer(capacity: QueueLayout.statusOffset)
    do throws(SystemError) {
      let file = try folder.open(name, [.readOnly, .nonBlocking])
      while bytes.count < QueueLayout.statusOffset, case .bytes = try file.read(into: &bytes, atLeast: 1) {}
    } catch {
      throw error.isMissing ? .missing(path: folder.path + "/" + name) : .system(error)
    }
    let words = bytes.readable
    return all.map { name, offset in
      guard offset + 8 <= words.count else { return QueueHeaderWord(name: name, offset: offset, value: nil) }
      let value = (0..<8).reduce(UInt64(0)) { $0 | UInt64(words[offset + $1]) << UInt64($1 * 8) }
      return QueueHeaderWord(name: name, offset: offset, value: value)
    }
  }
}
