import Bytes
import Inbox
import JSON
import Outbox
import Settings
import System
import Terminal

/// How long `--wait` waits.
struct Patience {
  /// In nanoseconds.
  let timeout: UInt64

  /// In seconds: how long without `--timeout`.
  private static let standardTimeout: UInt64 = 60
  private static let longestTimeout: UInt64 = 86_400
  private static let shortestPause: UInt64 = 200_000
  private static let longestPause: UInt64 = .milliseconds(100)

  /// nil without `--wait`.
  init?(_ arguments: Arguments) throws(Failure) {
    guard arguments.has(Options.wait) else {
      guard !arguments.has(Options.timeout) else {
        throw Failure(.usage, "--timeout is of use with --wait alone", whatToDo: "add --wait, or leave --timeout out")
      }
      return nil
    }
    // Both things that can be waited for are one as long as nothing can be mirrored.
    timeout =
      try arguments.duration(Options.timeout, atMost: Self.longestTimeout) ?? .seconds(Self.standardTimeout)
  }

  /// How long to sleep before the next look, in nanoseconds; nil where the time is over.
  ///
  /// A part of the time that went by: what takes a millisecond is seen a quarter of one late, and what takes minutes costs
  /// ten looks a second.
  func pause(after elapsed: UInt64) -> UInt64? {
    guard elapsed < timeout else { return nil }
    return min(max(elapsed / 4, Self.shortestPause), Self.longestPause, timeout - elapsed)
  }
}

/// What has become of a message when there was nothing more to wait for.
enum Ending {
  case stored
  /// With what holds it up, where that is known.
  case waiting(String?)
  case failed(reason: String, path: String)
  /// What can be seen does not tell.
  case unknown(String)

  /// Looks again and again until the message is not in the outbox any more, or the time is over.
  init(
    of name: OutboxName, _ sender: borrowing OutboxSender, _ state: borrowing StateFolder, _ patience: Patience
  ) {
    let start = SystemClock.monotonic()
    while true {
      let outcome: OutboxOutcome
      do { outcome = try sender.outcome(of: name, state: state.folder) } catch {
        self = .unknown(error.description)
        return
      }
      switch outcome {
      case .stored:
        self = .stored
        return
      case .failed(let reason, let path):
        self = .failed(reason: reason, path: path)
        return
      case .waiting: break
      }
      guard let pause = patience.pause(after: SystemClock.monotonic() - start) else {
        self = .waiting(Self.hindrance(state))
        return
      }
      SystemClock.sleep(nanoseconds: pause)
    }
  }

  private static func hindrance(_ state: borrowing StateFolder) -> String? {
    let presence: StateFolder.DaemonPresence
    do { presence = try state.daemonPresence() } catch { return Failure(error).line }
    return complaint(state, isLocked: presence == .running, now: SystemClock.wall() / 1000) { $0.hindrance }
  }

  /// The message `object` with its state behind its own members.
  func writeJSON(_ object: borrowing Span<UInt8>, to buffer: inout ByteBuffer) {
    func member(_ name: StaticString, _ value: String) {
      buffer.append(",\"")
      buffer.append(name)
      buffer.append("\":")
      buffer.append(jsonString: value)
    }
    // It ends in a brace and is not empty: a message has at least its sender.
    buffer.append(contentsOf: object.extracting(first: object.count - 1))
    switch self {
    case .stored: member("state", "stored")
    case .waiting: member("state", "waiting")
    case .failed(let reason, _):
      member("state", "failed")
      member("reason", reason)
    case .unknown: member("state", "unknown")
    }
    buffer.append("}")
  }

  /// What is to be said of it on stderr, and the exit code; nil where all is well.
  func failure(_ id: ULID) -> Failure? {
    switch self {
    case .stored: nil
    case .waiting(let hindrance):
      Failure(
        .timedOut, "message \(id.text) has not arrived in time",
        why: hindrance ?? "clawd runs and has not come to it yet",
        whatToDo: "it stays accepted and is sent as soon as that is possible: do not send it again")
    case .failed(let reason, let path):
      Failure(
        .badData, "message \(id.text) can never be sent", why: reason, whatToDo: "it is kept as \(path)")
    case .unknown(let why):
      Failure(
        .inputOutput, "message \(id.text) was accepted, but what became of it is not known", why: why,
        whatToDo: "look for its id before you send it again")
    }
  }
}
