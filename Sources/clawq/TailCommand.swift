import Bytes
import Inbox
import System
import Terminal

/// What `tail` was asked for.
struct TailRequest {
  /// How many of the messages that are there already are shown first.
  let last: Int
  let isJSON: Bool

  static let standardLast: UInt64 = 10
  static let mostLast: UInt64 = 1_000_000

  init(_ arguments: Arguments) throws(Failure) {
    last = Int(try arguments.integer(Options.last, in: 0...Self.mostLast) ?? Self.standardLast)
    isJSON = arguments.has(Options.json)
  }
}

/// Shows the last messages and then each that comes, until somebody ends it.
func tail(_ request: TailRequest, _ session: borrowing Session) throws(Failure) -> ExitCode {
  QuietEnding.atInterrupt()
  QuietEnding.whenOutputIsUnread()
  var following = try Following(.withoutCursor, timeout: nil, needsDaemon: false, session)
  do { try following.consumer.seek(toLast: request.last) } catch { throw Failure(error) }
  var output = StandardOutput()
  var lines = MessageLines(columns: StandardStreams.terminalColumns(1) ?? .max, style: Style.of(1))
  var trouble: DaemonHealth.Trouble?
  while true {
    if let health = try following.prepare(session) {
      session.announce(health, after: trouble)
      trouble = health.trouble
    }
    guard try show(&following.consumer, asJSON: request.isJSON, &lines, &output) else { return .success }
    guard try following.rest(session) == nil else { return .success }
  }
}

/// How many bytes of JSON are collected before they are written, where more is there at once.
private let chunkBytes = 64 * 1024

/// Writes all that there is; false where nobody reads it any more.
private func show(
  _ consumer: inout Consumer, asJSON: Bool, _ lines: inout MessageLines, _ output: inout StandardOutput
) throws(Failure) -> Bool {
  var failure: Failure?
  var isMore = true
  while isMore, failure == nil {
    do throws(InboxError) {
      isMore = try collect(&consumer, asJSON: asJSON, &lines, &output.buffer)
    } catch {
      // What comes before the damage is shown all the same.
      failure = Failure(error)
    }
    lines.write(to: &output.buffer)
    guard try output.writeWhileRead() else { return false }
  }
  if let failure { throw failure }
  return true
}

/// Takes what there is, about `chunkBytes` or a block of lines at most; answers whether there may be more.
private func collect(
  _ consumer: inout Consumer, asJSON: Bool, _ lines: inout MessageLines, _ buffer: inout ByteBuffer
) throws(InboxError) -> Bool {
  while let entry = try consumer.nextEntry() {
    if asJSON {
      try consumer.append(entry, to: &buffer)
      buffer.append("\n")
    } else {
      switch entry {
      case .message(let sequence): lines.add(consumer.payload, sequence)
      case .loss(let sequence, let count, let reason): lines.addLoss(sequence, count: count, reason)
      }
    }
    if buffer.count >= chunkBytes || lines.isFull { return true }
  }
  return false
}

extension Session {
  /// Says once what has changed about the daemon.
  fileprivate func announce(_ health: DaemonHealth, after before: DaemonHealth.Trouble?) {
    guard health.trouble != before else { return }
    if let complaint = health.complaint {
      notes.warning(complaint)
    } else {
      notes.note(before == .redis ? "Redis can be used again" : "clawd runs again")
    }
  }
}
