internal import Bytes
package import Message
package import Ring
internal import System

/// Lets messages into the queue: whatever came, from Redis or from the local outbox, is in the ring afterwards, as a
/// message or as a counted loss.
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

  /// - Parameter limit: of a received object, in bytes.
  package init(_ writer: consuming RingWriter, limit: Int, log: DaemonLog) {
    queue = Queue(writer)
    self.limit = limit
    self.log = log
  }

  package var wasJoined: Bool { queue.writer.wasJoined }
  package func markJoined() { queue.writer.markJoined() }
  package func publish(_ status: DaemonStatus) { queue.writer.publish(status) }
  package func wakeReaders() { queue.writer.wakeReaders() }
  /// Tells those who read the queue that its name belongs to another file now.
  package func supersede() { queue.writer.supersede() }

  /// Takes what claims to be a message. Allocates nothing and copies the object once, into the ring, unless it has
  /// members that are not a sender's to give.
  ///
  /// - Parameter wallClock: nanoseconds since the Unix epoch.
  package func receive(_ bytes: borrowing Span<UInt8>, at wallClock: UInt64) {
    let now = wallClock / 1000
    guard bytes.count <= limit else {
      return lose(.tooLarge, "\(bytes.count) bytes where \(limit) are allowed", at: now)
    }
    do throws(MessageFault) {
      let members = try MessageMembers.find(in: bytes)
      if members.bus == nil {
        append(bytes, at: now)
      } else {
        var object = ByteBuffer(capacity: bytes.count)
        try MessageMembers.appendSenderObject(of: bytes, to: &object)
        append(object.readable, at: now)
      }
    } catch {
      lose(.invalid, error.description, at: now)
    }
  }

  private func append(_ object: borrowing Span<UInt8>, at now: UInt64) {
    do throws(AppendError) {
      try queue.append(object, at: now)
    } catch {
      lose(.tooLarge, error.description, at: now)
    }
  }

  /// Records that a message cannot be delivered.
  package func lose(_ reason: LossReason, _ why: String, at now: UInt64) {
    do throws(AppendError) {
      try queue.writer.append(lossOf: 1, reason: reason.rawValue, receivedAt: now)
    } catch {
      // A record without a payload fits into every queue.
      log(.error, "the queue does not take the record of a loss: \(error.description)")
    }
    lost += 1
    unsaid += 1
    lastFault = why
    if !hasSpoken { speakOfLosses() }
  }

  /// Logs the losses that were not logged yet: the first at once, the others together, so that a flood of garbage is
  /// not a flood of lines.
  package func speakOfLosses() {
    guard unsaid > 0 else {
      hasSpoken = false
      return
    }
    let count = unsaid == 1 ? "a message" : "\(unsaid) messages"
    log(.warning, "\(count) received that cannot be delivered; the last: \(lastFault)")
    unsaid = 0
    hasSpoken = true
  }
}

/// The ring and the count of what went into it, in one value: reached once for a message.
private struct Queue: ~Copyable {
  var writer: RingWriter
  private(set) var received: UInt64 = 0

  init(_ writer: consuming RingWriter) { self.writer = writer }

  mutating func append(_ object: borrowing Span<UInt8>, at now: UInt64) throws(AppendError) {
    _ = try writer.append(message: object, receivedAt: now)
    received += 1
  }
}
