internal import Bytes
package import Ring
internal import System

/// Whether the daemon does its work, judged from its lock and its status page: without asking it anything.
package struct DaemonHealth: Equatable, Sendable {
  package enum State: String, Sendable {
    case running
    /// It holds its lock, but its loop has not turned for `silenceLimit`.
    case hung
    case stopped
  }

  /// Three missed heartbeats, in microseconds.
  package static let silenceLimit: UInt64 = 90_000_000
  /// How long a service may be unusable before people are told, in microseconds.
  package static let outageLimit: UInt64 = 60_000_000

  package let state: State
  package let status: DaemonStatus?
  /// Microseconds since the Unix epoch.
  private let now: UInt64
  private let isLocked: Bool

  /// What kind of thing is wrong.
  package enum Trouble: Equatable, Sendable {
    case stopped
    case hung
    case redis
  }

  /// - Parameters:
  ///   - isLocked: whether a daemon holds the writer's lock.
  ///   - status: what one last said of itself.
  ///   - now: microseconds since the Unix epoch.
  package init(isLocked: Bool, status: DaemonStatus?, now: UInt64) {
    self.status = status
    self.now = now
    self.isLocked = isLocked
    // One that holds the lock and has not yet said so on the page is only about to begin.
    guard isLocked, let status, !status.isStopped else {
      state = .stopped
      return
    }
    // A heartbeat from the future is a clock that was set back: no reason to call the daemon hung.
    let silence = now > status.heartbeatAt ? now - status.heartbeatAt : 0
    state = silence > Self.silenceLimit ? .hung : .running
  }

  /// Whether no daemon runs here, so that nothing will come. One that has just begun and has not said so yet is one.
  package var isAbsent: Bool { !isLocked }

  /// What keeps messages from coming and going; nil where nothing does.
  package var trouble: Trouble? {
    switch state {
    // One that holds its lock is about to say that it runs.
    case .stopped: return isLocked ? nil : .stopped
    case .hung: return .hung
    case .running:
      guard let status, status.redis != .off, status.redis != .ready else { return nil }
      // What does not pass by itself is said at once.
      if status.redisNeedsPerson { return .redis }
      return now > status.redisSince && now - status.redisSince > Self.outageLimit ? .redis : nil
    }
  }

  /// What is wrong, since when, and what mends it, in one line; nil where nothing is.
  package var complaint: String? {
    switch trouble {
    case nil: return nil
    case .stopped:
      // One that said good-bye said when; of one that was killed only its last sign of life is known.
      let isKnown = status?.isStopped ?? true
      let when = isKnown ? since(status?.heartbeatAt) : since(status?.heartbeatAt, " (last seen", ")")
      return "clawd is not running\(when): no message arrives or leaves; start it with: clawd run"
    case .hung:
      let pid = status.map { " (pid \($0.pid))" } ?? ""
      return "clawd\(pid) hangs\(since(status?.heartbeatAt)): restart it"
    case .redis: return redisTrouble
    }
  }

  /// What keeps a message from leaving at this moment, also where that is too young to be a complaint; nil where nothing
  /// does.
  package var hindrance: String? {
    if let complaint { return complaint }
    if state == .stopped { return "clawd is only about to start" }
    guard let status, status.redis != .off, status.redis != .ready else { return nil }
    return redisTrouble
  }

  private var redisTrouble: String {
    guard let status else { return "Redis is unusable" }
    if status.redis == .catchingUp {
      return "clawd is catching up with Redis\(since(status.redisSince))\(progress.map { " (\($0.text))" } ?? ""): "
        + "what is new comes behind what was missed"
    }
    let reason = status.redisError.isEmpty ? "" : " (\(status.redisError))"
    return "Redis is unusable\(since(status.redisSince))\(reason): messages wait and are sent later; "
      + "check redis_url and the server, then: clawq status"
  }

  /// How far clawd has come with what it missed; nil where it is not catching up.
  package var progress: CatchUpProgress? {
    guard state == .running, let status, status.redis == .catchingUp else { return nil }
    return CatchUpProgress(done: status.catchUpDone, total: status.catchUpTotal)
  }

  private func since(_ microseconds: UInt64?, _ lead: String = " since", _ end: String = "") -> String {
    guard let microseconds, microseconds > 0, let time = LocalTime(unixMicroseconds: microseconds) else { return "" }
    return "\(lead) \(time.text)\(end)"
  }
}

/// How far a catch-up has come, in entries of the stream.
package struct CatchUpProgress: Equatable, Sendable {
  package let done: UInt64
  /// About how many there are, never less than `done`; nil where that is not known.
  package let total: UInt64?

  /// - Parameter total: 0 where it is not known.
  init(done: UInt64, total: UInt64) {
    self.done = done
    self.total = total == 0 ? nil : max(total, done)
  }

  /// `12,000 of about 100,000`
  package var text: String {
    Self.grouped(done) + (total.map { " of about \(Self.grouped($0))" } ?? " so far")
  }

  /// The digits in groups of three.
  private static func grouped(_ number: UInt64) -> String {
    let digits = Array(String(number).utf8)
    var grouped = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { grouped += "," }
      grouped.unicodeScalars.append(Unicode.Scalar(digit))
    }
    return grouped
  }
}
