/// What a program's end tells its caller; sysexits.h where one of its numbers fits.
package enum ExitCode: Int32, CaseIterable, Sendable {
  case success = 0
  /// Only with `--exit-code`.
  case nothingNew = 1
  /// Only with `--exit-code`.
  case losses = 3
  case usage = 64
  case badData = 65
  case noQueue = 66
  case unavailable = 69
  case inputOutput = 74
  case tryLater = 75
  case permission = 77
  case configuration = 78
  case timedOut = 124

  /// For the help and the manual.
  package var meaning: String {
    switch self {
    case .success: "the command worked, also with nothing new or with losses"
    case .nothingNew: "nothing new (with --exit-code)"
    case .losses: "messages were lost (with --exit-code)"
    case .usage: "the command line is wrong"
    case .badData: "the data given is not valid"
    case .noQueue: "there is no queue here"
    case .unavailable: "the daemon or a service is not available"
    case .inputOutput: "reading or writing failed"
    case .tryLater: "not now: try again later"
    case .permission: "the permissions do not allow it, or are too open"
    case .configuration: "the configuration is wrong"
    case .timedOut: "nothing happened in time"
    }
  }
}
