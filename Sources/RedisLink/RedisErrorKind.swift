package import RESP
internal import System

/// What an error reply means to us: one case for each way to react.
package enum RedisErrorKind: Equatable, BitwiseCopyable, Sendable {
  /// Not logged in, or not with these credentials. Tell a person, retry slowly; never a reason to fall back to RESP2.
  case authentication
  /// Logged in without the right to do this. As `authentication`, where the command cannot be done without.
  case permission
  /// The server will never take this from us as things are configured: protected mode, no such database.
  case configuration
  /// The server knows no HELLO or no RESP3: fall back to RESP2.
  case noHello
  /// Alive, but not able to now: keep the connection and its subscriptions, retry the command.
  case notReady
  /// Not the master any more: drop every connection and find the master again.
  case readOnly
  /// The server refuses writes: hold what is to be sent and retry with backoff. Never publish without storing.
  case storage
  /// Sent before any request, and followed by the end of the stream: back off.
  case tooManyClients
  /// A paid quota is used up, and every attempt costs more of it: back off for long.
  case requestLimit
  /// The message is longer than this server ever takes. It may close the connection behind this.
  case tooLarge
  /// The server has forgotten the script, or never knew it: send its text.
  case noScript
  case other

  /// What it leads to where it answers a command of an open connection.
  package enum Reaction: Sendable {
    /// The command is refused, and nothing else is wrong.
    case refuse
    /// Redis lives: stay, hear what comes, send nothing until a probe passes.
    case hold
    /// Close both connections and begin anew, `leastDelay` from now at the earliest.
    case drop
  }

  package var reaction: Reaction {
    switch self {
    case .permission, .noHello, .tooLarge, .noScript, .other: .refuse
    case .notReady, .storage: .hold
    case .authentication, .configuration, .readOnly, .tooManyClients, .requestLimit: .drop
    }
  }

  /// Nothing but a change of the configuration, here or there, mends it.
  package var isConfigurationFault: Bool {
    self == .authentication || self == .permission || self == .configuration
  }

  /// How long to wait at least before connecting again, in nanoseconds.
  package var leastDelay: UInt64 {
    if isConfigurationFault { return .seconds(60) }
    return self == .requestLimit ? .seconds(15 * 60) : 0
  }

  /// The kind of an error reply.
  package init(of frame: borrowing RESPFrame) { self.init(text: frame.text(frame.root)) }

  /// The kind of an error by its text.
  init(text: borrowing Span<UInt8>) {
    let text = RedisErrorText.cause(RedisErrorText.withoutArguments(text))
    for row in Self.table where row.matches(text) {
      self = row.kind
      return
    }
    self = .other
  }
}

extension RedisErrorKind {
  /// One line of the table: an error is of `kind` if its first word is `text`, or if `text` occurs in it.
  private struct Row {
    let text: [UInt8]
    let isCode: Bool
    let kind: RedisErrorKind

    func matches(_ error: borrowing Span<UInt8>) -> Bool {
      isCode ? RedisErrorText.firstWord(of: error, is: text) : RedisErrorText.contains(error, text)
    }
  }

  private static func code(_ text: String, _ kind: RedisErrorKind) -> Row {
    Row(text: Array(text.utf8), isCode: true, kind: kind)
  }

  private static func phrase(_ text: String, _ kind: RedisErrorKind) -> Row {
    Row(text: Array(text.utf8), isCode: false, kind: kind)
  }

  /// The first line that matches decides; case does not matter. Codes stand before phrases: a phrase may name anything,
  /// a code is the server's own word.
  private static let table: [Row] = [
    code("NOAUTH", .authentication),
    code("WRONGPASS", .authentication),
    code("NOPERM", .permission),
    code("DENIED", .configuration),
    code("NOPROTO", .noHello),
    code("LOADING", .notReady),
    code("MASTERDOWN", .notReady),
    code("BUSY", .notReady),
    code("TRYAGAIN", .notReady),
    code("CLUSTERDOWN", .notReady),
    code("READONLY", .readOnly),
    code("OOM", .storage),
    code("NOREPLICAS", .storage),
    code("MISCONF", .storage),
    code("NOSCRIPT", .noScript),
    // The quotes differ between versions and between servers.
    phrase("unknown command 'hello'", .noHello),
    phrase("unknown command `hello`", .noHello),
    phrase("unknown command \"hello\"", .noHello),
    phrase("unknown command hello", .noHello),
    // A script's command that the ACL forbids.
    phrase("user executing the script can't", .permission),
    phrase("acl failure in script", .permission),
    // AUTH before Redis 6, and AUTH where the server has no password.
    phrase("invalid password", .authentication),
    phrase("without any password configured", .authentication),
    phrase("no password is set", .authentication),
    phrase("db index is out of range", .configuration),
    phrase("invalid db index", .configuration),
    phrase("select is not allowed in cluster mode", .configuration),
    phrase("max number of clients", .tooManyClients),
    // Upstash, today's and the older wording.
    phrase("max requests limit", .requestLimit),
    phrase("max daily request limit", .requestLimit),
    // Longer than `proto-max-bulk-len`, before it is read whole and after; and what Upstash takes in one command.
    phrase("invalid bulk length", .tooLarge),
    phrase("string exceeds maximum allowed size", .tooLarge),
    phrase("max request size", .tooLarge),
    // Upstash: the stream as a whole, and the database.
    phrase("max single record size", .storage),
    phrase("db capacity quota", .storage),
  ]
}

extension RedisErrorKind: CustomStringConvertible {
  package var description: String {
    switch self {
    case .authentication: "Redis does not accept our credentials"
    case .permission: "Redis does not permit this user to do that"
    case .configuration: "Redis does not take this as it is configured"
    case .noHello: "Redis does not know RESP3"
    case .notReady: "Redis is not ready"
    case .readOnly: "Redis is a read-only replica"
    case .storage: "Redis refuses to store"
    case .tooManyClients: "Redis has too many clients"
    case .requestLimit: "the limit of requests is used up"
    case .tooLarge: "the message is longer than Redis takes"
    case .noScript: "Redis does not know the script"
    case .other: "Redis answered an error"
    }
  }
}
