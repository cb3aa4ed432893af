package import Bytes
package import EventLoop
internal import Message
package import Outbox
package import RedisLink
internal import Ring
package import Settings
package import System

/// What the daemon asks of the system beyond its loop; a test gives its own answers.
package struct DaemonSystem {
  /// The link to Redis, told to the handler given; nil for the local bus.
  package var makeLink: (any RedisLinkHandler) -> RedisLink?
  /// Reads the configuration again.
  package var loadSettings: () throws(ReloadFault) -> Settings
  /// Whether queue and lock are still the files that others find under their names.
  package var filesAreInPlace: () -> Bool
  /// The id of the newest message in the queue, where it has one of ours.
  package var newestInQueue: ULID?

  package init(
    makeLink: @escaping (any RedisLinkHandler) -> RedisLink?,
    loadSettings: @escaping () throws(ReloadFault) -> Settings,
    filesAreInPlace: @escaping () -> Bool, newestInQueue: ULID?
  ) {
    self.makeLink = makeLink
    self.loadSettings = loadSettings
    self.filesAreInPlace = filesAreInPlace
    self.newestInQueue = newestInQueue
  }
}

/// Why the configuration was not read again, for the log.
package struct ReloadFault: Error {
  package let why: String
  package init(why: String) { self.why = why }
}

