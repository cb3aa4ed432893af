internal import Bytes
internal import Glibc
internal import Synchronization
internal import System

/// The one writer of a queue file. Whoever makes one holds the writer's lock, on another file.
///
/// Appending a record is four steps, and the process may die between any two instructions of them:
///
/// 1. `oldest` moves past the records that are about to be overwritten;
/// 2. `intent` says how far the writer will write; it never decreases;
/// 3. a release fence, and then the words of the record;
/// 4. `published` moves over the record: the one store that makes it exist.
///
/// Before step 4 nothing has happened that the next start must undo, and after it nothing that it must do.
package struct RingWriter: ~Copyable {
  let file: QueueFile
  private(set) var oldest: UInt64
  private var intent: UInt64
  private(set) var published: UInt64
  /// The sequence number of the next record.
  package private(set) var nextSequence: UInt64
  private var publishedAtWake: UInt64
  private(set) var trace = StreamTrace()
  /// A record that would end beyond this is preceded by one that names the stream again.
  private var identityDue = UInt64.max
  /// How the file came to be open.
  package internal(set) var outcome = OpeningOutcome.created
  /// What came of making it one of the capacity that was asked for, and of this version.
  package internal(set) var rebuilding = Rebuilding.notNeeded

  init(file: consuming QueueFile, oldest: UInt64, intent: UInt64, published: UInt64, nextSequence: UInt64) {
    self.file = file
    self.oldest = oldest
    self.intent = intent
    self.published = published
    self.nextSequence = nextSequence
    publishedAtWake = published
  }

  /// The largest payload, in bytes, that this queue takes.
  package var largestPayload: Int { file.largestRecord - RecordLayout.smallest }
  /// Identifies this queue: changes when the queue is created anew.
  package var generation: UInt64 { file.head.generation }
  /// The ring's length in bytes.
  package var capacity: UInt64 { file.capacity }
  package var path: String { file.path }

  /// Whether this queue was ever joined to Redis; can only be set.
  package var wasJoined: Bool { file.flags & QueueLayout.joinedFlag != 0 }

  package func markJoined() { file.setFlags(file.flags | QueueLayout.joinedFlag) }

  /// Appends a sender's object and answers its sequence number. The payload is copied once, from `object` into the
  /// ring; nothing is allocated.
  ///
  /// - Parameter receivedAt: microseconds since the Unix epoch.
  package mutating func append(
    message object: borrowing Span<UInt8>, position: StreamPosition = StreamPosition(), receivedAt: UInt64
  ) throws(AppendError) -> UInt64 {
    var header = RecordHeader(kind: .message, sequence: nextSequence, span: 1, receivedAt: receivedAt)
    header.position = position
    try append(header, object)
    return header.sequence
  }

  /// Appends the loss of `count` messages (at least 1), which occupies as many sequence numbers.
  ///
  /// - Parameter reason: the raw value of a loss reason.
  package mutating func append(
    lossOf count: UInt64, reason: UInt8, position: StreamPosition = StreamPosition(), receivedAt: UInt64
  ) throws(AppendError) {
    precondition(count > 0, "a loss of nothing")
    guard count < QueueLayout.positionLimit else { throw .exhausted }
    var header = RecordHeader(kind: .loss, sequence: nextSequence, span: count, receivedAt: receivedAt)
    header.reason = reason
    header.position = position
    try append(header, Span())
  }

  @inline(__always)
  mutating func append(_ header: RecordHeader, _ payload: borrowing Span<UInt8>) throws(AppendError) {
    let recordBytes = RecordLayout.recordBytes(payload: payload.count)
    let limit = file.largestRecord
    guard payload.count <= limit, recordBytes <= limit else {
      throw .tooLarge(recordBytes: recordBytes, limit: limit)
    }
    guard header.nextSequence < QueueLayout.positionLimit else { throw .exhausted }
    if published &+ UInt64(recordBytes) > identityDue { repeatIdentity(receivedAt: header.receivedAt) }
    write(header, payload)
    trace.note(header.position)
  }

  /// The four steps, of a record that fits.
  @inline(__always)
  private mutating func write(_ header: RecordHeader, _ payload: borrowing Span<UInt8>) {
    var header = header
    header.length = payload.count
    let start = published
    let end = start &+ UInt64(RecordLayout.recordBytes(payload: payload.count))

    // 1. and 2.: what the record will overwrite is given up before it is touched.
    let furthest = max(intent, end)
    makeRoom(until: furthest)
    intent = furthest
    // Release: pairs with the acquire in `QueueFile.firstTrusted`, so that who sees this intent sees `oldest` too.
    file.mapping.storeReleasing(furthest, QueueLayout.intentOffset)

    // 3. The fence pairs with the one in `QueueFile.firstTrusted`: a reader that saw any of the words below sees the
    // intent above.
    atomicMemoryFence(ordering: .releasing)
    file.store(header, payload, at: start)

    // 4. Release: pairs with the acquires in `QueueFile.published` and `bounds`.
    file.mapping.storeReleasing(end, QueueLayout.publishedOffset)
    published = end
    nextSequence = header.nextSequence
    file.storeSequenceHint(nextSequence)
    assert(oldest <= published && published <= intent && intent <= oldest &+ file.capacity, "the ring's invariant")
  }

  /// Moves `oldest` over whole records until `end` fits behind it.
  @inline(__always)
  private mutating func makeRoom(until end: UInt64) {
    guard end &- oldest > file.capacity else { return }
    repeat {
      let length = Int(truncatingIfNeeded: file.load(at: oldest) & 0xFFFF_FFFF)
      let recordBytes = RecordLayout.recordBytes(payload: length)
      if recordBytes > file.largestRecord || UInt64(recordBytes) > published &- oldest {
        // Somebody else wrote into the file: the next record's place is unknown, so all of them are given up, and the
        // readers count them as overwritten.
        oldest = published
      } else {
        oldest &+= UInt64(recordBytes)
      }
    } while end &- oldest > file.capacity
    // Release: pairs with the acquire in `QueueFile.bounds`.
    file.mapping.storeReleasing(oldest, QueueLayout.oldestOffset)
  }

  /// Wakes the readers that wait, where something was published since the last call. Once per turn of the loop.
  package mutating func wakeReaders() {
    guard published != publishedAtWake else { return }
    publishedAtWake = published
    file.wakeAll()
  }

  /// Publishes the daemon's state on the status page.
  package func publish(_ status: DaemonStatus) { StatusPage.publish(status, in: file) }
}

