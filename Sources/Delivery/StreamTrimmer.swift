package import System

/// Makes room in a Redis that is out of memory, where nobody else would: adding a message trims the stream, and nothing can be
/// added. Takes away a quarter of the stream at a time, at most once a minute whoever does it.
///
///     idle ─out of memory─▶ waiting ─▶ first look ─▶ waiting ─▶ second look ─▶ trim, or wait a minute
///                              ▲                                                   │
///                              └───────────────────────────────────────────────────┘  until something was stored
///
/// Many daemons share the stream, and all of them are told at once: each looks at a time of its own, twice, and lets it be
/// where the stream has become shorter in between.
package struct StreamTrimmer: Sendable {
  /// How long to wait before a look, in nanoseconds: this and up to as much again twice, at random.
  package static let firstPause = UInt64.seconds(5)
  /// How long nobody trims after somebody did.
  package static let pause = UInt64.seconds(60)
  /// A shorter stream is not what fills the memory.
  package static let shortest: UInt64 = 100

  private enum State: Equatable {
    case idle
    case waiting(until: Instant)
    case looking
    case trimming(of: UInt64)
  }

  package enum Step: Equatable, Sendable {
    case nothing
    /// Ask for the stream's length, and say it with `length`.
    case look
    /// Keep so many of the newest.
    case trim(to: UInt64)
  }

  private var state = State.idle
  /// What the look before found.
  private var length: UInt64?

  package init() {}

  /// Redis refused to store something for lack of memory.
  ///
  /// - Parameter random: gives 64 random bits; asked only where a time begins.
  package mutating func outOfMemory(at now: Instant, random: () -> UInt64) {
    guard state == .idle else { return }
    length = nil
    wait(Self.firstPause, at: now, random)
  }

  /// Something was stored, or the link is down.
  package mutating func end() {
    state = .idle
    length = nil
  }

  private mutating func wait(_ pause: UInt64, at now: Instant, _ random: () -> UInt64) {
    let more = random().multipliedFullWidth(by: 2 * Self.firstPause + 1).high
    state = .waiting(until: now + pause + more)
  }

  /// When to ask `due` at the latest.
  package var deadline: Instant? {
    guard case .waiting(let until) = state else { return nil }
    return until
  }

  package mutating func due(at now: Instant) -> Step {
    guard case .waiting(let until) = state, now >= until else { return .nothing }
    state = .looking
    return .look
  }

  /// The stream has so many entries.
  package mutating func length(_ found: UInt64, at now: Instant, random: () -> UInt64) -> Step {
    guard state == .looking else { return .nothing }
    guard found >= Self.shortest else {
      length = nil
      wait(Self.pause, at: now, random)
      return .nothing
    }
    guard let before = length else {
      length = found
      wait(Self.firstPause, at: now, random)
      return .nothing
    }
    if found < before {
      // Somebody else did it.
      length = found
      wait(Self.pause, at: now, random)
      return .nothing
    }
    state = .trimming(of: found)
    return .trim(to: found - found / 4)
  }

  /// The stream was trimmed, or that or the look was refused.
  package mutating func trimmed(at now: Instant, random: () -> UInt64) {
    switch state {
    case .looking, .trimming: break
    case .idle, .waiting: return
    }
    length = nil
    wait(Self.pause, at: now, random)
  }
}
