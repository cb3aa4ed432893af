import Bytes
import Inbox
import Ring
import Terminal

/// Marks everything read up to `sequence` and with it.
func ack(_ sequence: UInt64, _ session: borrowing Session) throws(Failure) -> ExitCode {
  var consumer = try session.consumer(marking: true)
  let newest: UInt64
  do { newest = try consumer.reader.nextSequence() - 1 } catch { throw Failure(error) }
  guard sequence <= newest else {
    throw Failure(
      .badData, "cannot mark \(sequence) read",
      why: newest == 0 ? "nothing has come yet" : "the newest in this queue is \(newest)")
  }
  // Its numbers begin anew: one that was seen in the old queue says nothing about this one.
  guard !consumer.isInNewQueue else {
    throw Failure(
      .badData, "cannot mark \(sequence) read",
      why: "this queue was created anew since \(session.consumerName) last read",
      whatToDo: "run clawq get, which shows what is in it")
  }
  let standing = consumer.next
  var output = StandardOutput()
  if sequence < standing {
    output.buffer.append(utf8: "already read up to \(standing - 1)\n")
    try output.write()
  } else {
    let batch: Batch
    do { batch = try consumer.countRest(until: sequence + 1) } catch { throw Failure(error) }
    output.buffer.append(utf8: "marked read up to \(sequence)\(losses(batch))\n")
    try output.write()
    try mark(batch, consumer)
  }
  try session.complain(consumer)
  return .success
}

/// Marks everything read that is in the queue now, also where some of it cannot be read at all: it is the way past.
func clear(_ session: borrowing Session) throws(Failure) -> ExitCode {
  var output = StandardOutput()
  var consumer: Consumer
  var damage: QueueError?
  do { consumer = try session.open(session.access(marking: true)) } catch {
    // Damage between the cursor and the oldest record: nothing can be counted then.
    guard error.damage != nil else { throw Failure(error) }
    damage = error.damage
    do { consumer = try session.open(session.access(marking: true), atEnd: true) } catch { throw Failure(error) }
  }
  session.introduce(consumer)
  let rest: Batch
  do { rest = try consumer.countAndSkipDamage() } catch { throw Failure(error) }
  damage = damage ?? rest.damage
  if damage == nil {
    output.buffer.append(utf8: "marked \(counted(rest.messages, "message")) read\(losses(rest))\n")
  } else {
    output.buffer.append(utf8: "marked read up to \(consumer.next - 1)\n")
  }
  try output.write()
  session.noteNewQueue(consumer)
  try mark(rest, consumer)
  if let damage {
    session.notes.warning("marked read without having been read, some of it: \(Failure(damage).line)")
  }
  try session.complain(consumer)
  return .success
}

private func losses(_ batch: Batch) -> String {
  batch.losses > 0 ? "; \(lossCount(batch.lost, uncounted: batch.uncounted)) lost" : ""
}

extension Session {
  /// What `get` says with an entry, who marks without reading is told too.
  fileprivate func noteNewQueue(_ consumer: borrowing Consumer) {
    guard consumer.isInNewQueue else { return }
    notes.note("this queue was created anew since \(consumerName) last read; what was unread in the old one is lost")
  }
}
