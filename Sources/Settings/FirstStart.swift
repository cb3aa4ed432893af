/// What a queue begins with that is connected to a server, database and channel for the first time.
package enum FirstStart: Equatable, Sendable {
  /// With what comes from now on.
  case end
  /// With everything that Redis has kept.
  case all
  /// With the newest of what Redis has kept: so many messages, `Limits.firstStartMessages`.
  case last(UInt64)

  /// As it is written in the configuration, without quotation marks.
  var text: String {
    switch self {
    case .end: "end"
    case .all: "all"
    case .last(let count): String(count)
    }
  }
}
