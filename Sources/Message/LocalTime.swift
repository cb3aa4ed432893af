package import Bytes

/// A moment as the clock on this machine's wall shows it.
package struct LocalTime: Equatable, Sendable {
  private let year: UInt16
  private let month: UInt8
  private let day: UInt8
  private let hour: UInt8
  private let minute: UInt8
  private let second: UInt8
  private let microsecond: UInt32

  /// Nil where a field is out of its range: year 0 to 9999, month 1 to 12, day 1 to 31, hour 0 to 23, minute 0 to 59,
  /// second 0 to 60 (a leap second), microsecond 0 to 999,999.
  package init?(year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, microsecond: Int) {
    guard 0...9999 ~= year, 1...12 ~= month, 1...31 ~= day, 0...23 ~= hour, 0...59 ~= minute, 0...60 ~= second,
      0...999_999 ~= microsecond
    else { return nil }
    self.year = UInt16(year)
    self.month = UInt8(month)
    self.day = UInt8(day)
    self.hour = UInt8(hour)
    self.minute = UInt8(minute)
    self.second = UInt8(second)
    self.microsecond = UInt32(microsecond)
  }

  /// Appends ISO 8601 without a zone, with six decimals: 2026-11-23T13:14:41.123456.
  package func write(to buffer: inout ByteBuffer) {
    buffer.append(decimal: UInt64(year), width: 4)
    buffer.append(UInt8(ascii: "-"))
    buffer.append(decimal: UInt64(month), width: 2)
    buffer.append(UInt8(ascii: "-"))
    buffer.append(decimal: UInt64(day), width: 2)
    buffer.append(UInt8(ascii: "T"))
    buffer.append(decimal: UInt64(hour), width: 2)
    buffer.append(UInt8(ascii: ":"))
    buffer.append(decimal: UInt64(minute), width: 2)
    buffer.append(UInt8(ascii: ":"))
    buffer.append(decimal: UInt64(second), width: 2)
    buffer.append(UInt8(ascii: "."))
    buffer.append(decimal: UInt64(microsecond), width: 6)
  }
}
