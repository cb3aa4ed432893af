/// Since when Redis has been of no use: a pure account of what the link says, in microseconds since the Unix epoch.
///
/// A link that comes up for a moment and drops again does not end an outage, or nobody would ever be told of one that
/// goes on for hours. It ends when a message went through, or after the link has held for `stableAfter`.
struct Outage {
  static let stableAfter: UInt64 = 30_000_000

  /// When it began; nil where there is none.
  private(set) var since: UInt64?
  private var usableSince: UInt64?

  /// Redis is of no use now.
  mutating func goesOn(at now: UInt64) {
    if let usableSince, now >= usableSince, now - usableSince >= Self.stableAfter { since = nil }
    usableSince = nil
    since = since ?? now
  }

  /// The link is up.
  mutating func pauses(at now: UInt64) { usableSince = usableSince ?? now }

  /// A message went through.
  mutating func ends() { since = nil }
}
