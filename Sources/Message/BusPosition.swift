package import Bytes
internal import JSON

/// Where a published message stands in the stream: the member `bus` that the publish script adds to it,
/// `"<epoch>:<number>:<stream id>"`. A claim: whoever may publish can write anything there.
package struct BusPosition: Equatable, BitwiseCopyable, Sendable {
  package let epoch: StreamEpoch
  /// Counts the messages of the epoch, 1 to `largestNumber`.
  package let number: UInt64
  package let id: StreamID

  package static let largestNumber = Limits.largestStreamNumber

  package init(epoch: StreamEpoch, number: UInt64, id: StreamID) {
    self.epoch = epoch
    self.number = number
    self.id = id
  }

  /// The position that the content of the member spells; nil where it spells none.
  package init?(_ bytes: borrowing Span<UInt8>) {
    let front = StreamEpoch.characterCount
    guard bytes.count > front, bytes[front] == UInt8(ascii: ":"),
      let epoch = StreamEpoch(bytes.extracting(0..<front)),
      let colon = (front + 1..<bytes.count).first(where: { bytes[$0] == UInt8(ascii: ":") }),
      let number = Decimal.unsigned(bytes.extracting(front + 1..<colon)), 1...Self.largestNumber ~= number,
      let id = StreamID(bytes.extracting(colon + 1..<bytes.count))
    else { return nil }
    self.init(epoch: epoch, number: number, id: id)
  }
}

extension MessageMembers {
  /// Where the id stands, between its quotes and still escaped; nil where there is none.
  package var idContent: Range<Int>? { id?.content }
  /// Whether there is a `bus`, of whatever kind.
  package var hasBus: Bool { bus != nil }

  /// The position that the message claims; nil where it claims none, or one that cannot be.
  ///
  /// - Parameter bytes: those that the members were found in.
  package func position(in bytes: borrowing Span<UInt8>) -> BusPosition? {
    guard let bus, bus.kind == .string else { return nil }
    return BusPosition(bytes.extracting(bus.content))
  }
}
