package import Bytes
package import RESP

/// The first exchange of every connection: who we are, which protocol, which database.
///
///     HELLO 3 [AUTH user password] [SETNAME name] ── map ──▶ [SELECT] ─▶ ready(3)
///        │ NOPROTO, or HELLO unknown
///        └▶ [AUTH [user] password] ─▶ [CLIENT SETNAME] ─▶ [SELECT] ─▶ ready(2)
///
/// One command is in flight at a time. A refused login never falls back: it would be refused again, and a second time
/// counted against us. A refused name matters to nobody. (https://redis.io/docs/latest/commands/hello/)
package struct Handshake: ~Copyable {
  package enum Step: Equatable, Sendable {
    /// What came was no answer: the one that is awaited is still to come.
    case nothing
    /// The next command was written: it is to be sent, and its answer is to come.
    case waiting
    case ready(protocolVersion: Int)
    /// Close the connection. `text` is the server's, fit for a log; empty where there is none.
    case failed(RedisFault, text: String)
  }

  /// The command whose answer is awaited.
  private enum Stage { case hello, authentication, name, database, none }

  private let login: RedisLogin
  private var stage = Stage.none
  private var protocolVersion = 3

  package init(_ login: RedisLogin) {
    self.login = login
  }

  /// The command whose answer is awaited, for "did not answer".
  package var waitsFor: String {
    switch stage {
    case .hello, .none: "HELLO"
    case .authentication: "AUTH"
    case .name: "CLIENT"
    case .database: "SELECT"
    }
  }

  /// Begins on a new connection: writes HELLO.
  package mutating func start(into output: inout ByteBuffer) {
    protocolVersion = 3
    stage = .hello
    let named = !login.clientName.isEmpty
    RESPWriter.begin(2 + (login.needsAuthentication ? 3 : 0) + (named ? 2 : 0), into: &output)
    RESPWriter.bulk("HELLO", into: &output)
    RESPWriter.bulk("3", into: &output)
    if login.needsAuthentication {
      RESPWriter.bulk("AUTH", into: &output)
      RESPWriter.bulk(utf8: login.user ?? "default", into: &output)
      RESPWriter.bulk(utf8: login.password ?? "", into: &output)
    }
    if named {
      RESPWriter.bulk("SETNAME", into: &output)
      RESPWriter.bulk(utf8: login.clientName, into: &output)
    }
  }

  /// Takes the next frame of the connection and writes the next command, if there is one.
  package mutating func receive(_ frame: borrowing RESPFrame, into output: inout ByteBuffer) -> Step {
    // Nothing is subscribed yet: a push is the server's own affair.
    if frame.root.kind == .push { return .nothing }
    if frame.isError { return refused(RedisErrorKind(of: frame), frame, into: &output) }
    switch stage {
    case .hello:
      guard let version = Self.protocolVersion(frame) else { return violation(.badHello) }
      protocolVersion = version
      return selectDatabase(into: &output)
    case .authentication, .name, .database:
      guard frame.root.kind == .simpleString, equal(frame.text(frame.root), "OK") else {
        return violation(.unexpectedReply)
      }
      return proceed(into: &output)
    case .none: return violation(.unexpectedReply)
    }
  }

  private mutating func refused(
    _ kind: RedisErrorKind, _ frame: borrowing RESPFrame, into output: inout ByteBuffer
  ) -> Step {
    var kind = kind
    switch stage {
    case .hello where kind == .noHello:
      protocolVersion = 2
      return authenticate(into: &output)
    case .name where kind != .authentication && kind != .tooManyClients && kind != .requestLimit:
      return selectDatabase(into: &output)
    // Whatever else is wrong with our AUTH or SELECT, trying again soon does not mend it.
    case .authentication where kind == .other: kind = .authentication
    case .database where kind == .other: kind = .configuration
    default: break
    }
    stage = .none
    let text = RedisErrorText.shown(frame, hiding: login.password)
    let hint = kind == .authentication && !login.needsAuthentication ? "redis_url has no password: " : ""
    return .failed(.refused(kind), text: hint + text)
  }

  private mutating func violation(_ violation: RedisFault.Violation) -> Step {
    stage = .none
    return .failed(.violation(violation), text: "")
  }

  /// What follows the command that was just answered with OK.
  private mutating func proceed(into output: inout ByteBuffer) -> Step {
    switch stage {
    case .authentication: setName(into: &output)
    case .name: selectDatabase(into: &output)
    case .hello, .database, .none: ready()
    }
  }

  private mutating func authenticate(into output: inout ByteBuffer) -> Step {
    guard login.needsAuthentication else { return setName(into: &output) }
    stage = .authentication
    // Before Redis 6 AUTH takes the password alone.
    RESPWriter.begin(login.user == nil ? 2 : 3, into: &output)
    RESPWriter.bulk("AUTH", into: &output)
    if let user = login.user { RESPWriter.bulk(utf8: user, into: &output) }
    RESPWriter.bulk(utf8: login.password ?? "", into: &output)
    return .waiting
  }

  private mutating func setName(into output: inout ByteBuffer) -> Step {
    guard !login.clientName.isEmpty else { return selectDatabase(into: &output) }
    stage = .name
    RESPWriter.begin(3, into: &output)
    RESPWriter.bulk("CLIENT", into: &output)
    RESPWriter.bulk("SETNAME", into: &output)
    RESPWriter.bulk(utf8: login.clientName, into: &output)
    return .waiting
  }

  private mutating func selectDatabase(into output: inout ByteBuffer) -> Step {
    guard login.database != 0 else { return ready() }
    stage = .database
    RESPWriter.begin(2, into: &output)
    RESPWriter.bulk("SELECT", into: &output)
    RESPWriter.bulk(decimal: UInt64(login.database), into: &output)
    return .waiting
  }

  private mutating func ready() -> Step {
    stage = .none
    return .ready(protocolVersion: protocolVersion)
  }

  /// The value of `proto` in the answer to HELLO: 2 or 3, else nil. A map in RESP3, a flat array in RESP2.
  private static func protocolVersion(_ frame: borrowing RESPFrame) -> Int? {
    guard frame.root.kind == .map || frame.root.kind == .array else { return nil }
    var members = frame.children()
    while let key = members.next(), let value = members.next() {
      guard frame[key].kind.isString, equal(frame.text(frame[key]), "proto") else { continue }
      let version = frame[value]
      guard version.kind == .integer, version.integer == 2 || version.integer == 3 else { return nil }
      return Int(version.integer)
    }
    return nil
  }
}
