package import Bytes
package import RESP
package import System

/// The commanding connection after its handshake: publishes and probes in a pipeline and knows which reply is whose.
///
///      head            head + inFlight
///      │ oldest … newest │      a ring of the commands that have no answer yet, in the order they were written
///
/// Redis answers in order, so an answer is the oldest command's. A reply too many means that every later one would be
/// taken for another's: that is a fault, never a guess. For the same reason no command is ever given up alone: one without
/// an answer costs the connection.
///
/// Invariant: 0 <= inFlight <= the ring's size; inFlightBytes <= the cap, except with a single larger message in flight.
package struct CommanderMachine: ~Copyable {
  package enum Action: Equatable, BitwiseCopyable, Sendable {
    case none
    /// Redis has given the message to this many subscribers.
    case published(token: UInt64, receivers: Int64)
    /// Redis refused this one message; the connection is in step.
    case refused(token: UInt64, RedisErrorKind)
    /// The probe was done.
    case probed
    case probeRefused(RedisErrorKind)
    /// Close the connection; the outcome of everything in flight is unknown.
    case failed(RedisFault)
  }

  /// A command without an answer. The same layout for both kinds: the ring is written for every message.
  private struct Command: BitwiseCopyable {
    var token: UInt64 = 0
    var bytes = 0
    var sentAt = Instant(nanoseconds: 0)
    /// Nil: a message.
    var probe: ProbeMethod?
  }

  private let messageCap: Int
  private let byteCap: Int
  private var ring: [Command]
  private var head = 0
  /// The commands without an answer, and the bytes of the payloads among them.
  package private(set) var inFlight = 0
  package private(set) var inFlightBytes = 0

  /// - Parameters:
  ///   - messages: how many may be in flight at once, at least 1.
  ///   - bytes: how many bytes of payload.
  package init(messages: Int = Limits.publishBatchMessages, bytes: Int = Limits.publishBatchBytes) {
    precondition(messages > 0, "nothing could be published")
    messageCap = messages
    // One probe may be in flight beside them.
    ring = Array(repeating: Command(), count: messages + 1)
    byteCap = bytes
  }

  /// Whether a payload of `bytes` may be published now. One alone always may, however large.
  package func canPublish(_ bytes: Int) -> Bool {
    guard inFlight > 0 else { return true }
    return inFlight < messageCap && bytes <= byteCap - inFlightBytes
  }

  /// Writes PUBLISH.
  ///
  /// - Parameter token: the caller's name for the message, given back with its outcome.
  /// - Precondition: `canPublish(payload.count)`.
  package mutating func publish(
    token: UInt64, channel: borrowing Span<UInt8>, payload: borrowing Span<UInt8>, at now: Instant,
    into output: inout ByteBuffer
  ) {
    precondition(canPublish(payload.count), "more in flight than allowed")
    RESPWriter.begin(3, into: &output)
    RESPWriter.bulk("PUBLISH", into: &output)
    RESPWriter.bulk(channel, into: &output)
    RESPWriter.bulk(payload, into: &output)
    append(Command(token: token, bytes: payload.count, sentAt: now, probe: nil))
  }

  /// Writes a probe. One may be in flight at a time.
  package mutating func probe(
    _ method: ProbeMethod, _ names: BusNames, at now: Instant, into output: inout ByteBuffer
  ) {
    Probe.write(method, names, into: &output)
    append(Command(token: 0, bytes: 0, sentAt: now, probe: method))
  }

  private mutating func append(_ command: Command) {
    precondition(inFlight < ring.count, "more in flight than allowed")
    ring[(head + inFlight) % ring.count] = command
    inFlight += 1
    inFlightBytes += command.bytes
  }

  /// When the command was written that has waited longest for its answer; nil where none waits.
  package var waitsSince: Instant? { inFlight > 0 ? ring[head].sentAt : nil }
  /// The name of that command.
  package var waitsFor: String { inFlight > 0 ? ring[head].probe?.word ?? "PUBLISH" : "" }

  /// Takes the next frame of the connection.
  package mutating func receive(_ frame: borrowing RESPFrame) -> Action {
    let root = frame.root
    // Pushes come between replies and answer nothing.
    if root.kind == .push { return .none }
    if root.kind.isError {
      let kind = RedisErrorKind(of: frame)
      // An error that nothing asked for says why the server is about to close.
      if inFlight == 0 || kind == .tooManyClients { return .failed(.refused(kind)) }
      let command = takeOldest()
      return command.probe == nil ? .refused(token: command.token, kind) : .probeRefused(kind)
    }
    guard inFlight > 0 else { return .failed(.violation(.unexpectedReply)) }
    let isExpected =
      switch ring[head].probe {
      case nil, .publish: root.kind == .integer && root.integer >= 0
      case .markedScript, .script, .ping: root.kind.isString
      }
    guard isExpected else { return .failed(.violation(.unexpectedReply)) }
    let command = takeOldest()
    return command.probe == nil ? .published(token: command.token, receivers: root.integer) : .probed
  }

  /// After a disconnect: forgets everything in flight.
  package mutating func reset() {
    inFlight = 0
    inFlightBytes = 0
  }

  private mutating func takeOldest() -> Command {
    let command = ring[head]
    head = (head + 1) % ring.count
    inFlight -= 1
    inFlightBytes -= command.bytes
    return command
  }
}
