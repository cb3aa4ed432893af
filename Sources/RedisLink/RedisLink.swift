package import Bytes
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
  enum State {
    case stopped
    case waiting(TimerToken)
    case subscribing
    case commanding
    case open
  }

  let loop: EventLoop
  private let resolver: any Resolver
  private let makeTransport: TransportFactory
  let target: RedisTarget
  let names: BusNames
  let random: () -> UInt64
  unowned let handler: any RedisLinkHandler

  /// What takes longer than this is given longer to be answered; a way that is slower is taken for a dead one.
  static let bytesWithoutDelay = 64 * 1024
  static let slowestBytesPerSecond: UInt64 = 16 * 1024

  var state = State.stopped
  /// Of the open link.
  var path = PathWatch(openedAt: Instant(nanoseconds: 0))
  var backoff = Backoff()
  var subscriber: RedisConnection?
  var commander: RedisConnection?
  var subscription: SubscriberMachine
  var commands: CommanderMachine
  /// What is to be published next: filled by the owner, and the link's from `publishBatch` until the answer.
  package var batch = PublishBatch()
  /// Whether the server permits no scripts, so that messages are stored without epoch and number.
  package internal(set) var storesWithoutScript = false
  var probeMethod = ProbeMethod.markedScript
  /// The best method that this server can do: whether it knows the mark does not change, rights may.
  var bestMethod = ProbeMethod.markedScript
  private var turnToken: TurnToken?
  /// The timer of the open link, and what it is armed for: rearmed only for something earlier.
  var alarm: (timer: TimerToken, at: Instant)?
  /// How much had reached the other machine when an answer was last found late, and when it is looked for again.
  var delivered: Int?
  var patience: Instant?
  /// How much had come in by the commanding connection when a command was last answered, or an answer last found late.
  var receivedUntilAnswer = 0
  /// When a command was last answered on this connection.
  var answeredAt: Instant?
  /// How much had come in by the subscription when a probe was sent or last missed.
  var receivedBefore = 0
  /// Why a weaker way to prove the path had to be taken; said when that way has worked.
  var weakerBecause: String?

  /// - Parameters:
  ///   - handler: must outlive the link.
  ///   - random: 64 random bits, for the backoff, the probes, and the epochs of streams.
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
    subscription = SubscriberMachine(names)
    commands = CommanderMachine(names, streamMaxLength: target.streamMaxLength, hiding: target.login.password)
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

  /// Whether both connections are open: `fetch` may be called, from `linkReady` or `linkHeld` to `linkDown`.
  package var isOpen: Bool {
    if case .open = state { return true }
    return false
  }

  package var isReady: Bool {
    if case .open = state { return path.isReady }
    return false
  }

  /// Whether `publishBatch` may be called: the path is proved, Redis takes something, and no batch is in flight.
  package var canPublish: Bool { isReady && !batch.isInFlight }

  /// Stores and announces what is in `batch`, with one call to Redis, at the end of the turn. The handler is told the outcome,
  /// never from inside this call; then the batch is empty again. It is emptied without a word where the link goes down.
  ///
  /// - Parameter after: where given, what an earlier call may have stored is looked for behind this entry: for the first
  ///   batch after a link went down.
  /// - Precondition: `canPublish`, and the batch is not empty.
  package func publishBatch(after: StreamID? = nil) {
    precondition(canPublish, "nothing may be published now")
    guard let commander else { preconditionFailure("the link is not ready") }
    batch.isInFlight = true
    commands.publish(
      batch, isMarked: probeMethod == .markedScript, after: after, epoch: StreamEpoch(high: random(), low: random()),
      at: loop.now, into: &commander.output)
  }

  /// Asks something of the stream, at the end of the turn. Requests may follow each other without waiting; they are answered
  /// in order, never from inside this call, and not at all where the link goes down.
  ///
  /// - Precondition: `isOpen`.
  package func fetch(_ request: StreamRequest) {
    guard isOpen, let commander else { preconditionFailure("the link is not open") }
    commands.fetch(request, at: loop.now, into: &commander.output)
  }

  /// Sends what was asked for without waiting for the end of the turn, as far as the other side takes it: for work that is
  /// done while Redis does its own. What goes wrong shows at the end of the turn.
  package func sendNow() { commander?.push() }

  package func turnEnded() {
    commander?.flush()
    subscriber?.flush()
    setAlarm()
  }

  // MARK: - Up and down

  func connect() {
    subscription = SubscriberMachine(names)
    let subscriber = RedisConnection(loop, resolver, makeTransport, target, owner: self)
    self.subscriber = subscriber
    state = .subscribing
    subscriber.open()
  }

  func subscribed() {
    guard case .subscribing = state else { return }
    subscriber?.isAnswered()
    let commander = RedisConnection(loop, resolver, makeTransport, target, owner: self)
    self.commander = commander
    state = .commanding
    commander.open(at: subscriber?.address)
  }

  func commanding() {
    probeMethod = bestMethod
    weakerBecause = nil
    if !subscription.hearsProbes { degrade(to: .ping, because: "the channel \(names.probe) is not permitted") }
    state = .open
    receivedUntilAnswer = commander?.bytesReceived ?? 0
    path = PathWatch(openedAt: loop.now)
    sendProbe()
  }

  func hangUp() {
    if let alarm { loop.cancel(alarm.timer) }
    alarm = nil
    forgetLateness()
    answeredAt = nil
    subscriber?.close()
    commander?.close()
    subscriber = nil
    commander = nil
    commands.reset()
    batch.removeAll()
  }

  func goDown(_ failure: LinkFailure) {
    hangUp()
    let delay = backoff.failed(at: loop.now, least: failure.leastDelay, random: random())
    state = .waiting(loop.arm(after: delay, self))
    handler.linkDown(failure, retryAfter: delay)
  }
}
