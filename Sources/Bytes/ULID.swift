/// A message id: 48 bits of Unix milliseconds, 80 random bits, 26 characters of Crockford's base 32
/// (https://github.com/ulid/spec). Fresh random bits each, so ids made in one millisecond are not ordered.
package struct ULID: Equatable, Hashable, Sendable {
  package static let characterCount = 26
  private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
  /// What each byte stands for; `noDigit` for all that are not in the alphabet. An id is read for every message.
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: noDigit, count: 256)
    for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
    return values
  }()
  private static let noDigit: UInt8 = 0x80

  package let high: UInt64
  package let low: UInt64

  /// - Parameters:
  ///   - milliseconds: since the Unix epoch; the low 48 bits are used.
  ///   - random: 128 random bits, of which 80 are used.
  package init(milliseconds: UInt64, random: (UInt64, UInt64)) {
    high = (milliseconds << 16) | (random.0 & 0xFFFF)
    low = random.1
  }

  /// The id that `bytes` spells, or nil where they do not have the shape of a ULID as this project writes it:
  /// 26 upper-case characters, at most 128 bits.
  package init?(_ bytes: borrowing Span<UInt8>) {
    guard bytes.count == Self.characterCount, bytes[0] <= UInt8(ascii: "7") else { return nil }
    let values = Self.values
    var high: UInt64 = 0
    var low: UInt64 = 0
    var seen: UInt8 = 0
    for index in 0..<Self.characterCount {
      let digit = values[Int(bytes[index])]
      seen |= digit
      high = (high << 5) | (low >> 59)
      low = (low << 5) | UInt64(digit & 31)
    }
    guard seen & Self.noDigit == 0 else { return nil }
    self.high = high
    self.low = low
  }

  /// Appends the 26 characters.
  package func write(to buffer: inout ByteBuffer) {
    for index in 0..<Self.characterCount {
      // The first character holds only the top 3 of 128 bits: 26 * 5 is 130.
      let shift = 125 - 5 * index
      let digit: UInt64
      if shift >= 64 {
        digit = high >> UInt64(shift - 64)
      } else if shift > 59 {
        digit = (high << UInt64(64 - shift)) | (low >> UInt64(shift))
      } else {
        digit = low >> UInt64(shift)
      }
      buffer.append(Self.alphabet[Int(digit & 31)])
    }
  }

  package var text: String {
    var buffer = ByteBuffer(capacity: Self.characterCount)
    write(to: &buffer)
    return String(repairing: buffer.readable)
  }
}
