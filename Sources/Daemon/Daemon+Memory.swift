internal import EventLoop
internal import RedisLink
internal import System

/// What is done about a Redis without memory: it refuses to store, and `MAXLEN` trims only what is stored, so that nothing
/// would ever make room. Whoever is refused takes a quarter of our own stream away; who had not read it counts the loss.
///
///     refused with OOM ─▶ XLEN ─▶ XTRIM to three quarters ─▶ the next probe passes, or it is done again a minute later
struct MemoryRelief {
  /// How often a quarter may be trimmed, in nanoseconds.
  static let interval = UInt64.seconds(60)

  private var lastAt: Instant?

  /// Whether a refusal is one for which the stream is to be trimmed now.
  ///
  /// - Parameter text: Redis's own words, which begin with its code.
  mutating func isDue(_ kind: RedisErrorKind, _ text: String, at now: Instant) -> Bool {
    guard kind == .storage, text.hasPrefix("OOM") else { return false }
    if let lastAt, now - lastAt < Self.interval { return false }
    lastAt = now
    return true
  }

  /// What is left of so many messages; nil where there is nothing to be gained.
  static func rest(of length: UInt64) -> UInt64? { length < 4 ? nil : length - length / 4 }
}

extension Daemon {
  /// Redis refused to store something.
  func relieveMemory(_ kind: RedisErrorKind, _ text: String) {
    guard let link, link.isOpen, relief.isDue(kind, text, at: loop.now) else { return }
    link.fetch(.length)
  }

  /// The answers: how long the stream is, and how many of its messages are gone.
  func relievesMemory(_ count: UInt64, _ request: StreamRequest) {
    switch request {
    case .length:
      guard let link, link.isOpen, let rest = MemoryRelief.rest(of: count) else { return }
      link.fetch(.trim(to: rest))
    case .trim(let rest):
      log(.warning, "Redis is out of memory: trimmed our stream by \(count) messages, to \(rest)")
    case .meta, .page, .newest: break
    }
  }

  func cannotRelieveMemory(_ text: String) {
    log(.warning, "Redis is out of memory, and does not let us trim our stream: \(text)")
  }
}
