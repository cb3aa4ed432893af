package import Bytes
internal import JSON

/// Where a published message stands in the stream, and behind which entry: the member `bus` that the publish script adds to it,
/// `"<epoch>:<number>:<stream id>:<stream id of the entry before>"`. A claim: whoever may publish can write anything there.
package struct BusPosition: Equatable, BitwiseCopyable, Sendable {
  package let epoch: StreamEpoch
  /// Counts the messages of the epoch, 1 to `largestNumber`.
  package let number: UInt64
  package let id: StreamID
  /// The entry before it, whoever added that: zero where the stream had none, nil where nothing is said of it.
  package let previous: StreamID?

  package static let largestNumber = Limits.largestStreamNumber

  package init(epoch: StreamEpoch, number: UInt64, id: StreamID, previous: StreamID? = nil) {
    self.epoch = epoch
    self.number = number
    self.id = id
    self.previous = previous
  }

  /// The position that the content of the member spells; nil where it spells none.
  package init?(_ bytes: borrowing Span<UInt8>) {
    let front = StreamEpoch.characterCount
    guard bytes.count > front, bytes[front] == UInt8(ascii: ":"),
      let epoch = StreamEpoch(bytes.extracting(0..<front)),
      let colon = (front + 1..<bytes.count).first(where: { bytes[$0] == UInt8(ascii: ":") }),
      let number = Decimal.unsigned(bytes.extracting(front + 1..<colon)), 1...Self.largestNumber ~= number
    else { return nil }
    let last = (colon + 1..<bytes.count).first { bytes[$0] == UInt8(ascii: ":") }
    guard let id = StreamID(bytes.extracting(colon + 1..<(last ?? bytes.count))) else { return nil }
    var previous: StreamID?
    if let last {
      previous = StreamID(bytes.extracting(last + 1..<bytes.count))
      guard previous != nil else { return nil }
    }
    self.init(epoch: epoch, number: number, id: id, previous: previous)
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
