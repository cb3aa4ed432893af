package import Bytes

/// What goes to Redis in one call: up to `Limits.publishBatchMessages` objects of together `Limits.publishBatchBytes`, or one
/// alone of any size. Filled by the caller, kept by the link until it was answered, and emptied then.
///
///     objects  │ object 0 │ object 1 │ … │      ends[i]: where object i ends
///
/// Invariant: 0 <= count <= `Limits.publishBatchMessages`; byteCount <= `Limits.publishBatchBytes` where count > 1.
package struct PublishBatch: ~Copyable {
  private var objects = ByteBuffer(capacity: 64 * 1024)
  private var ends: [Int] = []
  /// Whether Redis is being asked to store it: nothing can be added until the answer.
  package internal(set) var isInFlight = false

  package init() { ends.reserveCapacity(Limits.publishBatchMessages) }

  package var count: Int { ends.count }
  package var isEmpty: Bool { ends.isEmpty }
  package var byteCount: Int { objects.count }

  /// Whether an object of `bytes` may be added. The first one always may, however large.
  package func canTake(_ bytes: Int) -> Bool {
    guard !isInFlight else { return false }
    return isEmpty || (count < Limits.publishBatchMessages && bytes <= Limits.publishBatchBytes - byteCount)
  }

  /// Adds a message.
  ///
  /// - Parameter object: a JSON object with at least one member, and with nothing behind its last brace: the script puts
  ///   another member before that.
  /// - Precondition: `canTake(object.count)`.
  package mutating func append(_ object: borrowing Span<UInt8>) {
    precondition(canTake(object.count), "more than a batch takes")
    precondition(object.count > 0 && object[object.count - 1] == UInt8(ascii: "}"), "not an object")
    objects.append(contentsOf: object)
    ends.append(objects.count)
  }

  package mutating func removeAll() {
    objects.removeAll()
    ends.removeAll(keepingCapacity: true)
    isInFlight = false
  }

  /// - Precondition: 0 <= index < count.
  @_lifetime(borrow self)
  borrowing func object(_ index: Int) -> Span<UInt8> {
    objects.readable.extracting((index > 0 ? ends[index - 1] : 0)..<ends[index])
  }
}

/// What became of one object of a batch.
package enum PublishOutcome: Equatable, Sendable {
  /// It is in the stream, at `id`, as the epoch's message `number`; 0 where it was stored without a number, because scripts
  /// are not permitted. `announced`: it was published too; else `text` says why not.
  case stored(number: UInt64, StreamID, announced: Bool, text: String)
  /// It is in the stream already, at this place: an earlier call, whose answer did not come, had stored it.
  case found(StreamID)
  /// Redis refused it; nothing of it was stored or published.
  case refused(RedisErrorKind, text: String)
  /// One before it in the batch was refused.
  case notTried
}
