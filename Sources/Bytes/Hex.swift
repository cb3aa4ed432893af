/// Hexadecimal digits.
package enum Hex {
  /// The value, 0 to 15, of a digit in either case; nil where `byte` is none.
  @inlinable
  package static func value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
    default: nil
    }
  }

  /// The lower-case digit of the low four bits of `value`.
  package static func digit(_ value: UInt8) -> UInt8 {
    let value = value & 0xF
    return value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  /// The upper-case digit of the low four bits of `value`.
  package static func upperCaseDigit(_ value: UInt8) -> UInt8 {
    let value = value & 0xF
    return value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
  }
}

extension ByteBuffer {
  /// Appends `byte` as two lower-case digits.
  package mutating func append(hex byte: UInt8) {
    append(Hex.digit(byte >> 4))
    append(Hex.digit(byte))
  }

  /// Appends `byte` as `%` and two upper-case digits, the form that RFC 3986 section 2.1 asks for.
  package mutating func append(percentEncoded byte: UInt8) {
    append(UInt8(ascii: "%"))
    append(Hex.upperCaseDigit(byte >> 4))
    append(Hex.upperCaseDigit(byte))
  }
}
