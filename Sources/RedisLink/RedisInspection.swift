internal import Bytes
package import EventLoop
package import Network
internal import RESP
internal import System

/// What a server answered to a command, for a person.
package enum RedisAnswer: Equatable, Sendable {
  /// A number, a text (`INFO`'s is long), or the empty text for anything that is made of parts.
  case value(String)
  case refused(RedisErrorKind, text: String)
}

/// What an inspection found.
package struct RedisFindings: Sendable {
  /// Where it connected to; nil where it did not.
  package internal(set) var address: SocketAddress?
  /// From the first byte of the first command to its answer, in nanoseconds; nil where none came.
  package internal(set) var roundTrip: UInt64?
  /// To the commands, in their order, as many as were answered.
  package internal(set) var answers: [RedisAnswer] = []
  /// Why it ended early; nil where it did not.
  package internal(set) var failure: LinkFailure?

  init() {}
}

/// Connects once, logs in, and asks a few commands one after the other: for who wants to know how a server is, and not
/// to stay. Ends by itself: each step has its deadline.
package final class RedisInspection: RedisConnectionOwner {
  private let loop: EventLoop
  private let commands: [[String]]
  private let secret: String?
  private var connection: RedisConnection?
  private var findings = RedisFindings()
  private var askedAt = Instant(nanoseconds: 0)
  private var ended: ((RedisFindings) -> Void)?
  private let open: (RedisInspection) -> RedisConnection

  /// - Parameters:
  ///   - commands: each a name and its arguments; not empty.
  ///   - makeTransport: how TLS comes in.
  package init(
    _ loop: EventLoop, _ resolver: any Resolver, _ target: RedisTarget, commands: [[String]],
    makeTransport: @escaping TransportFactory
  ) {
    self.loop = loop
    self.commands = commands
    secret = target.login.password
    open = { RedisConnection(loop, resolver, makeTransport, target, owner: $0) }
  }

  /// Begins; `ended` is called once, from a turn of the loop.
  package func start(_ ended: @escaping (RedisFindings) -> Void) {
    self.ended = ended
    let connection = open(self)
    self.connection = connection
    connection.open()
  }

  func opened(_ connection: RedisConnection, protocolVersion: Int) {
    findings.address = connection.address
    ask(connection)
  }

  private func ask(_ connection: RedisConnection) {
    let words = commands[findings.answers.count]
    RESPWriter.begin(words.count, into: &connection.output)
    for word in words { RESPWriter.bulk(utf8: word, into: &connection.output) }
    connection.expectAnswer(to: words.first ?? "")
    askedAt = SystemClock.monotonic()
  }

  func received(_ frame: borrowing RESPFrame, _ connection: RedisConnection) -> LinkFailure? {
    guard frame.root.kind != .push, findings.answers.count < commands.count else { return nil }
    connection.isAnswered()
    if findings.roundTrip == nil { findings.roundTrip = SystemClock.monotonic() - askedAt }
    findings.answers.append(answer(frame))
    if findings.answers.count < commands.count {
      ask(connection)
    } else {
      // Not from here: the frame is a view of the connection's buffer.
      _ = loop.arm(at: loop.now, self)
    }
    return nil
  }

  private func answer(_ frame: borrowing RESPFrame) -> RedisAnswer {
    if frame.isError {
      return .refused(RedisErrorKind(of: frame), text: RedisErrorText.shown(frame, hiding: secret))
    }
    let root = frame.root
    if root.kind == .integer { return .value(String(root.integer)) }
    return .value(root.kind.isString ? String(repairing: frame.text(root)) : "")
  }

  func failed(_ connection: RedisConnection, _ failure: LinkFailure) {
    findings.failure = failure
    end()
  }

  private func end() {
    connection?.close()
    ended?(findings)
    ended = nil
  }
}

extension RedisInspection: TimerHandler {
  package func timerFired(_ token: TimerToken) { end() }
}
