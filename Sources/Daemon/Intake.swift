package import Bytes
package import Delivery
package import Message
package import Ring

/// What was found out about a message before it is put anywhere.
package struct Examined {
  /// Where it claims to stand in the stream; nil where it claims nothing, or nothing that can be.
  package let position: BusPosition?
  /// Nil where nothing tells it from others.
  package let key: MessageKey?
  /// The CRC-32C of the sender's object.
  package let fingerprint: UInt32
  /// Whether the queue has this message; with `differs` it has another one with its id.
  package let knowledge: DedupeWindow.Knowledge
  /// How many bytes the sender's object has.
  package let byteCount: Int
  /// Whether the sender's object is not what came, but what was made of it.
  fileprivate let isStripped: Bool
}

/// Lets messages into the queue: whatever came, from Redis or from the local outbox, is in the ring afterwards, as a
/// message or as a counted loss, and once.
package final class Intake {
  private var queue: Queue
  private let log: DaemonLog
  /// The largest object that is taken, in bytes.
  private let limit: Int

  /// Messages that were taken.
  package var received: UInt64 { queue.received }
  package private(set) var lost: UInt64 = 0
  /// Losses since the log last spoke of them, and why the last one was.
  private var unsaid: UInt64 = 0
  private var lastFault = ""
  private var hasSpoken = false
  private var saidCopies: UInt64 = 0

  /// - Parameter limit: of a received object, in bytes.
  package init(_ writer: consuming RingWriter, limit: Int, log: DaemonLog) throws(QueueError) {
    queue = try Queue(writer)
    self.limit = limit
    self.log = log
  }

  package var wasJoined: Bool { queue.writer.wasJoined }
  package func markJoined() { queue.writer.markJoined() }
  package func publish(_ status: DaemonStatus) { queue.writer.publish(status) }
  package func wakeReaders() { queue.writer.wakeReaders() }
  /// Tells those who read the queue that its name belongs to another file now.
  package func supersede() { queue.writer.supersede() }
  /// The stream that the queue was joined to, and where it stands there.
  package var stream: StreamIdentity? { queue.writer.stream }
  package var position: StreamPosition? { queue.writer.position }
  /// The stream id of the oldest message that the queue holds.
  package var oldestKnown: StreamID? { queue.oldestPlace }

  /// What the queue holds stood in another stream than the one that it comes to now.
  package func forgetPlaces() { queue.forgetPlaces() }

  /// Takes a message of the local bus, unless the queue has it already.
  ///
  /// - Parameter wallClock: nanoseconds since the Unix epoch.
  package func receive(_ bytes: borrowing Span<UInt8>, at wallClock: UInt64) {
    let now = wallClock / 1000
    do throws(MessageFault) {
      let examined = try examine(bytes)
      if examined.knowledge != .known { take(bytes, examined, now: now) }
    } catch {
      lose(1, .invalid, error.description, now: now)
    }
  }

  /// Looks at what claims to be a message. Allocates nothing, and copies it only where it has members that are not a
  /// sender's to give.
  ///
  /// - Parameter place: where it stands in the stream, for one that has no id.
  package func examine(
    _ bytes: borrowing Span<UInt8>, place: StreamID? = nil
  ) throws(MessageFault) -> Examined {
    try queue.examine(bytes, place: place)
  }

  /// Whether the queue has this message from the stream: what was only heard may not be there.
  package func hasFromStream(_ object: borrowing ByteBuffer) -> Bool {
    do throws(MessageFault) {
      let examined = try queue.examine(object.readable, place: nil)
      return examined.key.map { queue.window.isInStream($0, fingerprint: examined.fingerprint) } ?? false
    } catch {
      return false
    }
  }

  /// Whether an entry of the stream that has no message was accounted for.
  package func knows(_ place: StreamID) -> Bool {
    queue.window.knowledge(of: MessageKey(place), fingerprint: 0) == .known
  }

  /// Whether the queue has another message that stood where this one stands now.
  package func hasAnother(at place: StreamID, than examined: Examined?) -> Bool {
    queue.window.hasAnother(
      at: place, than: examined?.key ?? MessageKey(place), fingerprint: examined?.fingerprint ?? 0)
  }

  /// Whether a message is one that would be lost for its size.
  package func isTooLarge(_ byteCount: Int) -> Bool { byteCount > limit }

  /// Puts the message that was examined last into the queue.
  ///
  /// - Parameters:
  ///   - bytes: those that were examined.
  ///   - place: where we stand with it; nil for one that is not of the stream.
  ///   - now: microseconds since the Unix epoch.
  package func take(
    _ bytes: borrowing Span<UInt8>, _ examined: Examined, at place: StreamPlace? = nil, now: UInt64
  ) {
    if examined.knowledge == .differs { speakOfCopies() }
    guard examined.byteCount <= limit else {
      loseTooLarge(examined.byteCount, at: place, now: now)
      // It comes live and from the stream, and is one loss.
      return queue.note(examined, at: place)
    }
    do throws(AppendError) {
      try queue.append(bytes, examined, at: place, now: now)
    } catch {
      lose(1, .tooLarge, error.description, at: place, now: now)
    }
  }

  /// Records that messages cannot be delivered.
  ///
  /// - Parameters:
  ///   - count: at least 1; for reasons of unknown number, 1.
  ///   - place: where we stand with them; nil where that has nothing to do with the stream.
  ///   - now: microseconds since the Unix epoch.
  package func lose(
    _ count: UInt64, _ reason: LossReason, _ why: String, at place: StreamPlace? = nil, now: UInt64
  ) {
    do throws(AppendError) {
      try queue.appendLoss(of: count, reason, at: place, now: now)
    } catch {
      // A record without a payload fits into every queue.
      log(.error, "the queue does not take the record of a loss: \(error.description)")
    }
    lost = lost.addingReportingOverflow(count).partialValue
    guard reason.isCounted else { return log(.warning, "an unknown number of messages was lost: \(why)") }
    unsaid = unsaid.addingReportingOverflow(count).partialValue
    lastFault = why
    if !hasSpoken { speakOfLosses() }
  }

  /// Records that a message of so many bytes is too large to be delivered.
  ///
  /// - Parameter place: see `lose`.
  package func loseTooLarge(_ byteCount: Int, at place: StreamPlace? = nil, now: UInt64) {
    lose(1, .tooLarge, "\(byteCount) bytes where \(limit) are allowed", at: place, now: now)
  }

  /// Records where we stand in which stream, unless the queue says so already.
  package func record(_ place: StreamPlace, of stream: StreamIdentity, now: UInt64) {
    let position = StreamPosition(busSequence: place.number, id: place.id)
    guard queue.writer.stream != stream || queue.writer.position != position else { return }
    queue.append(position, of: stream, now: now)
  }

  /// Two messages with one id: whoever gave it twice, both are delivered.
  private func speakOfCopies() {
    saidCopies += 1
    guard saidCopies.nonzeroBitCount == 1 else { return }
    let count = saidCopies == 1 ? "a message" : "\(saidCopies) messages so far"
    log(.warning, "\(count) with the id of another message and a different text: delivered; ids must not be used again")
  }

  /// Logs the losses that were not logged yet: the first at once, the others together, so that a flood of garbage is
  /// not a flood of lines.
  package func speakOfLosses() {
    guard unsaid > 0 else {
      hasSpoken = false
      return
    }
    let count = unsaid == 1 ? "a message" : "\(unsaid) messages"
    log(.warning, "\(count) cannot be delivered; the last: \(lastFault)")
    unsaid = 0
    hasSpoken = true
  }
}

