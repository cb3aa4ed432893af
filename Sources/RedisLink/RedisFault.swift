/// Why a connection to Redis is of no further use.
package enum RedisFault: Error, Equatable, BitwiseCopyable, Sendable {
  /// Redis answered an error; its text is in the frame, see `RedisErrorText.shown`.
  case refused(RedisErrorKind)
  /// What came contradicts what was asked, so that no later reply can be trusted to be the one it seems.
  case violation(Violation)

  package enum Violation: Equatable, BitwiseCopyable, Sendable {
    /// A reply that no command of ours is waiting for, or not of a kind that the command can have.
    case unexpectedReply
    /// The answer to HELLO does not name a protocol that we know.
    case badHello
    /// A message or confirmation without the members it must have.
    case badPush
    /// An answer about the stream that has not the shape that it must have.
    case badAnswer
    /// A subscription that we want was ended by the server.
    case unsubscribed
  }

  package var errorKind: RedisErrorKind? {
    guard case .refused(let kind) = self else { return nil }
    return kind
  }
}

extension RedisFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .refused(let kind): kind.description
    case .violation(.unexpectedReply): "Redis sent a reply that nothing asked for"
    case .violation(.badHello): "Redis answered HELLO without a known protocol"
    case .violation(.badPush): "Redis sent a message that is not whole"
    case .violation(.badAnswer): "Redis sent an answer about the stream that is none"
    case .violation(.unsubscribed): "Redis ended the subscription"
    }
  }
}
