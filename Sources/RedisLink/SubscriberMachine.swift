package import Bytes
package import RESP

/// The subscribing connection after its handshake: subscribes to a fixed list of channels, then yields messages.
///
///     RESP2  *3 subscribe <channel> <count>      *3 message <channel> <payload>
///     RESP3  >3 subscribe <channel> <count>      >3 message <channel> <payload>
///
/// In RESP3 a subscription has no reply beside its pushes; a refusal is an ordinary error in both.
/// (https://redis.io/docs/latest/develop/pubsub/)
///
/// What is not expected: a reply that nothing asked for, an error, a message without its three members, and the end of
/// one of our subscriptions are faults. Pushes of other kinds, messages of channels that are not ours and repeated
/// confirmations are passed over: they put nothing out of step.
package struct SubscriberMachine: ~Copyable {
  package enum Action: Equatable, Sendable {
    case none
    /// The last channel was confirmed: from here on nothing published is missed. Said once for each `start`.
    case subscribed
    /// A message of the channel with this index; `payload` are its bytes relative to the frame's first. Messages of a
    /// channel may come before `subscribed`, while others are not confirmed.
    case message(channel: Int, payload: Range<Int>)
    /// A message of that channel, too long to be kept; it had so many bytes.
    case oversized(channel: Int, byteCount: Int)
    /// Close the connection.
    case failed(RedisFault)
  }

  private let channels: [[UInt8]]
  private var confirmed: [Bool]
  private var lacking: Int
  private var protocolVersion = 3

  /// - Parameter channels: at least one, none twice.
  package init(channels: [String]) {
    precondition(!channels.isEmpty && Set(channels).count == channels.count, "each channel once")
    self.channels = channels.map { Array($0.utf8) }
    confirmed = channels.map { _ in false }
    lacking = channels.count
  }

  /// Begins on a connection whose handshake is done: forgets every confirmation and writes SUBSCRIBE for all channels.
  package mutating func start(protocolVersion: Int, into output: inout ByteBuffer) {
    self.protocolVersion = protocolVersion
    lacking = channels.count
    RESPWriter.begin(1 + channels.count, into: &output)
    RESPWriter.bulk("SUBSCRIBE", into: &output)
    for index in channels.indices {
      confirmed[index] = false
      let channel = channels[index]
      RESPWriter.bulk(channel.span, into: &output)
    }
  }

  /// Whether every channel is confirmed.
  package var isSubscribed: Bool { lacking == 0 }

  /// Takes the next frame of the connection.
  package mutating func receive(_ frame: borrowing RESPFrame) -> Action {
    let root = frame.root
    guard root.kind == .push || (root.kind == .array && protocolVersion == 2) else {
      return .failed(root.kind.isError ? .refused(RedisErrorKind(of: frame)) : .violation(.unexpectedReply))
    }
    guard frame.count > 1, frame[1].kind.isString else { return .failed(.violation(.badPush)) }
    let word = frame.text(frame[1])
    if equal(word, "message") { return message(frame) }
    if equal(word, "subscribe") { return confirmation(frame) }
    if equal(word, "unsubscribe") { return ended(frame) }
    return .none
  }

  private func message(_ frame: borrowing RESPFrame) -> Action {
    // Four nodes under a count of three: none of the members is an aggregate with members of its own.
    guard frame.root.integer == 3, frame.count == 4, frame[2].kind.isString,
      frame[3].kind.isString || frame[3].kind == .oversizedString
    else {
      return .failed(.violation(.badPush))
    }
    guard let channel = channel(frame.text(frame[2])) else { return .none }
    guard frame[3].kind.isString else { return .oversized(channel: channel, byteCount: Int(frame[3].integer)) }
    return .message(channel: channel, payload: frame[3].payload)
  }

  private mutating func confirmation(_ frame: borrowing RESPFrame) -> Action {
    guard frame.root.integer == 3, frame.count == 4, frame[2].kind.isString, frame[3].kind == .integer else {
      return .failed(.violation(.badPush))
    }
    guard let channel = channel(frame.text(frame[2])), !confirmed[channel] else { return .none }
    confirmed[channel] = true
    lacking -= 1
    return lacking == 0 ? .subscribed : .none
  }

  /// The name is null where the server ends subscriptions and there was none.
  private func ended(_ frame: borrowing RESPFrame) -> Action {
    guard frame.root.integer == 3, frame.count == 4, frame[2].kind.isString || frame[2].kind == .null else {
      return .failed(.violation(.badPush))
    }
    guard frame[2].kind.isString, channel(frame.text(frame[2])) != nil else { return .none }
    return .failed(.violation(.unsubscribed))
  }

  /// The index of a channel: the list has two or three.
  private func channel(_ name: borrowing Span<UInt8>) -> Int? {
    for index in 0..<channels.count {
      let channel = channels[index]
      if equal(name, channel.span) { return index }
    }
    return nil
  }
}
