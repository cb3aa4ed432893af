package import Bytes
package import RESP

/// The commanding connection after its handshake: publishes in a pipeline and knows which reply is whose.
///
///      head            head + inFlight
///      │ oldest … newest │      a ring of the commands that have no answer yet, in the order they were written
///
/// Redis answers in order, so an answer is the oldest command's. A reply too many means that every later one would be
/// taken for another's: that is a fault, never a guess.
///
/// Invariant: 0 <= inFlight <= the ring's size; inFlightBytes <= the cap, except with a single larger message in flight.
package struct PublisherMachine: ~Copyable {
  package enum Action: Equatable, BitwiseCopyable, Sendable {
    case none
    /// Redis has given the message to this many subscribers.
    case published(token: UInt64, receivers: Int64)
    /// Redis refused this one message; the connection is in step.
    case refused(token: UInt64, RedisErrorKind)
    /// Close the connection; then `abandon()` tells whose outcome is unknown.
    case failed(RedisFault)
  }

  private struct Command: BitwiseCopyable {
    var token: UInt64 = 0
    var bytes = 0
  }

  private let byteCap: Int
  private var ring: [Command]
  private var head = 0
  /// The commands without an answer, and the bytes of their payloads.
  package private(set) var inFlight = 0
  package private(set) var inFlightBytes = 0

  /// - Parameters:
  ///   - messages: how many may be in flight at once, at least 1.
  ///   - bytes: how many bytes of payload.
  package init(messages: Int = Limits.publishBatchMessages, bytes: Int = Limits.publishBatchBytes) {
    precondition(messages > 0, "nothing could be published")
    ring = Array(repeating: Command(), count: messages)
    byteCap = bytes
  }

  /// Whether a payload of `bytes` may be published now. One alone always may, however large.
  package func canPublish(_ bytes: Int) -> Bool {
    guard inFlight > 0 else { return true }
    return inFlight < ring.count && bytes <= byteCap - inFlightBytes
  }

  /// Writes PUBLISH.
  ///
  /// - Parameter token: the caller's name for the message, given back with its outcome.
  /// - Precondition: `canPublish(payload.count)`.
  package mutating func publish(
    token: UInt64, channel: borrowing Span<UInt8>, payload: borrowing Span<UInt8>, into output: inout ByteBuffer
  ) {
    precondition(canPublish(payload.count), "more in flight than allowed")
    RESPWriter.begin(3, into: &output)
    RESPWriter.bulk("PUBLISH", into: &output)
    RESPWriter.bulk(channel, into: &output)
    RESPWriter.bulk(payload, into: &output)
    ring[(head + inFlight) % ring.count] = Command(token: token, bytes: payload.count)
    inFlight += 1
    inFlightBytes += payload.count
  }

  /// Takes the next frame of the connection.
  package mutating func receive(_ frame: borrowing RESPFrame) -> Action {
    let root = frame.root
    // Pushes come between replies and answer nothing.
    if root.kind == .push { return .none }
    if root.kind.isError {
      let kind = RedisErrorKind(of: frame)
      // An error that nothing asked for says why the server is about to close.
      if inFlight == 0 || kind == .tooManyClients { return .failed(.refused(kind)) }
      return .refused(token: takeOldest(), kind)
    }
    guard inFlight > 0, root.kind == .integer, root.integer >= 0 else {
      return .failed(.violation(.unexpectedReply))
    }
    return .published(token: takeOldest(), receivers: root.integer)
  }

  /// After a disconnect: the tokens whose outcome is unknown, oldest first. Nothing is in flight afterwards.
  package mutating func abandon() -> [UInt64] {
    var tokens: [UInt64] = []
    while inFlight > 0 { tokens.append(takeOldest()) }
    return tokens
  }

  private mutating func takeOldest() -> UInt64 {
    let command = ring[head]
    head = (head + 1) % ring.count
    inFlight -= 1
    inFlightBytes -= command.bytes
    return command.token
  }
}
