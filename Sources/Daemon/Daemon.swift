internal import Bytes
package import EventLoop
internal import Message
package import Outbox
package import RedisLink
internal import Ring
package import Settings
package import System

/// The daemon: puts the parts together, and tells each what happens to the others.
///
///     outbox ─▶ OutboxPump ─▶ RedisLink ═▶ Redis ═▶ RedisLink ─▶ Intake ─▶ queue.ring
///                    └──────── with no Redis URL ─────────────────▶┘
package final class Daemon: RedisLinkHandler, SignalHandler, TimerHandler, TurnHandler {
  /// The one timer of an idle daemon, in nanoseconds: it feeds the heartbeat.
  package static let heartbeatInterval = UInt64.seconds(30)
  /// The outbox is tidied every so many heartbeats: hourly.
  private static let heartbeatsPerTidying = 120

  private let loop: EventLoop
  private let log: DaemonLog
  private let intake: Intake
  private let makeLink: (Settings, any RedisLinkHandler) -> RedisLink?
  private let loadSettings: () -> Settings?
  private var settings: Settings
  private var pump: OutboxPump?
  private var link: RedisLink?
  private var status: DaemonStatus
  private var publishedStatus: DaemonStatus?
  private var heartbeats = 0
  private var turnToken: TurnToken?
  /// The failure that the log spoke of last: an outage is one line, not one for each attempt.
  private var loggedFailure: String?

  /// - Parameters:
  ///   - makeLink: the link that settings ask for; nil for the local bus.
  ///   - loadSettings: reads the configuration again; nil, and the reason logged, where it cannot be used.
  package init(
    _ loop: EventLoop, _ settings: Settings, intake: Intake, pid: UInt64, log: DaemonLog,
    makeLink: @escaping (Settings, any RedisLinkHandler) -> RedisLink?,
    loadSettings: @escaping () -> Settings?
  ) {
    self.loop = loop
    self.settings = settings
    self.intake = intake
    self.log = log
    self.makeLink = makeLink
    self.loadSettings = loadSettings
    let now = loop.wallClock / 1000
    status = DaemonStatus(pid: pid, version: ProgramVersion.packed, startedAt: now, heartbeatAt: now)
  }

  /// Opens the outbox and begins to connect.
  package func start(state: borrowing Folder, access: OutboxAccess) throws(OutboxError) {
    link = makeLink(settings, self)
    pump = try OutboxPump(
      loop, state: state, access: access, messageBytes: settings.maxMessageBytes, intake: intake,
      destination: link.map { .redis($0) } ?? .queue, log: log)
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
  }

  // MARK: - Events of the loop

  package func turnEnded() {
    pump?.pump()
    intake.wakeReaders()
    // Only what a person looks for is worth a store at once; the counters go with the next heartbeat.
    if publishedStatus?.redis != status.redis || publishedStatus?.redisError != status.redisError { publishStatus() }
  }

  package func timerFired(_ token: TimerToken) {
    _ = loop.arm(after: Self.heartbeatInterval, self)
    heartbeats += 1
    intake.speakOfLosses()
    pump?.keepUp(hourly: heartbeats % Self.heartbeatsPerTidying == 0)
    publishStatus()
  }

  package func received(_ signal: Signal) {
    switch signal {
    case .terminate, .interrupt:
      log(.notice, "stopping")
      loop.stop()
    case .hangUp: reload()
    }
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
    log(.notice, "connected to Redis, subscribed to \(settings.channel)")
    loggedFailure = nil
    setRedis(.ready)
  }

  package func linkDown(_ failure: LinkFailure, retryAfter delay: UInt64) {
    pump?.linkLost()
    if failure.description != loggedFailure {
      log(.warning, "Redis: \(failure); trying again")
      loggedFailure = failure.description
    }
    setRedis(.waiting, failure.description)
  }

  package func received(_ payload: borrowing Span<UInt8>) { intake.receive(payload, at: loop.wallClock) }

  package func receivedOversized(_ byteCount: Int) {
    let allowed = settings.maxMessageBytes + Limits.receivedSlack
    intake.lose(.tooLarge, "\(byteCount) bytes where \(allowed) are allowed", at: loop.wallClock / 1000)
  }

  package func published(_ token: UInt64) {
    pump?.arrived(token)
    if status.redis != .ready, pump?.isHeldUp == false { setRedis(.ready) }
  }

  package func refused(_ token: UInt64, _ kind: RedisErrorKind, text: String) {
    // Connected, but of no use to who sends: what waits is to be seen.
    setRedis(.waiting, text)
    pump?.refused(token, because: text)
  }

  private func setRedis(_ state: RedisState, _ error: String = "") {
    // How long it has been unusable is counted from the first failure, not from the last attempt.
    if (status.redis == .ready) != (state == .ready) || status.redisSince == 0 {
      status.redisSince = loop.wallClock / 1000
    }
    status.redis = state
    if !error.isEmpty { status.redisError = error }
    if state == .ready { status.redisError = "" }
  }

  // MARK: - Reloading

  private func reload() {
    guard let fresh = loadSettings() else {
      log(.error, "the configuration was not reloaded; the one before stays in force")
      return
    }
    for setting in Setting.all where setting.change == .restart && fresh.differs(from: settings, in: setting.key) {
      log(.warning, "\(setting.name) has changed: restart clawd for it to take effect")
    }
    log(.notice, "configuration read again")
  }
}