/// The ring, what is in it, and the count of what went into it, in one value: reached once for a message.
private struct Queue: ~Copyable {
  var writer: RingWriter
  private(set) var window = DedupeWindow()
  private(set) var received: UInt64 = 0
  /// The ids behind where we stood when position records were written, and where these end: what was before is accounted for,
  /// too.
  private var positions: [(id: StreamID, end: UInt64)] = []
  /// A sender's object that was cut out of what came.
  private var stripped = ByteBuffer(capacity: 4096)

  init(_ writer: consuming RingWriter) throws(QueueError) {
    var window = DedupeWindow()
    var positions: [(id: StreamID, end: UInt64)] = []
    var target: UInt64?
    try writer.replay { header, payload, end in
      let place = header.position.id
      switch header.kind {
      case .message:
        guard let members = try? MessageMembers.find(in: payload), let key = Self.key(members, payload, place) else {
          return
        }
        window.note(key, fingerprint: Self.fingerprint(payload), place: place, end: end)
      case .loss:
        guard Self.isEntry(header.reason), place != .zero else { return }
        window.note(MessageKey(place), fingerprint: 0, place: place, end: end)
      case .position:
        guard let stream = StreamIdentity(payload: payload) else { return }
        if let target, target != stream.target {
          window.forgetPlaces()
          positions.removeAll()
        }
        target = stream.target
        positions.append((place.next, end))
      }
    }
    self.writer = writer
    self.window = window
    self.positions = positions
  }