// MARK: - The stream

// A message and its place in the stream are one record, and so one publication. Which stream that is stands in records of
// its own, the identities, of which one must always be there: it is written again before it can be overwritten.
//
//     published + largest record <= identity + capacity / 4 + capacity / 8 <= identity + capacity

extension RingWriter {
  /// The stream of which this queue holds the messages, as its records say; nil where none does.
  package var stream: StreamIdentity? { trace.identity }

  /// How far the queue has come in `stream`; nil where it has none. All zero at the beginning of a stream.
  package var position: StreamPosition? { trace.identity == nil ? nil : trace.position }

  /// Where the oldest record begins: what stands before this position of the ring is overwritten.
  package var oldestPosition: UInt64 { oldest }

  /// Where the newest record ends.
  package var publishedPosition: UInt64 { published }

  /// Appends a move to `position` of `stream`, without a message. From then on `append` with a position is of this stream.
  ///
  /// - Parameters:
  ///   - position: may be all zero: before the first entry.
  ///   - receivedAt: microseconds since the Unix epoch.
  package mutating func append(
    position: StreamPosition, of stream: StreamIdentity, receivedAt: UInt64
  ) {
    var header = RecordHeader(kind: .position, sequence: nextSequence, span: 0, receivedAt: receivedAt)
    header.position = position
    let start = published
    let payload = stream.payload
    write(header, payload.span)
    trace.note(stream, position, at: start)
    identityDue = start + file.capacity / 4
  }

  /// Calls `body` with every record that is present, the oldest first: its header, its payload, and the position of the
  /// ring at which it ends.
  ///
  /// - Throws: where somebody else wrote into the file.
  package func replay(
    _ body: (_ header: RecordHeader, _ payload: borrowing Span<UInt8>, _ end: UInt64) -> Void
  ) throws(QueueError) {
    try forEachRecord(from: oldest) { header, window, _, end in body(header, window.payload, end) }
  }

  /// Goes on where the records are that `trace` was found in.
  mutating func resume(_ trace: StreamTrace, at now: UInt64) {
    self.trace = trace
    guard trace.identity != nil else { return }
    identityDue = trace.identityAt >= oldest ? trace.identityAt + file.capacity / 4 : 0
    if published > identityDue { repeatIdentity(receivedAt: now) }
  }

  @inline(never)
  private mutating func repeatIdentity(receivedAt: UInt64) {
    guard let identity = trace.identity else { return }
    append(position: trace.position, of: identity, receivedAt: receivedAt)
  }
}
