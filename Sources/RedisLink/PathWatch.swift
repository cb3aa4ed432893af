package import System

/// Whether what is published comes back: when to prove it with a probe, when it is proved, and when it is not.
///
///     proving ──▶ ready ◀──────────────┐     a probe is over when it was answered on the one connection and
///        │          │ Redis refuses    │     anything was heard on the other
///        └──────────┴──▶ held ─────────┘
///
/// - proving: just connected; the first probe goes out at once.
/// - ready: whatever is heard proves the subscription, so a probe goes out only after `silence` and up to `jitter` more
///   of hearing nothing. Ten idle daemons that hear each other's probes thus send one a minute together.
/// - held: Redis lives and cannot take anything now; the probe is repeated until it can.
///
/// Everything that happens is told with its time; `deadline` is when `due` is to be asked next.
package struct PathWatch: Sendable {
  /// How long nothing must have been heard before a probe, in nanoseconds.
  package static let silence = UInt64.seconds(60)
  /// How much longer at most, at random: whoever is first spares the others theirs.
  package static let jitter = UInt64.seconds(15)
  /// How long after its answer a probe may take to be heard.
  package static let echoDeadline = UInt64.seconds(10)
  /// How long to wait before the next probe while Redis takes nothing; doubled up to the last, and short again only
  /// after the path was good for `stableAfter`: what is published may be refused where a probe is not.
  package static let firstPause = UInt64.seconds(1)
  package static let lastPause = UInt64.seconds(30)
  package static let stableAfter = UInt64.seconds(30)

  private enum State: Equatable {
    case proving
    case ready(since: Instant)
    case held
  }

  /// What is to be done now.
  package enum Due: Equatable, Sendable {
    case nothing
    /// Send a probe, and say so with `sent`.
    case probe
    /// A probe was answered and nothing was heard since: give the link up.
    case unheard
  }

  /// A probe that is not over.
  private struct Probe {
    var answeredAt: Instant?
    var isHeard = false
  }

  private var state = State.proving
  private var probe: Probe?
  private var heardAt: Instant
  /// When the next probe is due, unless something is heard until then.
  private var nextAt: Instant
  private var pauses: UInt64 = 0

  /// Both connections are open, and nothing is proved.
  package init(openedAt now: Instant) {
    heardAt = now
    nextAt = now
  }

  package var isReady: Bool {
    if case .ready = state { return true }
    return false
  }

  /// Something came in by the subscription.
  package mutating func heard(at now: Instant) {
    heardAt = now
    probe?.isHeard = true
  }

  /// A probe was written.
  package mutating func sent() { probe = Probe() }

  /// The probe was answered without an error.
  package mutating func answered(at now: Instant) { probe?.answeredAt = now }

  /// Something is coming in by the subscription, slowly: what is to be heard stands behind it.
  package mutating func postpone(at now: Instant) { probe?.answeredAt = now }

  /// Whether the probe that was out is over now, and the path good. To be asked after `heard` and `answered`.
  ///
  /// - Parameter random: gives 64 random bits; asked only if so.
  package mutating func concludes(at now: Instant, random: () -> UInt64) -> Bool {
    guard let probe, probe.isHeard, probe.answeredAt != nil else { return false }
    self.probe = nil
    if !isReady { state = .ready(since: now) }
    nextAt = later(random())
    return true
  }

  /// Redis answered with an error that will pass.
  ///
  /// - Parameter isProbe: whether it answered the probe, which then is over; else another command, and a probe that is out
  ///   goes on.
  package mutating func held(at now: Instant, isProbe: Bool) {
    if isProbe { probe = nil }
    // Of several commands that were refused together only the first counts.
    if !isProbe, state == .held { return }
    if case .ready(let since) = state, now - since >= Self.stableAfter { pauses = 0 }
    state = .held
    let pause = min(Self.lastPause, Self.firstPause << min(pauses, 10))
    pauses += 1
    nextAt = now + pause
  }

  /// When to ask `due` at the latest.
  package var deadline: Instant? {
    guard let probe else { return nextAt }
    guard let answeredAt = probe.answeredAt, !probe.isHeard else { return nil }
    return answeredAt + Self.echoDeadline
  }

  /// - Parameter random: gives 64 random bits; asked once in a silence.
  package mutating func due(at now: Instant, random: () -> UInt64) -> Due {
    if let probe {
      guard let answeredAt = probe.answeredAt, !probe.isHeard else { return .nothing }
      return now >= answeredAt + Self.echoDeadline ? .unheard : .nothing
    }
    guard now >= nextAt else { return .nothing }
    guard !isReady || now >= heardAt + Self.silence else {
      // Heard meanwhile: nothing was done then but to note the time, because that may be often.
      nextAt = later(random())
      return .nothing
    }
    return .probe
  }

  /// When a probe is due that nothing makes superfluous.
  private func later(_ random: UInt64) -> Instant {
    heardAt + Self.silence + random.multipliedFullWidth(by: Self.jitter + 1).high
  }
}
