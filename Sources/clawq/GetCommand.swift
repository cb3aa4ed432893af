import Bytes
import Inbox
import Ring
import Terminal

/// What `get` and `wait` were asked for.
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
  var end = UInt64.max
  do throws(InboxError) {
    switch request.range {
    case .new: break
    case .from(let sequence): try consumer.seek(to: sequence)
    case .again:
      let last = consumer.lastBatch
      end = last?.end ?? 1
      try consumer.seek(to: last?.start ?? 1)
    }
    batch = try consumer.collect(request.limits, request.format, until: end, to: &output.buffer)
  } catch {
    throw Failure(error)
  }
  try deliver(batch, &output, until: end, marks: request.marks, &consumer, session)
  return session.exitCode(messages: batch.messages, losses: batch.losses)
}

/// Writes out what was collected, marks it read, and says what a person should know besides.
func deliver(
  _ batch: Batch, _ output: inout StandardOutput, until end: UInt64 = .max, marks: Bool, _ consumer: inout Consumer,
  _ session: borrowing Session
) throws(Failure) {
  var left = Remainder.exactly(0)
  var damage = batch.damage
  if damage == nil {
    do { left = try consumer.remainder(until: end) } catch {
      guard !batch.isEmpty, error.damage != nil else { throw Failure(error) }
      damage = error.damage
    }
  }
  try output.write()
  if marks { try mark(batch, consumer) }
  if let damage { session.notes.warning("nothing more can be read behind this: \(Failure(damage).line)") }
  let advice = marks ? ": run clawq get\(session.readerFlags) again" : ""
  switch left {
  case .exactly(0): break
  case .exactly(let count): session.notes.note("\(count) more\(advice)")
  case .atLeast(0): session.notes.note("perhaps more\(advice)")
  case .atLeast(let count): session.notes.note("at least \(count) more\(advice)")
  }
  try session.complain(consumer)
}

func mark(_ batch: Batch, _ consumer: borrowing Consumer) throws(Failure) {
  do { try consumer.commit(batch) } catch { throw Failure(error) }
}
