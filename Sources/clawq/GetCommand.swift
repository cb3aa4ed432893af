import Bytes
import Inbox
import Ring
import Terminal

/// What `get` was asked for.
struct GetRequest {
  /// Where the reading begins and ends.
  enum Range {
    case new
    /// What the last batch held.
    case again
    case from(UInt64)
  }

  let range: Range
  let limits: BatchLimits
  let format: BatchFormat
  /// Whether what was printed counts as read.
  let marks: Bool

  init(_ arguments: Arguments) throws(Failure) {
    let from = try arguments.integer(Options.from, in: 1...UInt64(Int64.max))
    let most = try arguments.integer(Options.max, in: 1...1_000_000_000)
    let isAgain = arguments.has(Options.again)
    let isAll = arguments.has(Options.all)
    guard from == nil || !isAgain else { throw Failure(.usage, "--from and --again exclude each other") }
    guard most == nil || !isAll else { throw Failure(.usage, "--all and --max exclude each other") }
    range = isAgain ? .again : from.map { .from($0) } ?? .new
    limits = isAll ? .none : most.map { BatchLimits(entries: Int($0), bytes: .max) } ?? .standard
    format = arguments.has(Options.lines) ? .lines : .array
    marks = !arguments.has(Options.peek) && from == nil && !isAgain
  }
}

/// Prints a batch, and marks it read when all of it was written. Damage in the queue takes nothing away from what comes
/// before it.
func get(_ request: GetRequest, _ session: borrowing Session) throws(Failure) -> ExitCode {
  var consumer = try session.consumer(marking: request.marks)
  var output = StandardOutput()
  let batch: Batch
  var left = 0
  var damage: QueueError?
  do throws(InboxError) {
    var end = UInt64.max
    switch request.range {
    case .new: break
    case .from(let sequence): try consumer.seek(to: sequence)
    case .again:
      let last = consumer.lastBatch
      end = last?.end ?? 1
      try consumer.seek(to: last?.start ?? 1)
    }
    batch = try consumer.collect(request.limits, request.format, until: end, to: &output.buffer)
    damage = batch.damage
    do throws(InboxError) {
      if damage == nil {
        let rest = try consumer.countRest(until: end)
        left = rest.messages + rest.losses
      }
    } catch {
      guard !batch.isEmpty, error.damage != nil else { throw error }
      damage = error.damage
    }
  } catch {
    throw Failure(error)
  }
  try output.write()
  if request.marks { try mark(batch, consumer) }
  if let damage { session.notes.warning("nothing more can be read behind this: \(Failure(damage).line)") }
  if left > 0 { session.notes.note("\(left) more\(request.marks ? ": run clawq get again" : "")") }
  try session.complain(consumer)
  return session.exitCode(messages: batch.messages, losses: batch.losses)
}

/// Marks everything read that is in the queue now.
func clear(_ session: borrowing Session) throws(Failure) -> ExitCode {
  var consumer = try session.consumer(marking: true)
  let rest: Batch
  do { rest = try consumer.countRest() } catch { throw Failure(error) }
  var output = StandardOutput()
  output.buffer.append(utf8: "marked \(counted(rest.messages, "message")) read")
  if rest.lost > 0 { output.buffer.append(utf8: "; \(rest.lost) lost") }
  output.buffer.append("\n")
  try output.write()
  try mark(rest, consumer)
  try session.complain(consumer)
  return .success
}

private func mark(_ batch: Batch, _ consumer: borrowing Consumer) throws(Failure) {
  do { try consumer.commit(batch) } catch { throw Failure(error) }
}
