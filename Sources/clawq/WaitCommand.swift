import Bytes
import Inbox
import Ring
import Terminal

/// What `wait` was asked for.
struct WaitRequest {
  let get: GetRequest
  /// In nanoseconds.
  let timeout: UInt64

  /// In seconds: how long without `--timeout`. An agent's tool that never came back would be taken for broken.
  static let standardTimeout: UInt64 = 60
  static let longestTimeout: UInt64 = 86_400

  init(_ arguments: Arguments) throws(Failure) {
    get = try GetRequest(arguments)
    timeout =
      try arguments.duration(Options.timeout, atMost: Self.longestTimeout) ?? Self.standardTimeout * 1_000_000_000
  }
}

/// Sleeps until there is something new, then does as `get`. A signal ends it as it ends every program: nothing is marked
/// before it was printed.
func wait(_ request: WaitRequest, _ session: borrowing Session) throws(Failure) -> ExitCode {
  var following = try Following(
    session.access(marking: request.get.marks), timeout: request.timeout, needsDaemon: true, session)
  session.introduce(following.consumer)
  var output = StandardOutput()
  while true {
    let health = try following.prepare(session)
    output.buffer.removeAll()
    let batch: Batch
    do { batch = try following.consumer.collect(request.get.limits, request.get.format, to: &output.buffer) } catch {
      throw Failure(error)
    }
    let end: Follower.End? = batch.isEmpty ? try following.rest(session) : nil
    switch end {
    case nil where batch.isEmpty: continue
    case .daemonGone:
      throw Failure(.unavailable, health?.complaint ?? "clawd is not running: nothing will come")
    case .queueGone:
      throw Failure(.noQueue, "no queue here any more", why: "\(following.consumer.reader.path) is gone")
    case nil, .timedOut:
      try deliver(batch, &output, marks: request.get.marks, &following.consumer, session)
      guard batch.isEmpty else { return session.exitCode(messages: batch.messages, losses: batch.losses) }
      return session.arguments.has(Options.exitCode) ? .timedOut : .success
    }
  }
}