  /// The stream id of the oldest message or position that the queue holds.
  var oldestPlace: StreamID? {
    let oldest = writer.oldestPosition
    let position = positions.first { $0.end > oldest }?.id
    guard let message = window.oldestPlace else { return position }
    return position.map { min($0, message) } ?? message
  }

  mutating func forgetPlaces() {
    window.forgetPlaces()
    positions.removeAll()
  }

  mutating func append(_ position: StreamPosition, of stream: StreamIdentity, now: UInt64) {
    writer.append(position: position, of: stream, receivedAt: now)
    let oldest = writer.oldestPosition
    positions.removeAll { $0.end <= oldest }
    positions.append((position.id.next, writer.publishedPosition))
  }

  /// Whether the loss is that of an entry of the stream, which is counted once, and not of what the stream has no more.
  private static func isEntry(_ reason: UInt8) -> Bool {
    reason == LossReason.tooLarge.rawValue || reason == LossReason.invalid.rawValue
  }

  private static func fingerprint(_ object: borrowing Span<UInt8>) -> UInt32 {
    var checksum = CRC32C()
    checksum.update(object)
    // 0 stands for bytes that are not known.
    return max(checksum.value, 1)
  }

  private static func key(
    _ members: MessageMembers, _ bytes: borrowing Span<UInt8>, _ place: StreamID?
  ) -> MessageKey? {
    if let id = members.idContent { return MessageKey(id: bytes.extracting(id)) }
    return place.flatMap { $0 == .zero ? nil : MessageKey($0) }
  }

  mutating func examine(
    _ bytes: borrowing Span<UInt8>, place: StreamID?
  ) throws(MessageFault) -> Examined {
    let members = try MessageMembers.find(in: bytes)
    let position = members.position(in: bytes)
    // One without an id is known by where it stands, or says that it does.
    let key = Self.key(members, bytes, place ?? position?.id)
    let fingerprint: UInt32
    if members.hasBus {
      stripped.removeAll()
      try members.appendSenderObject(of: bytes, to: &stripped)
      fingerprint = Self.fingerprint(stripped.readable)
    } else {
      fingerprint = Self.fingerprint(bytes)
    }
    let knowledge = key.map { window.knowledge(of: $0, fingerprint: fingerprint) } ?? .unknown
    return Examined(
      position: position, key: key, fingerprint: fingerprint, knowledge: knowledge,
      byteCount: members.hasBus ? stripped.count : bytes.count, isStripped: members.hasBus)
  }

  mutating func append(
    _ bytes: borrowing Span<UInt8>, _ examined: Examined, at place: StreamPlace?, now: UInt64
  ) throws(AppendError) {
    let position = place.map { StreamPosition(busSequence: $0.number, id: $0.id) } ?? StreamPosition()
    if examined.isStripped {
      try Self.append(stripped, to: &writer, position, now)
    } else {
      _ = try writer.append(message: bytes, position: position, receivedAt: now)
    }
    received += 1
    note(examined, at: place)
  }

  /// What was examined is accounted for by the newest record.
  mutating func note(_ examined: Examined, at place: StreamPlace?) {
    guard let key = examined.key else { return }
    note(key, examined.fingerprint, place?.id ?? .zero)
  }

  private static func append(
    _ object: borrowing ByteBuffer, to writer: inout RingWriter, _ position: StreamPosition, _ now: UInt64
  ) throws(AppendError) {
    _ = try writer.append(message: object.readable, position: position, receivedAt: now)
  }

  mutating func appendLoss(
    of count: UInt64, _ reason: LossReason, at place: StreamPlace?, now: UInt64
  ) throws(AppendError) {
    let position = place.map { StreamPosition(busSequence: $0.number, id: $0.id) } ?? StreamPosition()
    try writer.append(lossOf: count, reason: reason.rawValue, position: position, receivedAt: now)
    if Self.isEntry(reason.rawValue), let place, place.id != .zero { note(MessageKey(place.id), 0, place.id) }
  }

  private mutating func note(_ key: MessageKey, _ fingerprint: UInt32, _ place: StreamID) {
    window.note(key, fingerprint: fingerprint, place: place, end: writer.publishedPosition)
    window.forget(before: writer.oldestPosition)
  }
}