/// The daemon: puts the parts together, and tells each what happens to the others.
///
///     outbox ─▶ OutboxPump ─▶ RedisLink ═▶ Redis ═▶ RedisLink ─▶ Intake ─▶ queue.ring
///                    └──────── with no Redis URL ─────────────────▶┘
package final class Daemon: RedisLinkHandler, SignalHandler, TimerHandler, TurnHandler {
  /// The one timer of an idle daemon, in nanoseconds: it feeds the heartbeat.
  package static let heartbeatInterval = UInt64.seconds(30)
  /// How long to wait for Redis's answers when asked to stop, in nanoseconds.
  private static let answersDeadline = UInt64.seconds(2)
  /// How often a busy daemon looks whether its files are still in place, in nanoseconds; an idle one does at each
  /// heartbeat.
  private static let filesCheckInterval = UInt64.seconds(1)
  /// The outbox is tidied every so many heartbeats: hourly.
  private static let heartbeatsPerTidying = 120

  private let loop: EventLoop
  private let log: DaemonLog
  private let intake: Intake
  private let system: DaemonSystem
  private let settings: Settings
  private var pump: OutboxPump?
  private var link: RedisLink?
  private var status: DaemonStatus
  private var publishedStatus: DaemonStatus?
  private var heartbeats = 0
  private var filesCheckedAt: Instant
  private var turnToken: TurnToken?
  private var outage = Outage()
  /// Asked to stop, and waiting for the answers to what is in flight.
  private var isStopping = false
  /// Whether it ended because its files were taken away.
  package private(set) var lostItsFiles = false
  /// The gist of the failure that the log spoke of last: an outage is one line, not one for each attempt.
  private var loggedFailure: String?
  /// Whether the link is up and Redis takes nothing.
  private var isHeld = false
  /// Whether the log has said of this link that it is up.
  private var isConnected = false
  /// The ways of proving the path that the log has spoken of.
  private var loggedProbes: Set<ProbeMethod> = []

  package init(
    _ loop: EventLoop, _ settings: Settings, intake: Intake, pid: UInt64, log: DaemonLog, system: DaemonSystem
  ) {
    self.loop = loop
    self.settings = settings
    self.intake = intake
    self.log = log
    self.system = system
    filesCheckedAt = loop.now
    let now = loop.wallClock / 1000
    status = DaemonStatus(pid: pid, version: ProgramVersion.packed, startedAt: now, heartbeatAt: now)
  }

  /// Opens the outbox and begins to connect.
  package func start(state: borrowing Folder, access: OutboxAccess) throws(OutboxError) {
    link = system.makeLink(self)
    pump = try OutboxPump(
      loop, state: state, access: access, messageBytes: settings.maxMessageBytes, intake: intake,
      destination: link.map { .redis($0) } ?? .queue, newest: system.newestInQueue, log: log)
    turnToken = loop.atEndOfTurn(self)
    _ = loop.arm(after: Self.heartbeatInterval, self)
    setRedis(link == nil ? .off : .connecting)
    link?.start()
    // What waits in the outbox of a local bus needs no event to be sent.
    pump?.pump()
    turnEnded()
  }

  /// The last words: connections closed, the status page says so.
  package func end() {
    link?.stop()
    if let turnToken { loop.remove(turnToken) }
    intake.speakOfLosses()
    intake.wakeReaders()
    status.isStopped = true
    publishStatus()
    if lostItsFiles { intake.supersede() }
  }

  // MARK: - Events of the loop

  package func turnEnded() {
    // Before a message is taken from the outbox: into a queue that nobody finds it must not go.
    if loop.now >= filesCheckedAt + Self.filesCheckInterval, !hasItsFiles() { return }
    pump?.pump()
    intake.wakeReaders()
    if isHeld, link?.isReady == true, pump?.isHeldBack == false { endHold() }
    if isStopping, pump?.isIdle != false { loop.stop() }
  }

  package func timerFired(_ token: TimerToken) {
    guard !isStopping else {
      log(.warning, "some answers from Redis did not come; what they were for is sent again at the next start")
      return loop.stop()
    }
    guard hasItsFiles() else { return }
    _ = loop.arm(after: Self.heartbeatInterval, self)
    heartbeats += 1
    intake.speakOfLosses()
    pump?.keepUp(hourly: heartbeats % Self.heartbeatsPerTidying == 0)
    publishStatus()
  }

  /// Whether queue and lock are still those that others find; where they are not, the loop ends.
  private func hasItsFiles() -> Bool {
    guard !lostItsFiles else { return false }
    filesCheckedAt = loop.now
    guard !system.filesAreInPlace() else { return true }
    // Whatever came in now would be written where nobody reads.
    log(.error, "the queue was removed or replaced while in use; ending, so that the next start makes a new one")
    lostItsFiles = true
    loop.stop()
    return false
  }

  package func received(_ signal: Signal) {
    switch signal {
    case .terminate, .interrupt:
      stop()
    case .hangUp: reload()
    }
  }

  /// Stops as soon as Redis has answered for what is in flight (it would be sent twice otherwise), at most
  /// `answersDeadline` from now; asked a second time, at once.
  private func stop() {
    guard !isStopping else { return loop.stop() }
    log(.notice, "stopping")
    isStopping = true
    pump?.stopHandingOut()
    if pump?.isIdle != false { return loop.stop() }
    _ = loop.arm(after: Self.answersDeadline, self)
  }

  private func publishStatus() {
    status.heartbeatAt = loop.wallClock / 1000
    status.received = intake.received
    status.published = pump?.published ?? 0
    status.lost = intake.lost
    publishedStatus = status
    intake.publish(status)
  }

  // MARK: - Events of the link

  package func linkReady() {
    intake.markJoined()
    // After a hold what was refused is to go through first: a probe may pass where a message does not.
    if !isHeld { recovered() }
  }

  private func endHold() {
    isHeld = false
    recovered()
  }

  private func recovered() {
    log(
      .notice, isConnected ? "Redis takes messages again" : "connected to Redis, subscribed to \(settings.channel)")
    isConnected = true
    loggedFailure = nil
    setRedis(.ready)
  }

  package func linkHeld(_ kind: RedisErrorKind, text: String) {
    if loggedFailure != kind.description {
      log(.warning, "Redis: \(kind): \(text); messages wait until it can")
      loggedFailure = kind.description
    }
    isHeld = true
    setRedis(.waiting, text)
  }

  package func linkProbes(by method: ProbeMethod, because text: String) {
    guard loggedProbes.insert(method).inserted else { return }
    let consequence =
      method == .ping
      ? "a subscription that hears nothing is not noticed by itself" : "a master that was demoted is noticed late"
    log(.warning, "Redis does not let us probe the connection as we should: \(text); \(consequence)")
  }

  package func linkDown(_ failure: LinkFailure, retryAfter delay: UInt64) {
    pump?.linkLost()
    isHeld = false
    isConnected = false
    if failure.gist != loggedFailure {
      let seconds = delay / .seconds(1)
      log(.warning, "Redis: \(failure); trying again\(seconds < 60 ? "" : " in \(seconds) s")")
      loggedFailure = failure.gist
    }
    setRedis(.waiting, failure.description, needsPerson: failure.needsPerson)
  }

  package func received(_ payload: borrowing Span<UInt8>) { intake.receive(payload, at: loop.wallClock) }

  package func receivedOversized(_ byteCount: Int) {
    let allowed = settings.maxMessageBytes + Limits.receivedSlack
    intake.lose(.tooLarge, "\(byteCount) bytes where \(allowed) are allowed", at: loop.wallClock / 1000)
  }

  package func published(_ token: UInt64) {
    pump?.arrived(token)
    outage.ends()
    if !isHeld, status.redis != .ready, pump?.isHeldUp == false { setRedis(.ready) }
  }

  package func refused(_ token: UInt64, _ kind: RedisErrorKind, text: String) {
    guard kind.reaction == .refuse else {
      pump?.held(token)
      return
    }
    // Connected, but of no use to who sends: what waits is to be seen.
    setRedis(.waiting, text, needsPerson: kind.isConfigurationFault)
    pump?.refused(token, because: text, for: kind.leastDelay)
  }

  private func setRedis(_ state: RedisState, _ error: String = "", needsPerson: Bool = false) {
    let now = loop.wallClock / 1000
    status.redisNeedsPerson = needsPerson
    switch state {
    case .ready: outage.pauses(at: now)
    // The first attempt is no outage yet.
    case .connecting, .off: break
    case .catchingUp, .waiting: outage.goesOn(at: now)
    }
    if state != .ready {
      status.redisSince = outage.since ?? now
    } else if status.redis != .ready {
      status.redisSince = now
    }
    status.redis = state
    if !error.isEmpty { status.redisError = error }
    // What a person looks for is worth a store at once; the counters go with the next heartbeat.
    if publishedStatus?.redis != status.redis || publishedStatus?.redisError != status.redisError { publishStatus() }
  }

  // MARK: - Reloading

  private func reload() {
    let fresh: Settings
    do { fresh = try system.loadSettings() } catch {
      log(.error, "the configuration cannot be used, and the one before stays in force: \(error.why)")
      return
    }
    for setting in Setting.all where setting.change == .restart && fresh.differs(from: settings, in: setting.key) {
      log(.warning, "\(setting.name) has changed: restart clawd for it to take effect")
    }
    log(.notice, "configuration read again")
    link?.retryNow()
  }
}
