package import System

/// How long to wait before connecting again: full jitter, so that many clients do not come back in step
/// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
///
///     delay = least + uniform in 0 ... min(30 s, 250 ms * 2^failures)
///
/// The count of failures is forgotten only after the link was healthy for 30 s: a link that comes up and drops at once is
/// as bad as one that never comes up, and must not be retried as fast as a first failure. What was healthy for so long
/// and dropped is tried once more without any delay: most such drops are a server's restart or a proxy's idle limit, and
/// what is published meanwhile is missed.
package struct Backoff: Sendable {
  package static let firstCeiling: UInt64 = .milliseconds(250)
  package static let lastCeiling: UInt64 = .seconds(30)
  package static let stableAfter: UInt64 = .seconds(30)

  /// 250 ms * 2^7 is 32 s: beyond the last ceiling.
  private static let doublings = 7

  /// Failures in a row, counted up to `doublings`.
  private var failures = 0
  private var healthySince: Instant?

  package init() {}

  /// The link is up and does its work.
  package mutating func ready(at now: Instant) {
    if healthySince == nil { healthySince = now }
  }

  /// The link failed, or did not come up. Answers how many nanoseconds to wait before the next attempt.
  ///
  /// - Parameters:
  ///   - least: what the failure asks for at least, in nanoseconds.
  ///   - random: 64 random bits.
  package mutating func failed(at now: Instant, least: UInt64 = 0, random: UInt64) -> UInt64 {
    let wasStable = healthySince.map { now - $0 >= Self.stableAfter } ?? false
    healthySince = nil
    if wasStable {
      failures = 0
      if least == 0 { return 0 }
    }
    let ceiling = min(Self.lastCeiling, Self.firstCeiling << UInt64(failures))
    failures = min(failures + 1, Self.doublings)
    // The high half of random * (ceiling + 1) is uniform in 0...ceiling.
    return least + random.multipliedFullWidth(by: ceiling + 1).high
  }
}
