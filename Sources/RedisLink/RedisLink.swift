internal import Bytes
package import EventLoop
package import Network
internal import RESP
internal import System

/// Is told what the link does. None of these may stop or restart the link from inside.
package protocol RedisLinkHandler: AnyObject {
  /// Both connections are ready: what is published from here on comes back.
  func linkReady()
  /// The link is down; it tries again after `delay` nanoseconds. Of everything published and not yet answered the
  /// outcome is unknown.
  func linkDown(_ failure: LinkFailure, retryAfter delay: UInt64)
  /// A message of the channel. The bytes are the connection's and gone afterwards.
  func received(_ payload: borrowing Span<UInt8>)
  /// A message of the channel that was too long to be kept; the link goes on behind it.
  func receivedOversized(_ byteCount: Int)
  /// Redis has the message that `publish` was given this token for.
  func published(_ token: UInt64)
  /// Redis refused that message. The link goes on.
  func refused(_ token: UInt64, _ kind: RedisErrorKind, text: String)
}

/// Where the server is, who we are to it, and what we listen to.
package struct RedisTarget: Sendable {
  package let endpoint: Endpoint
  package let login: RedisLogin
  package let channel: String

  package init(endpoint: Endpoint, login: RedisLogin, channel: String) {
    self.endpoint = endpoint
    self.login = login
    self.channel = channel
  }
}

