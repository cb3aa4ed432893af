/// The loop that every string passes through: eight bytes at a time over plain ASCII.
enum JSONPlain {
  private static let ones: UInt64 = 0x0101_0101_0101_0101
  private static let highs: UInt64 = 0x8080_8080_8080_8080

  /// The offset of the first byte from `start` on that is not plain: below 0x20, a quote, a backslash, or 0x80 and
  /// above; the count of bytes where all are plain.
  ///
  /// - Precondition: `start` is not negative.
  /// - Parameter stoppingAtDelete: whether 0x7F is not plain either: an ordinary character of JSON, but one that the
  ///   writer escapes. Always a literal, so that who does not ask does not pay.
  @inline(__always)
  static func end(_ bytes: borrowing Span<UInt8>, from start: Int, stoppingAtDelete: Bool = false) -> Int {
    let count = bytes.count
    let raw = unsafe bytes.bytes
    var index = start
    while index <= count &- 8 {
      // In bounds: 0 <= start <= index and index + 8 <= count.
      let loaded = unsafe raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
      let word = UInt64(littleEndian: loaded)
      // The high bit of a byte is set where the byte has it, where a subtraction borrows (from a byte below 0x20, a
      // quote, a backslash), and where one more than 0x7F is 0x80. A borrow or carry goes on upwards only from a byte so found:
      // the lowest bit set is exact, and only that one is used.
      let quote = (word ^ (ones &* 0x22)) &- ones
      let backslash = (word ^ (ones &* 0x5C)) &- ones
      let delete = stoppingAtDelete ? word &+ ones : 0
      let found = (word | quote | backslash | (word &- ones &* 0x20) | delete) & highs
      if found != 0 { return index &+ found.trailingZeroBitCount &>> 3 }
      index &+= 8
    }
    while index < count, isPlain(bytes[index], stoppingAtDelete) { index &+= 1 }
    return index
  }

  @inline(__always)
  private static func isPlain(_ byte: UInt8, _ stoppingAtDelete: Bool) -> Bool {
    byte >= 0x20 && byte < (stoppingAtDelete ? 0x7F : 0x80) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }
}
