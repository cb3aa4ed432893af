package import Bytes
internal import RESP
package import System

/// How a batch is given to Redis, the best way first; each is what is left where the one before is not permitted.
enum PublishWay: Int, BitwiseCopyable, Sendable {
  /// The script by its name. Where the server does not know it, its text follows.
  case evalsha
  /// The script's text with each batch.
  case eval
  /// XADD and PUBLISH, one object after the other: an object is stored without epoch and number, and published as it is.
  /// Whoever hears it knows that there is something new, and nothing more; whoever hears of a later one first does not have
  /// the entry before that, and reads. A second call cannot look for what the first has stored: an object may then be in the
  /// stream twice, and whoever reads it sees the same id again.
  ///
  ///     XADD 0 ─▶ PUBLISH 0, XADD 1 ─▶ PUBLISH 1, XADD 2 ─▶ … ─▶ PUBLISH n
  case commands
}

/// What the script is called with beside the objects.
struct PublishCall: BitwiseCopyable, Sendable {
  var isMarked = false
  var after: StreamID?
  var epoch = StreamEpoch(high: 0, low: 0)
}

extension CommanderMachine {
  /// Whether this server does not permit scripts.
  package var storesWithoutScript: Bool { way == .commands }

  /// Writes the call that stores and announces a batch. One may be in flight at a time.
  ///
  /// - Parameters:
  ///   - batch: not empty; to be given to `receive` unchanged until it answers `published` or `publishRefused`.
  ///   - isMarked: whether this server knows the mark of Upstash.
  ///   - after: what an earlier call may have stored is looked for among the entries behind this one.
  ///   - epoch: random; for a stream that has none.
  package mutating func publish(
    _ batch: borrowing PublishBatch, isMarked: Bool, after: StreamID?, epoch: StreamEpoch, at now: Instant,
    into output: inout ByteBuffer
  ) {
    precondition(!batch.isEmpty, "an empty batch")
    call = PublishCall(isMarked: isMarked, after: after, epoch: epoch)
    outcomes.removeAll(keepingCapacity: true)
    send(batch, at: now, into: &output)
  }

  mutating func send(_ batch: borrowing PublishBatch, at now: Instant, into output: inout ByteBuffer) {
    switch way {
    case .evalsha: callScript(asText: false, batch, at: now, into: &output)
    case .eval: callScript(asText: true, batch, at: now, into: &output)
    case .commands: add(0, batch, at: now, into: &output)
    }
  }

  // MARK: - With the script

  private mutating func callScript(
    asText: Bool, _ batch: borrowing PublishBatch, at now: Instant, into output: inout ByteBuffer
  ) {
    let script = call.isMarked ? PublishScript.marked : PublishScript.plain
    let name = asText ? nil : script.name
    RESPWriter.begin(9 + batch.count, into: &output)
    if let name {
      RESPWriter.bulk("EVALSHA", into: &output)
      RESPWriter.bulk(utf8: name, into: &output)
    } else {
      RESPWriter.bulk("EVAL", into: &output)
      RESPWriter.bulk(utf8: script.text, into: &output)
    }
    RESPWriter.bulk("2", into: &output)
    RESPWriter.bulk(utf8: names.stream, into: &output)
    RESPWriter.bulk(utf8: names.meta, into: &output)
    RESPWriter.bulk(utf8: names.channel, into: &output)
    RESPWriter.bulk(utf8: call.epoch.text, into: &output)
    RESPWriter.bulk(decimal: UInt64(streamMaxLength), into: &output)
    RESPWriter.bulk(utf8: call.after?.text ?? "", into: &output)
    for index in 0..<batch.count { RESPWriter.bulk(batch.object(index), into: &output) }
    append(name == nil ? .eval : .evalsha, bytes: batch.byteCount, at: now)
  }

  /// Reads the script's answer: see `PublishScript`. False where it is none.
  mutating func takeOutcomes(_ frame: borrowing RESPFrame, count: Int) -> Bool {
    guard frame.root.kind == .array, 1...count ~= Int(frame.root.integer), frame.count == 1 + Int(frame.root.integer)
    else { return false }
    for index in 1..<frame.count {
      // Behind a refusal nothing was tried.
      if case .refused = outcomes.last { return false }
      guard frame[index].kind.isString, let outcome = outcome(frame.text(frame[index])) else { return false }
      outcomes.append(outcome)
    }
    guard outcomes.count < count else { return true }
    guard case .refused = outcomes.last else { return false }
    skipRest(count)
    return true
  }

