/// What a daemon takes that comes to a stream for the first time.
package enum FirstStart: Equatable, Sendable {
  /// What is published from now on.
  case end
  /// All that the stream retains.
  case all
  /// The last so many messages, at least 1.
  case last(UInt64)
}