/// The link to Redis: one connection that subscribes and one that commands, up together and down together, connected
/// again for ever.
///
///      down ─▶ connecting: both dial; the subscription is confirmed ─▶ ready
///       ▲──── backoff ◀──── either fails, or neither is ready in time ────┘
///
/// Half a link is none: what is published before the subscription stands would not come back to this machine's queue.
package final class RedisLink: RedisConnectionOwner, TimerHandler, TurnHandler {
  /// How long connecting, handshake and subscription may take together, in nanoseconds.
  package static let readyDeadline = UInt64.seconds(30)

  private enum State {
    case stopped
    case waiting(TimerToken)
    case connecting(TimerToken)
    case ready
  }

  private let loop: EventLoop
  private let resolver: any Resolver
  private let makeTransport: TransportFactory
  private let target: RedisTarget
  private let random: () -> UInt64
  private unowned let handler: any RedisLinkHandler

  private var state = State.stopped
  private var backoff = Backoff()
  private var subscriber: RedisConnection?
  private var commander: RedisConnection?
  private var subscription: SubscriberMachine
  private var publisher = PublisherMachine()
  private var commanderIsOpen = false
  private let channel: [UInt8]
  private var turnToken: TurnToken?

  /// - Parameters:
  ///   - handler: must outlive the link.
  ///   - random: 64 random bits, for the backoff.
  ///   - makeTransport: how TLS, or a simulation, comes in.
  package init(
    _ loop: EventLoop, _ resolver: any Resolver, _ target: RedisTarget, random: @escaping () -> UInt64,
    handler: any RedisLinkHandler, makeTransport: @escaping TransportFactory = SocketTransport.make
  ) {
    self.loop = loop
    self.resolver = resolver
    self.makeTransport = makeTransport
    self.target = target
    self.random = random
    self.handler = handler
    channel = Array(target.channel.utf8)
    subscription = SubscriberMachine(channels: [target.channel])
  }

  /// Begins to connect, and goes on until `stop`.
  package func start() {
    guard case .stopped = state else { return }
    turnToken = loop.atEndOfTurn(self)
    connect()
  }

  /// Closes both connections. Of what is in flight the outcome stays unknown; the handler is not told.
  package func stop() {
    switch state {
    case .waiting(let timer), .connecting(let timer): loop.cancel(timer)
    case .ready, .stopped: break
    }
    if let turnToken { loop.remove(turnToken) }
    turnToken = nil
    hangUp()
    state = .stopped
  }

  package var isReady: Bool {
    if case .ready = state { return true }
    return false
  }

  /// Whether a message of `bytes` may be published now.
  package func canPublish(_ bytes: Int) -> Bool { isReady && publisher.canPublish(bytes) }

  /// Publishes; `token` comes back with the outcome, never from inside this call: callers lend it their buffer. It is sent at the end of the turn, with all others of the turn.
  ///
  /// - Precondition: `canPublish(payload.count)`.
  package func publish(_ payload: borrowing Span<UInt8>, token: UInt64) {
    guard let commander else { preconditionFailure("the link is not ready") }
    let channel = self.channel
    publisher.publish(token: token, channel: channel.span, payload: payload, into: &commander.output)
  }

  package func turnEnded() { commander?.flush() }

  /// The one timer: the deadline of connecting, or the end of the wait before it.
  package func timerFired(_ token: TimerToken) {
    switch state {
    case .waiting: connect()
    case .connecting: goDown(.notReady(after: Self.readyDeadline))
    case .ready, .stopped: break
    }
  }

  private func connect() {
    subscription = SubscriberMachine(channels: [target.channel])
    let subscriber = RedisConnection(loop, resolver, makeTransport, target.login, owner: self)
    let commander = RedisConnection(loop, resolver, makeTransport, target.login, owner: self)
    self.subscriber = subscriber
    self.commander = commander
    state = .connecting(loop.arm(after: Self.readyDeadline, self))
    subscriber.open(target.endpoint)
    commander.open(target.endpoint)
  }

  private func hangUp() {
    subscriber?.close()
    commander?.close()
    subscriber = nil
    commander = nil
    commanderIsOpen = false
    _ = publisher.abandon()
  }

  private func goDown(_ failure: LinkFailure) {
    if case .connecting(let timer) = state { loop.cancel(timer) }
    hangUp()
    let delay = backoff.failed(at: loop.now, because: failure.fault, random: random())
    state = .waiting(loop.arm(after: delay, self))
    handler.linkDown(failure, retryAfter: delay)
  }

  private func goUpIfComplete() {
    guard case .connecting(let timer) = state, commanderIsOpen, subscription.isSubscribed else { return }
    loop.cancel(timer)
    state = .ready
    backoff.ready(at: loop.now)
    handler.linkReady()
  }

  // MARK: - The connections

  func opened(_ connection: RedisConnection, protocolVersion: Int) {
    if connection === subscriber {
      subscription.start(protocolVersion: protocolVersion, into: &connection.output)
    } else {
      commanderIsOpen = true
      goUpIfComplete()
    }
  }

  func received(_ frame: borrowing RESPFrame, _ connection: RedisConnection) -> LinkFailure? {
    connection === subscriber ? heard(frame) : answered(frame)
  }

  private func heard(_ frame: borrowing RESPFrame) -> LinkFailure? {
    switch subscription.receive(frame) {
    case .none: break
    case .subscribed: goUpIfComplete()
    case .message(_, let payload): handler.received(frame.bytes(payload))
    case .oversized(_, let byteCount): handler.receivedOversized(byteCount)
    case .failed(let fault): return .redis(fault, text: text(frame))
    }
    return nil
  }

  private func answered(_ frame: borrowing RESPFrame) -> LinkFailure? {
    switch publisher.receive(frame) {
    case .none: break
    case .published(let token, _): handler.published(token)
    case .refused(let token, let kind):
      handler.refused(token, kind, text: text(frame))
      // A replica tells nobody on the master: find that. Anything else is between Redis and this message, and no reason
      // to stop hearing the others.
      if kind == .readOnly { return .redis(.refused(kind), text: text(frame)) }
    case .failed(let fault): return .redis(fault, text: text(frame))
    }
    return nil
  }

  private func text(_ frame: borrowing RESPFrame) -> String {
    frame.isError ? RedisErrorText.shown(frame, hiding: target.login.password) : ""
  }

  func failed(_ connection: RedisConnection, _ failure: LinkFailure) {
    // The other connection of a link that went down in this same turn.
    guard connection === subscriber || connection === commander else { return }
    goDown(failure)
  }
}
