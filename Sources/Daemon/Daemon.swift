internal import Bytes
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
  /// 64 random bits.
  package var random: () -> UInt64
  /// A checksum of server, database and channel: tells one Redis from another; 0 for the local bus.
  package var target: UInt64
  /// Tells the service manager how the daemon is.
  package var notify: (ServiceState) -> Void
  /// Within how many nanoseconds the service manager wants to hear that the loop turns; nil: it does not ask.
  package var watchdog: UInt64?

  package init(
    makeLink: @escaping (any RedisLinkHandler) -> RedisLink?,
    loadSettings: @escaping () throws(ReloadFault) -> Settings,
    filesAreInPlace: @escaping () -> Bool, random: @escaping () -> UInt64, target: UInt64,
    notify: @escaping (ServiceState) -> Void = { _ in }, watchdog: UInt64? = nil
  ) {
    self.makeLink = makeLink
    self.loadSettings = loadSettings
    self.filesAreInPlace = filesAreInPlace
    self.random = random
    self.target = target
    self.notify = notify
    self.watchdog = watchdog
  }
}

/// Why the configuration was not read again, for the log.
package struct ReloadFault: Error {
  package let why: String
  package init(why: String) { self.why = why }
}

/// The daemon: puts the parts together, and tells each what happens to the others.
///
///     outbox ─▶ OutboxPump ─▶ RedisLink ═▶ Redis ═▶ RedisLink ─▶ Receiver ─▶ Intake ─▶ queue.ring
///                    └──────── with no Redis URL ──────────────────────────────▶┘
package final class Daemon: SignalHandler, TimerHandler, TurnHandler {
  /// The one timer of an idle daemon, in nanoseconds: it feeds the heartbeat and the service manager's watchdog. Shorter
  /// where that wants to hear of us more often.
  package static let heartbeatInterval = UInt64.seconds(30)
  /// How long to wait for Redis's answers when asked to stop, in nanoseconds.
  private static let answersDeadline = UInt64.seconds(2)
  /// How often a busy daemon looks whether its files are still in place, in nanoseconds; an idle one does at each
  /// heartbeat.
  private static let filesCheckInterval = UInt64.seconds(1)
  /// How often the outbox is tidied, in nanoseconds.
  private static let tidyingInterval = UInt64.seconds(3600)

  let loop: EventLoop
  let log: DaemonLog
  let intake: Intake
  private let system: DaemonSystem
  let settings: Settings
  var pump: OutboxPump?
  var link: RedisLink?
  var receiver: Receiver?
  var keeper: StreamKeeper?
  var status: DaemonStatus
  private var publishedStatus: DaemonStatus?
  private var tidiedAt: Instant
  private let heartbeatInterval: UInt64
  private var filesCheckedAt: Instant
  private var turnToken: TurnToken?
  var outage = Outage()
  /// Asked to stop, and waiting for the answers to what is in flight.
  private var isStopping = false
  /// Whether it ended because its files were taken away.
  package private(set) var lostItsFiles = false
  /// The gist of the failure that the log spoke of last: an outage is one line, not one for each attempt.
  var loggedFailure: String?
  /// Whether the link is up and Redis takes nothing.
  var isHeld = false
  /// Whether the log has said of this link that it is up.
  var isConnected = false
  /// The ways of proving the path that the log has spoken of.
  var loggedProbes: Set<ProbeMethod> = []

  package init(
    _ loop: EventLoop, _ settings: Settings, intake: Intake, pid: UInt64, log: DaemonLog, system: DaemonSystem
  ) {
    self.loop = loop
    self.settings = settings
    self.intake = intake
    self.log = log
    self.system = system
    filesCheckedAt = loop.now
    tidiedAt = loop.now
    // Half of what the watchdog allows, as sd_watchdog_enabled(3) recommends.
    heartbeatInterval = min(Self.heartbeatInterval, max((system.watchdog ?? .max) / 2, .milliseconds(1)))
    let now = loop.wallClock / 1000
    status = DaemonStatus(pid: pid, version: ProgramVersion.packed, startedAt: now, heartbeatAt: now)
  }

  /// Opens the outbox and begins to connect.
  package func start(state: borrowing Folder, access: OutboxAccess) throws(OutboxError) {
    link = system.makeLink(self)
    var destination = OutboxDestination.queue
    if let link {
      let receiver = Receiver(
        loop, intake, link, target: system.target, firstStart: settings.firstStart, log: log, owner: self)
      self.receiver = receiver
      keeper = StreamKeeper(loop, link, log: log, random: system.random)
      destination = .redis(link, receiver)
    }
    pump = try OutboxPump(
      loop, state: state, access: access, messageBytes: settings.maxMessageBytes, intake: intake,
      destination: destination, log: log)
    if link == nil, intake.wasJoined, let count = pump?.drain.waitingCount, count > 0 {
      let messages = count == 1 ? "1 waiting message stays" : "\(count) waiting messages stay"
      log(.warning, "\(messages) on this machine, although Redis was used before: redis_url is \"local\"")
    }
    turnToken = loop.atEndOfTurn(self)
    _ = loop.arm(after: heartbeatInterval, self)
    setRedis(link == nil ? .off : .connecting)
    link?.start()
    // What waits in the outbox of a local bus needs no event to be sent.
    pump?.pump()
    turnEnded()
    // Not when Redis answers: what is sent is taken from now on, and what is there can be read.
    system.notify(.ready)
  }

  /// The last words: connections closed, the status page says so.
  package func end() {
    link?.stop()
    pump?.finishArrived()
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
    receiver?.turnEnded()
    intake.wakeReaders()
    // Last: Redis works on the next batch meanwhile.
    pump?.finishArrived()
    if isHeld, link?.isReady == true, pump?.isHeldBack == false { endHold() }
    if isStopping, pump?.isIdle != false { loop.stop() }
  }

  package func timerFired(_ token: TimerToken) {
    guard !isStopping else {
      log(.warning, "some answers from Redis did not come; what they were for is sent again at the next start")
      return loop.stop()
    }
    guard hasItsFiles() else { return }
    _ = loop.arm(after: heartbeatInterval, self)
    // From the loop alone: one that hangs is started anew.
    system.notify(.alive)
    intake.speakOfLosses()
    let isDue = loop.now >= tidiedAt + Self.tidyingInterval
    if isDue { tidiedAt = loop.now }
    pump?.keepUp(hourly: isDue)
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
    system.notify(.stopping)
    isStopping = true
    pump?.stopHandingOut()
    if pump?.isIdle != false { return loop.stop() }
    _ = loop.arm(after: Self.answersDeadline, self)
  }

  func publishStatus() {
    status.heartbeatAt = loop.wallClock / 1000
    status.received = intake.received
    status.published = pump?.published ?? 0
    status.lost = intake.lost
    let (done, total) = receiver?.progress ?? (0, 0)
    status.catchUpDone = status.redis == .catchingUp ? done : 0
    status.catchUpTotal = status.redis == .catchingUp ? total : 0
    publishedStatus = status
    intake.publish(status)
  }

  func setRedis(_ state: RedisState, _ error: String = "", needsPerson: Bool = false) {
    let now = loop.wallClock / 1000
    status.redisNeedsPerson = needsPerson
    switch state {
    case .ready: outage.pauses(at: now)
    // The first attempt is no outage yet; nor is reading what was missed, or the end of one.
    case .connecting, .catchingUp, .off: break
    case .waiting: outage.goesOn(at: now)
    }
    if state != .ready {
      status.redisSince = outage.since ?? now
    } else if status.redis != .ready {
      status.redisSince = now
    }
    if status.redis != state || publishedStatus == nil { system.notify(.status("Redis: \(state.name)")) }
    status.redis = state
    if !error.isEmpty { status.redisError = error }
    // What a person looks for is worth a store at once; the counters go with the next heartbeat.
    if publishedStatus?.redis != status.redis || publishedStatus?.redisError != status.redisError { publishStatus() }
  }

  // MARK: - Reloading

  private func reload() {
    system.notify(.reloading)
    defer { system.notify(.ready) }
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
    receiver?.retryNow()
    pump?.retryNow()
  }
}
