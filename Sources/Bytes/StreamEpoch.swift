/// 128 random bits, made by a daemon when a stream begins: where they differ, the stream is another one and its numbers
/// mean nothing. On the wire 32 lower-case hexadecimal digits.
package struct StreamEpoch: Hashable, BitwiseCopyable, Sendable {
  package static let characterCount = 32

  package let high: UInt64
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The epoch that `bytes` spells; nil where they are not 32 hexadecimal digits in lower case.
  package init?(_ bytes: borrowing Span<UInt8>) {
    guard bytes.count == Self.characterCount else { return nil }
    var high: UInt64 = 0
    var low: UInt64 = 0
    for index in 0..<Self.characterCount {
      let byte = bytes[index]
      guard let digit = Hex.value(byte), !(UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte) else { return nil }
      high = high << 4 | low >> 60
      low = low << 4 | UInt64(digit)
    }
    self.init(high: high, low: low)
  }

  /// Appends the 32 digits.
  package func write(to buffer: inout ByteBuffer) {
    for word in [high, low] {
      for shift in stride(from: UInt64(56), through: 0, by: -8) {
        buffer.append(hex: UInt8(truncatingIfNeeded: word >> shift))
      }
    }
  }

  package var text: String {
    var buffer = ByteBuffer(capacity: Self.characterCount)
    write(to: &buffer)
    return String(repairing: buffer.readable)
  }
}