  private func outcome(_ text: borrowing Span<UInt8>) -> PublishOutcome? {
    guard text.count > 0 else { return nil }
    let rest = text.extracting(1..<text.count)
    switch text[0] {
    case UInt8(ascii: "="): return StreamID(rest).map { .found($0) }
    case UInt8(ascii: "-"): return .refused(RedisErrorKind(text: rest), text: shown(rest))
    case UInt8(ascii: "+"), UInt8(ascii: "!"):
      let isAnnounced = text[0] == UInt8(ascii: "+")
      guard let afterNumber = colon(in: rest, from: 0), let number = streamNumber(rest.extracting(0..<afterNumber)),
        number > 0
      else { return nil }
      let afterID = isAnnounced ? rest.count : colon(in: rest, from: afterNumber + 1)
      guard let afterID, let id = StreamID(rest.extracting(afterNumber + 1..<afterID)) else { return nil }
      let error = isAnnounced ? "" : shown(rest.extracting(afterID + 1..<rest.count))
      return .stored(number: number, id, announced: isAnnounced, text: error)
    default: return nil
    }
  }

  private func colon(in text: borrowing Span<UInt8>, from start: Int) -> Int? {
    (start..<text.count).first { text[$0] == UInt8(ascii: ":") }
  }

  mutating func skipRest(_ count: Int) {
    while outcomes.count < count { outcomes.append(.notTried) }
  }

  /// An error as the whole answer: nothing was stored.
  mutating func scriptRefused(
    _ command: Command.Kind, _ kind: RedisErrorKind, _ frame: borrowing RESPFrame, _ batch: borrowing PublishBatch,
    at now: Instant, into output: inout ByteBuffer
  ) -> Action {
    if kind == .noScript, command == .evalsha {
      callScript(asText: true, batch, at: now, into: &output)
      return .none
    }
    guard RedisErrorText.deniesScripts(frame.text(frame.root), kind) else { return .publishRefused(kind) }
    // Whoever may not use the one may still use the other.
    way = command == .evalsha ? .eval : .commands
    send(batch, at: now, into: &output)
    return storesWithoutScript ? .goesWithoutScript : .none
  }

  // MARK: - Without it

  private mutating func add(
    _ index: Int, _ batch: borrowing PublishBatch, at now: Instant, into output: inout ByteBuffer
  ) {
    writeAdd(index, batch, into: &output)
    append(.add(object: index), bytes: batch.object(index).count, at: now)
  }

  private mutating func announce(
    _ index: Int, _ batch: borrowing PublishBatch, at now: Instant, into output: inout ByteBuffer
  ) {
    writeAnnounce(index, batch, into: &output)
    append(.announce(object: index), bytes: batch.object(index).count, at: now)
  }

  func writeAdd(_ index: Int, _ batch: borrowing PublishBatch, into output: inout ByteBuffer) {
    RESPWriter.begin(8, into: &output)
    RESPWriter.bulk("XADD", into: &output)
    RESPWriter.bulk(utf8: names.stream, into: &output)
    RESPWriter.bulk("MAXLEN", into: &output)
    RESPWriter.bulk("~", into: &output)
    RESPWriter.bulk(decimal: UInt64(streamMaxLength), into: &output)
    RESPWriter.bulk("*", into: &output)
    RESPWriter.bulk("m", into: &output)
    RESPWriter.bulk(batch.object(index), into: &output)
  }

  func writeAnnounce(_ index: Int, _ batch: borrowing PublishBatch, into output: inout ByteBuffer) {
    RESPWriter.begin(3, into: &output)
    RESPWriter.bulk("PUBLISH", into: &output)
    RESPWriter.bulk(utf8: names.channel, into: &output)
    RESPWriter.bulk(batch.object(index), into: &output)
  }

  mutating func added(
    _ index: Int, _ id: StreamID, _ batch: borrowing PublishBatch, at now: Instant, into output: inout ByteBuffer
  ) -> Action {
    outcomes.append(.stored(number: 0, id, announced: true, text: ""))
    announce(index, batch, at: now, into: &output)
    if index + 1 < batch.count { add(index + 1, batch, at: now, into: &output) }
    return .none
  }

  /// - Parameter error: why it was not announced; nil where it was.
  mutating func announced(_ index: Int, _ batch: borrowing PublishBatch, unless error: String? = nil) -> Action {
    if let error, case .stored(_, let id, _, _) = outcomes[index] {
      outcomes[index] = .stored(number: 0, id, announced: false, text: error)
    }
    return index + 1 == batch.count ? .published : .none
  }

  /// The announcements of those before it were answered before.
  mutating func addRefused(
    _ index: Int, _ kind: RedisErrorKind, _ text: String, _ batch: borrowing PublishBatch
  ) -> Action {
    outcomes.append(.refused(kind, text: text))
    skipRest(batch.count)
    return .published
  }
}
