internal import Bytes
internal import RESP
internal import System

// Without the script a batch is stored and announced in one transaction: between an object's entry and its announcement
// nobody else's may come, or who hears would take the later one first.
//
//     MULTI, EXEC ─▶ OK, []                                  once on a connection: whether it is permitted
//     MULTI, XADD 0, PUBLISH 0, XADD 1, PUBLISH 1, … EXEC ─▶ OK, QUEUED, QUEUED, … [id 0, hearers, id 1, hearers, …]
//
// It is tried empty first, because what follows a MULTI that is refused is done one by one. A command that cannot be queued
// makes EXEC do nothing (redis.io/docs, Transactions, "Errors inside a transaction").

extension CommanderMachine {
  mutating func sendTransaction(_ batch: borrowing PublishBatch, at now: Instant, into output: inout ByteBuffer) {
    transactionFault = nil
    guard mayTransact else { return tryTransaction(at: now, into: &output) }
    write("MULTI", .queue(.multi), at: now, into: &output)
    for index in 0..<batch.count {
      writeAdd(index, batch, into: &output)
      append(.queue(.add), bytes: batch.object(index).count, at: now)
      writeAnnounce(index, batch, into: &output)
      append(.queue(.announce), bytes: batch.object(index).count, at: now)
    }
    write("EXEC", .exec, at: now, into: &output)
  }

  private mutating func tryTransaction(at now: Instant, into output: inout ByteBuffer) {
    write("MULTI", .queue(.multi), at: now, into: &output)
    write("EXEC", .tryExec, at: now, into: &output)
  }

  private mutating func write(
    _ word: StaticString, _ kind: Command.Kind, at now: Instant, into output: inout ByteBuffer
  ) {
    RESPWriter.begin(1, into: &output)
    RESPWriter.bulk(word, into: &output)
    append(kind, at: now)
  }

  /// A command of a transaction was refused; EXEC will say that nothing was done.
  mutating func queueRefused(_ part: Command.Part, _ kind: RedisErrorKind, _ frame: borrowing RESPFrame) {
    guard transactionFault == nil else { return }
    let text = frame.text(frame.root)
    transactionFault = TransactionFault(
      part: part, kind: kind, text: shown(text), isDenial: RedisErrorText.deniesTransactions(text, kind))
  }

  /// The empty transaction was done.
  mutating func transactionTried(
    _ batch: borrowing PublishBatch, at now: Instant, into output: inout ByteBuffer
  ) -> Action {
    mayTransact = true
    send(batch, at: now, into: &output)
    return .none
  }

  /// EXEC was refused: nothing was stored. So it is where nothing may be announced: what has no number and was not heard of
  /// would be missed by whoever hears of the next one.
  mutating func executionRefused(
    _ kind: RedisErrorKind, _ batch: borrowing PublishBatch, at now: Instant, into output: inout ByteBuffer
  ) -> Action {
    // The transaction stands open: whatever came next would be queued in it.
    guard let fault = transactionFault else { return .failed(.refused(kind)) }
    if fault.part == .multi, fault.isDenial {
      way = .commands
      send(batch, at: now, into: &output)
      return .none
    }
    outcomes.append(.refused(fault.kind, text: fault.text))
    skipRest(batch.count)
    return .published
  }

  /// Reads what EXEC answered. False where it is no answer to the batch.
  mutating func takeExecution(_ frame: borrowing RESPFrame, count: Int) -> Bool {
    guard frame.root.kind == .array, Int(frame.root.integer) == 2 * count, frame.count == 1 + 2 * count else {
      return false
    }
    for index in 0..<count {
      let entry = frame[1 + 2 * index]
      let hearers = frame[2 + 2 * index]
      if entry.kind.isError {
        outcomes.append(.refused(RedisErrorKind(text: frame.text(entry)), text: shown(frame.text(entry))))
        continue
      }
      guard entry.kind.isString, let id = StreamID(frame.text(entry)) else { return false }
      if hearers.kind.isError {
        outcomes.append(.stored(number: 0, id, announced: false, text: shown(frame.text(hearers))))
      } else {
        guard hearers.kind == .integer else { return false }
        outcomes.append(.stored(number: 0, id, announced: true, text: ""))
      }
    }
    return true
  }
}

/// Why a transaction cannot be done.
struct TransactionFault: Sendable {
  let part: CommanderMachine.Command.Part
  let kind: RedisErrorKind
  let text: String
  /// Whether this server or user has no such command.
  let isDenial: Bool
}
