import Bytes
import Inbox
import Ring
import Terminal

/// Prints the next batch, and marks it read when all of it was written.
func get(_ session: borrowing Session) throws(Failure) -> ExitCode {
  let arguments = session.arguments
  let from = try arguments.integer(Options.from, in: 1...UInt64(Int64.max))
  let isAgain = arguments.has(Options.again)
  guard from == nil || !isAgain else {
    throw Failure(.usage, "--from and --again exclude each other")
  }
  var limits = BatchLimits.standard
  if arguments.has(Options.all) { limits = .none }
  if let most = try arguments.integer(Options.max, in: 1...1_000_000_000) {
    guard !arguments.has(Options.all) else { throw Failure(.usage, "--all and --max exclude each other") }
    limits = BatchLimits(entries: Int(most), bytes: .max)
  }
  let marks = !arguments.has(Options.peek) && from == nil && !isAgain
  var consumer = try session.consumer(marking: marks)
  var output = StandardOutput()
  let batch: Batch
  var rest: Batch?
  do {
    var end = UInt64.max
    if let from { try consumer.seek(to: from) }
    if isAgain {
      let last = consumer.lastBatch
      end = last?.end ?? 1
      try consumer.seek(to: last?.start ?? 1)
    }
    batch = try consumer.collect(
      limits, arguments.has(Options.lines) ? .lines : .array, until: end, to: &output.buffer)
    if !isAgain { rest = try consumer.countRest() }
  } catch {
    throw Failure(error)
  }
  try output.write()
  if marks { try mark(batch, consumer) }
  if let rest, rest.messages + rest.losses > 0 {
    let count = rest.messages + rest.losses
    session.notes.note("\(count) more\(marks ? ": run clawq get again" : "")")
  }
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

func counted(_ count: Int, _ thing: String) -> String { "\(count) \(thing)\(count == 1 ? "" : "s")" }
