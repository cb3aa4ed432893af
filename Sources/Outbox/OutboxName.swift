package import Bytes

/// The name of a message in `new/`: its number and its id. Names are ordered as they were sent.
package struct OutboxName: Comparable, Hashable, Sendable {
  /// 1...OutboxLayout.maximumNumber.
  package let number: UInt64
  package let id: ULID

  static let characterCount = OutboxLayout.numberDigits + 1 + ULID.characterCount

  init(number: UInt64, id: ULID) {
    self.number = number
    self.id = id
  }

  /// The name that `bytes` spells, or nil where they are not `<number>-<ulid>` or the number is out of range.
  package init?(_ bytes: borrowing Span<UInt8>) {
    let digits = OutboxLayout.numberDigits
    guard bytes.count == Self.characterCount, bytes[digits] == UInt8(ascii: "-") else { return nil }
    var number: UInt64 = 0
    for index in 0..<digits {
      let digit = bytes[index] &- UInt8(ascii: "0")
      guard digit <= 9 else { return nil }
      let (product, overflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
      guard !overflow, !carry else { return nil }
      number = sum
    }
    guard number >= 1, number <= OutboxLayout.maximumNumber else { return nil }
    guard let id = ULID(bytes.extracting((digits + 1)..<bytes.count)) else { return nil }
    self.init(number: number, id: id)
  }

  package var text: String {
    var buffer = ByteBuffer(capacity: Self.characterCount)
    buffer.append(decimal: number, width: OutboxLayout.numberDigits)
    buffer.append(UInt8(ascii: "-"))
    id.write(to: &buffer)
    return String(repairing: buffer.readable)
  }

  package static func < (left: OutboxName, right: OutboxName) -> Bool {
    // As the bytes of the names compare: the id's characters are in ASCII order.
    (left.number, left.id.high, left.id.low) < (right.number, right.id.high, right.id.low)
  }
}
