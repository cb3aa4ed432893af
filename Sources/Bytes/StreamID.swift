/// The id of an entry of a Redis stream, `<milliseconds>-<sequence>`; ids only grow within a stream
/// (https://redis.io/docs/latest/develop/data-types/streams/#entry-ids).
package struct StreamID: Comparable, Hashable, BitwiseCopyable, Sendable {
  package var milliseconds: UInt64
  package var sequence: UInt64

  package init(milliseconds: UInt64, sequence: UInt64) {
    self.milliseconds = milliseconds
    self.sequence = sequence
  }

  /// Before every entry: no entry has this id.
  package static let zero = StreamID(milliseconds: 0, sequence: 0)

  /// The id that `bytes` spells, both numbers strictly decimal; nil where they spell none.
  package init?(_ bytes: borrowing Span<UInt8>) {
    guard let dash = bytes.indices.first(where: { bytes[$0] == UInt8(ascii: "-") }),
      let milliseconds = Decimal.unsigned(bytes.extracting(0..<dash)),
      let sequence = Decimal.unsigned(bytes.extracting((dash + 1)..<bytes.count))
    else { return nil }
    self.init(milliseconds: milliseconds, sequence: sequence)
  }

  /// Appends `<milliseconds>-<sequence>`.
  package func write(to buffer: inout ByteBuffer) {
    buffer.append(decimal: milliseconds)
    buffer.append(UInt8(ascii: "-"))
    buffer.append(decimal: sequence)
  }

  package var text: String { "\(milliseconds)-\(sequence)" }

  package static func < (left: StreamID, right: StreamID) -> Bool {
    (left.milliseconds, left.sequence) < (right.milliseconds, right.sequence)
  }
}
