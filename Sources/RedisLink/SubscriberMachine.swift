package import Bytes
package import RESP

/// The subscribing connection after its handshake: subscribes to the bus's channel and, where that is permitted, to the
/// one of the probes; then yields messages.
///
///     RESP2  *3 subscribe <channel> <count>      *3 message <channel> <payload>
///     RESP3  >3 subscribe <channel> <count>      >3 message <channel> <payload>
///
/// In RESP3 a subscription has no reply beside its pushes; a refusal is an ordinary error in both, and nothing of the
/// command is done then: it is repeated without the probes. (https://redis.io/docs/latest/develop/pubsub/)
///
/// What is not expected: a reply that nothing asked for, an error, a message without its three members, and the end of
/// one of our subscriptions are faults. Pushes of other kinds, messages of channels that are not ours and repeated
/// confirmations are passed over: they put nothing out of step.
package struct SubscriberMachine: ~Copyable {
  package enum Action: Equatable, Sendable {
    case none
    /// The last channel was confirmed: from here on nothing published is missed. Said once for each `start`.
    case subscribed
    /// A message of the bus; `payload` are its bytes relative to the frame's first. May come before `subscribed`, while
    /// the other channel is not confirmed.
    case message(payload: Range<Int>)
    /// A message of the bus, too long to be kept; it had so many bytes.
    case oversized(byteCount: Int)
    /// Somebody's probe; `mark` are the bytes of what it says of the stream, relative to the frame's first.
    case probe(mark: Range<Int>)
    /// The answer to `ping`.
    case pong
    /// Close the connection.
    case failed(RedisFault)
  }

  /// The bus's channel and, unless it was refused, that of the probes.
  private static let bus = 0
  private static let probes = 1
  private let channels: [[UInt8]]
  private var confirmed = [false, false]
  /// How many channels were asked for, and how many of these are not confirmed.
  private var wanted = 2
  private var lacking = 2
  /// PINGs without an answer.
  private var pings = 0
  private var protocolVersion = 3

  package init(_ names: BusNames) {
    channels = [Array(names.channel.utf8), Array(names.probe.utf8)]
  }

  /// Begins on a connection whose handshake is done: forgets every confirmation and writes SUBSCRIBE for both channels.
  package mutating func start(protocolVersion: Int, into output: inout ByteBuffer) {
    self.protocolVersion = protocolVersion
    pings = 0
    subscribe(to: 2, into: &output)
  }

  private mutating func subscribe(to count: Int, into output: inout ByteBuffer) {
    wanted = count
    lacking = count
    RESPWriter.begin(1 + count, into: &output)
    RESPWriter.bulk("SUBSCRIBE", into: &output)
    for index in 0..<count {
      confirmed[index] = false
      let channel = channels[index]
      RESPWriter.bulk(channel.span, into: &output)
    }
  }

  /// Writes PING. Whatever answers it, an error too, shows that the connection lives.
  package mutating func ping(into output: inout ByteBuffer) {
    Probe.ping(into: &output)
    pings += 1
  }

  /// Whether every channel is confirmed.
  package var isSubscribed: Bool { lacking == 0 }
  /// Whether probes are heard: false where that channel was refused.
  package var hearsProbes: Bool { wanted == 2 }

  /// Takes the next frame of the connection, and writes the next command, if there is one.
  package mutating func receive(_ frame: borrowing RESPFrame, into output: inout ByteBuffer) -> Action {
    let root = frame.root
    guard root.kind == .push || (root.kind == .array && protocolVersion == 2) else {
      return reply(frame, into: &output)
    }
    guard frame.count > 1, frame[1].kind.isString else { return .failed(.violation(.badPush)) }
    let word = frame.text(frame[1])
    if equal(word, "message") { return message(frame) }
    if equal(word, "subscribe") { return confirmation(frame) }
    if equal(word, "unsubscribe") { return ended(frame) }
    // In RESP2 the answer to PING looks like a message (https://redis.io/docs/latest/commands/ping/).
    if equal(word, "pong"), pings > 0 { return ponged() }
    return .none
  }

  private mutating func reply(_ frame: borrowing RESPFrame, into output: inout ByteBuffer) -> Action {
    if frame.isError {
      let kind = RedisErrorKind(of: frame)
      if kind == .permission, !isSubscribed, hearsProbes {
        subscribe(to: 1, into: &output)
        return .none
      }
      return pings > 0 && kind != .tooManyClients ? ponged() : .failed(.refused(kind))
    }
    guard pings > 0, frame.root.kind.isString, equal(frame.text(frame.root), "PONG") else {
      return .failed(.violation(.unexpectedReply))
    }
    return ponged()
  }

  private mutating func ponged() -> Action {
    pings -= 1
    return .pong
  }

  private func message(_ frame: borrowing RESPFrame) -> Action {
    // Four nodes under a count of three: none of the members is an aggregate with members of its own.
    guard frame.root.integer == 3, frame.count == 4, frame[2].kind.isString,
      frame[3].kind.isString || frame[3].kind == .oversizedString
    else {
      return .failed(.violation(.badPush))
    }
    guard let channel = channel(frame.text(frame[2])) else { return .none }
    if channel == Self.probes { return .probe(mark: frame[3].payload) }
    guard frame[3].kind.isString else { return .oversized(byteCount: Int(frame[3].integer)) }
    return .message(payload: frame[3].payload)
  }

  private mutating func confirmation(_ frame: borrowing RESPFrame) -> Action {
    guard frame.root.integer == 3, frame.count == 4, frame[2].kind.isString, frame[3].kind == .integer else {
      return .failed(.violation(.badPush))
    }
    guard let channel = channel(frame.text(frame[2])), channel < wanted, !confirmed[channel] else { return .none }
    confirmed[channel] = true
    lacking -= 1
    return lacking == 0 ? .subscribed : .none
  }

  /// The name is null where the server ends subscriptions and there was none.
  private func ended(_ frame: borrowing RESPFrame) -> Action {
    guard frame.root.integer == 3, frame.count == 4, frame[2].kind.isString || frame[2].kind == .null else {
      return .failed(.violation(.badPush))
    }
    guard frame[2].kind.isString, let channel = channel(frame.text(frame[2])), channel < wanted else { return .none }
    return .failed(.violation(.unsubscribed))
  }

  /// The index of a channel of ours.
  private func channel(_ name: borrowing Span<UInt8>) -> Int? {
    for index in 0..<channels.count {
      let channel = channels[index]
      if equal(name, channel.span) { return index }
    }
    return nil
  }
}
