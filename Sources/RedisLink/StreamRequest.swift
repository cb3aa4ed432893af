package import Bytes
package import RESP

/// What a daemon asks of the stream beside publishing.
package enum StreamRequest: Equatable, BitwiseCopyable, Sendable {
  /// Which epoch it is, and the number of its last message.
  case meta
  /// Up to `count` entries, the oldest first: `from` itself if it is there, and what stands behind it.
  case page(from: StreamID, count: Int)
  /// Up to `count` entries, the newest first: those before `before`, or the last ones.
  case newest(before: StreamID?, count: Int)
  /// How many entries there are.
  case length
  /// Removes the oldest entries but for this many; answers how many went.
  case trim(to: UInt64)

  /// The name of the command, for "did not answer".
  var word: String {
    switch self {
    case .meta: "HMGET"
    case .page: "XRANGE"
    case .newest: "XREVRANGE"
    case .length: "XLEN"
    case .trim: "XTRIM"
    }
  }

  /// Writes the command (https://redis.io/docs/latest/commands/xrange/ and its neighbours).
  ///
  /// - Precondition: `count` is at least 1.
  func write(_ names: BusNames, into output: inout ByteBuffer) {
    switch self {
    case .meta:
      RESPWriter.begin(4, into: &output)
      RESPWriter.bulk("HMGET", into: &output)
      RESPWriter.bulk(utf8: names.meta, into: &output)
      RESPWriter.bulk("epoch", into: &output)
      RESPWriter.bulk("seq", into: &output)
    case .page(let from, let count):
      Self.range("XRANGE", names, from.text, "+", count, into: &output)
    case .newest(let before, let count):
      Self.range("XREVRANGE", names, before.map { "(\($0.text)" } ?? "+", "-", count, into: &output)
    case .length:
      RESPWriter.begin(2, into: &output)
      RESPWriter.bulk("XLEN", into: &output)
      RESPWriter.bulk(utf8: names.stream, into: &output)
    case .trim(let length):
      RESPWriter.begin(5, into: &output)
      RESPWriter.bulk("XTRIM", into: &output)
      RESPWriter.bulk(utf8: names.stream, into: &output)
      RESPWriter.bulk("MAXLEN", into: &output)
      RESPWriter.bulk("=", into: &output)
      RESPWriter.bulk(decimal: length, into: &output)
    }
  }

  private static func range(
    _ command: StaticString, _ names: BusNames, _ first: String, _ last: String, _ count: Int,
    into output: inout ByteBuffer
  ) {
    precondition(count > 0, "a page of nothing")
    RESPWriter.begin(6, into: &output)
    RESPWriter.bulk(command, into: &output)
    RESPWriter.bulk(utf8: names.stream, into: &output)
    RESPWriter.bulk(utf8: first, into: &output)
    RESPWriter.bulk(utf8: last, into: &output)
    RESPWriter.bulk("COUNT", into: &output)
    RESPWriter.bulk(decimal: UInt64(count), into: &output)
  }

  /// Whether `frame` is an answer that this request can have.
  func isAnswered(by frame: borrowing RESPFrame) -> Bool {
    switch self {
    case .meta: frame.root.kind == .array && StreamMeta(frame) != nil
    case .page, .newest: StreamPage.isPage(frame)
    case .length, .trim: frame.root.kind == .integer && frame.root.integer >= 0
    }
  }
}

/// What the meta hash says of the stream.
package struct StreamMeta: Equatable, Sendable {
  /// Nil where there is none, or one that is not ours.
  package var epoch: StreamEpoch?
  /// The number of the last message that was stored; nil where there is none, or one that cannot be.
  package var number: UInt64?

  package init(epoch: StreamEpoch?, number: UInt64?) {
    self.epoch = epoch
    self.number = number
  }

  /// The answer to HMGET; nil where it is not one.
  package init?(_ frame: borrowing RESPFrame) {
    guard frame.root.integer == 2, frame.count == 3, isValue(frame[1].kind), isValue(frame[2].kind) else { return nil }
    epoch = frame[1].kind.isString ? StreamEpoch(frame.text(frame[1])) : nil
    number = frame[2].kind.isString ? streamNumber(frame.text(frame[2])) : nil
  }
}

/// Whether a value of a hash or an entry can be of this kind.
func isValue(_ kind: RESPKind) -> Bool { kind.isString || kind == .oversizedString || kind == .null }

/// The number of a message that `text` spells; nil where it spells none.
func streamNumber(_ text: borrowing Span<UInt8>) -> UInt64? {
  Decimal.unsigned(text).flatMap { $0 <= Limits.largestStreamNumber ? $0 : nil }
}
