package import EventLoop
package import Network
internal import RESP
internal import System

/// The link to Redis: one connection that subscribes and one that commands, up together and down together, connected
/// again for ever.
///
///      down ─▶ subscribing ─▶ commanding ─▶ open: proving ─▶ ready ⇄ held   (PathWatch)
///       ▲          │              │           │
///       └─ backoff ┴──────────────┴───────────┘  either connection fails, or the path does
///
/// The subscription comes first, so that messages are missed for as short as possible; whoever is refused costs one
/// attempt and not two. The second connection goes to the address that the first one found: a name may stand for several
/// servers. Half a link is none: what is published where nobody listens would not come back to this machine's queue.
package final class RedisLink: RedisConnectionOwner, TimerHandler, TurnHandler {
  private enum State {
    case stopped
    case waiting(TimerToken)
    case subscribing
    case commanding
    case open
  }

  private let loop: EventLoop
  private let resolver: any Resolver
  private let makeTransport: TransportFactory
  private let target: RedisTarget
  private let names: BusNames
  private let random: () -> UInt64
  private unowned let handler: any RedisLinkHandler

  /// What takes longer than this is given longer to be answered; a way that is slower is taken for a dead one.
  private static let bytesWithoutDelay = 64 * 1024
  private static let slowestBytesPerSecond: UInt64 = 16 * 1024

  private var state = State.stopped
  /// Of the open link.
  private var path = PathWatch(openedAt: Instant(nanoseconds: 0))
  private var backoff = Backoff()
  private var subscriber: RedisConnection?
  private var commander: RedisConnection?
  private var subscription: SubscriberMachine
  private var commands = CommanderMachine()
  private var probeMethod = ProbeMethod.markedScript
  /// The best method that this server can do: whether it knows the mark does not change, rights may.
  private var bestMethod = ProbeMethod.markedScript
  private let channel: [UInt8]
  private var turnToken: TurnToken?
  /// The timer of the open link, and what it is armed for: rearmed only for something earlier.
  private var alarm: (timer: TimerToken, at: Instant)?
  /// How much had reached the other machine when an answer was last found late, and when it is looked for again.
  private var delivered: Int?
  private var patience: Instant?
  /// When a command was last answered on this connection.
  private var answeredAt: Instant?
  /// How much had come in by the subscription when a probe was sent or last missed.
  private var receivedBefore = 0
  /// Why a weaker way to prove the path had to be taken; said when that way has worked.
  private var weakerBecause: String?

  /// - Parameters:
  ///   - handler: must outlive the link.
  ///   - random: 64 random bits, for the backoff and the probes.
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
    names = BusNames(channel: target.channel)
    channel = Array(target.channel.utf8)
    subscription = SubscriberMachine(names)
  }

  /// Begins to connect, and goes on until `stop`.
  package func start() {
    guard case .stopped = state else { return }
    turnToken = loop.atEndOfTurn(self)
    connect()
  }

  /// Closes both connections. Of what is in flight the outcome stays unknown; the handler is not told.
  package func stop() {
    if case .waiting(let timer) = state { loop.cancel(timer) }
    if let turnToken { loop.remove(turnToken) }
    turnToken = nil
    hangUp()
    state = .stopped
  }

  /// Does not wait any longer before it connects again: somebody may just have mended what was wrong.
  package func retryNow() {
    guard case .waiting(let timer) = state else { return }
    loop.cancel(timer)
    state = .waiting(loop.arm(at: loop.now, self))
  }

  package var isReady: Bool {
    if case .open = state { return path.isReady }
    return false
  }

  /// Whether a message of `bytes` may be published now.
  package func canPublish(_ bytes: Int) -> Bool { isReady && commands.canPublish(bytes) }

  /// Publishes; `token` comes back with the outcome, never from inside this call: callers lend it their buffer. It is
  /// sent at the end of the turn, with all others of the turn.
  ///
  /// - Precondition: `canPublish(payload.count)`.
  package func publish(_ payload: borrowing Span<UInt8>, token: UInt64) {
    guard let commander else { preconditionFailure("the link is not ready") }
    let channel = self.channel
    commands.publish(
      token: token, channel: channel.span, payload: payload, at: loop.now, into: &commander.output)
  }

  package func turnEnded() {
    commander?.flush()
    subscriber?.flush()
    setAlarm()
  }

  // MARK: - Up and down

  private func connect() {
    subscription = SubscriberMachine(names)
    let subscriber = RedisConnection(loop, resolver, makeTransport, target, owner: self)
    self.subscriber = subscriber
    state = .subscribing
    subscriber.open()
  }

  private func subscribed() {
    guard case .subscribing = state else { return }
    subscriber?.isAnswered()
    let commander = RedisConnection(loop, resolver, makeTransport, target, owner: self)
    self.commander = commander
    state = .commanding
    commander.open(at: subscriber?.address)
  }

  private func commanding() {
    probeMethod = bestMethod
    weakerBecause = nil
    if !subscription.hearsProbes { degrade(to: .ping, because: "the channel \(names.probe) is not permitted") }
    state = .open
    path = PathWatch(openedAt: loop.now)
    sendProbe()
  }

  private func hangUp() {
    if let alarm { loop.cancel(alarm.timer) }
    alarm = nil
    forgetLateness()
    answeredAt = nil
    subscriber?.close()
    commander?.close()
    subscriber = nil
    commander = nil
    commands.reset()
  }

  private func goDown(_ failure: LinkFailure) {
    hangUp()
    let delay = backoff.failed(at: loop.now, least: failure.leastDelay, random: random())
    state = .waiting(loop.arm(after: delay, self))
    handler.linkDown(failure, retryAfter: delay)
  }

  // MARK: - Time

  /// The end of the wait before connecting, or the alarm of the open link.
  package func timerFired(_ token: TimerToken) {
    switch state {
    case .waiting: connect()
    case .open:
      alarm = nil
      lookAfterPath()
    case .subscribing, .commanding, .stopped: break
    }
  }

  private func sendProbe() {
    guard let commander, let subscriber else { return }
    path.sent()
    receivedBefore = subscriber.bytesReceived
    commands.probe(probeMethod, names, at: loop.now, into: &commander.output)
    if probeMethod == .ping { subscription.ping(into: &subscriber.output) }
  }

  /// Does what is due on an open link.
  private func lookAfterPath() {
    if isAnswerLate(), let since = commands.waitsSince {
      return goDown(.noAnswer(to: commands.waitsFor, after: loop.now - since))
    }
    switch path.due(at: loop.now, random: random) {
    case .nothing: break
    case .probe: sendProbe()
    case .unheard:
      guard let subscriber, subscriber.bytesReceived > receivedBefore else {
        return goDown(.unheard(after: PathWatch.echoDeadline))
      }
      receivedBefore = subscriber.bytesReceived
      path.postpone(at: loop.now)
    }
  }

  /// Whether Redis owes an answer for too long. A slow way is not its fault: as long as what was written gets through,
  /// the time counts anew; where nothing does, TCP gives up by itself (`SocketTransport`).
  private func isAnswerLate() -> Bool {
    guard let due = answerDue, loop.now >= due, let commander else { return false }
    let delivery = commander.delivery
    guard delivery.isUnderWay, delivered.map({ delivery.delivered > $0 }) ?? true else { return true }
    delivered = delivery.delivered
    patience = loop.now + RedisConnection.answerDeadline
    return false
  }

  private func forgetLateness() {
    delivered = nil
    patience = nil
  }

  /// When the oldest command's answer is late: counted from the last answer, and the longer the more is under way, since a
  /// proxy may have taken it all off our hands and pass it on slowly.
  private var answerDue: Instant? {
    guard let sentAt = commands.waitsSince else { return nil }
    let large = UInt64(max(commands.inFlightBytes - Self.bytesWithoutDelay, 0))
    let passage = large * (.seconds(1) / Self.slowestBytesPerSecond)
    let due = max(sentAt, answeredAt ?? sentAt) + RedisConnection.answerDeadline + passage
    return patience.map { max($0, due) } ?? due
  }

  /// Arms the timer for what comes first. Looked at in every turn of an open link, so nothing is done where it is armed early enough:
  /// when it fires, what is due is found anew.
  private func setAlarm() {
    guard case .open = state else { return }
    var first = path.deadline
    if let answerDue { first = first.map { min($0, answerDue) } ?? answerDue }
    guard let first else { return }
    if let alarm {
      guard first < alarm.at else { return }
      loop.cancel(alarm.timer)
    }
    alarm = (loop.arm(at: first, self), first)
  }

  // MARK: - The connections

  func opened(_ connection: RedisConnection, protocolVersion: Int) {
    if connection === subscriber {
      subscription.start(protocolVersion: protocolVersion, into: &connection.output)
      connection.expectAnswer(to: "SUBSCRIBE")
    } else {
      commanding()
    }
  }

  func received(_ frame: borrowing RESPFrame, _ connection: RedisConnection) -> LinkFailure? {
    connection === subscriber ? heard(frame, connection) : answered(frame)
  }

  func failed(_ connection: RedisConnection, _ failure: LinkFailure) {
    // The other connection of a link that went down in this same turn.
    guard connection === subscriber || connection === commander else { return }
    goDown(failure)
  }

  private func heard(_ frame: borrowing RESPFrame, _ connection: RedisConnection) -> LinkFailure? {
    switch subscription.receive(frame, into: &connection.output) {
    case .none: return nil
    case .subscribed:
      subscribed()
      return nil
    case .message(let payload): handler.received(frame.bytes(payload))
    case .oversized(let byteCount): handler.receivedOversized(byteCount)
    case .probe, .pong: break
    case .failed(let fault): return .redis(fault, text: text(frame))
    }
    path.heard(at: loop.now)
    concludeProbe()
    return nil
  }

  private func answered(_ frame: borrowing RESPFrame) -> LinkFailure? {
    forgetLateness()
    answeredAt = loop.now
    switch commands.receive(frame) {
    case .none: break
    case .published(let token, _): handler.published(token)
    case .probed: probed()
    case .refused(let token, let kind):
      let text = text(frame)
      handler.refused(token, kind, text: text)
      return react(to: kind, text, isProbe: false)
    case .probeRefused(let kind):
      let text = text(frame)
      guard kind.reaction == .refuse else { return react(to: kind, text, isProbe: true) }
      // PING may be refused to a user like any command: that, too, is an answer.
      guard let next = probeMethod.next else {
        probed()
        break
      }
      degrade(to: next, because: text)
      sendProbe()
    case .failed(let fault): return .redis(fault, text: text(frame))
    }
    return nil
  }

  /// What an error leads to beyond the command that it answers.
  private func react(to kind: RedisErrorKind, _ text: String, isProbe: Bool) -> LinkFailure? {
    switch kind.reaction {
    case .refuse: return nil
    case .drop: return .redis(.refused(kind), text: text)
    case .hold:
      path.held(at: loop.now, isProbe: isProbe)
      handler.linkHeld(kind, text: text)
      return nil
    }
  }

  private func probed() {
    // Whether the server knows the mark does not change; what it says to a first attempt may have had another reason.
    if probeMethod == .script { bestMethod = .script }
    if let weakerBecause, probeMethod > .script { handler.linkProbes(by: probeMethod, because: weakerBecause) }
    weakerBecause = nil
    path.answered(at: loop.now)
    concludeProbe()
  }

  private func concludeProbe() {
    guard case .open = state else { return }
    let wasReady = path.isReady
    guard path.concludes(at: loop.now, random: random), !wasReady else { return }
    backoff.ready(at: loop.now)
    handler.linkReady()
  }

  /// Proves the path in a weaker way from here on. Without the mark nothing is lost: nobody needs to know.
  private func degrade(to method: ProbeMethod, because text: String) {
    probeMethod = method
    if method > .script { weakerBecause = text }
  }

  private func text(_ frame: borrowing RESPFrame) -> String {
    frame.isError ? RedisErrorText.shown(frame, hiding: target.login.password) : ""
  }
}
