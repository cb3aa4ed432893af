internal import Bytes

/// The numbers of RESP, strictly as the specification writes them. Swift's own initialisers take more: `+5`, `05`,
/// `0x1p3`, `infinity`.
enum RESPNumber {
  /// `:[+|-]digits`, in Int64; `-0` and leading zeros are refused.
  static func integer(_ line: borrowing Span<UInt8>) -> Int64? {
    guard line.count > 1, line[0] == UInt8(ascii: "+") else { return Decimal.signed(line) }
    return Decimal.unsigned(line.extracting(1..<line.count)).flatMap { Int64(exactly: $0) }
  }

  /// `([+|-]digits`, of any length; `-0` and leading zeros are refused.
  static func isBigNumber(_ line: borrowing Span<UInt8>) -> Bool {
    let first = skipSign(line, 0)
    guard first < line.count, skipDigits(line, first) == line.count else { return false }
    guard line[first] == UInt8(ascii: "0") else { return true }
    return line.count == first + 1 && line[0] != UInt8(ascii: "-")
  }

  /// `,[+|-]digits[.[digits]][e|E[+|-]digits]`, `inf`, `-inf` or `nan`.
  static func isDouble(_ line: borrowing Span<UInt8>) -> Bool {
    if equal(line, "inf") || equal(line, "-inf") || equal(line, "nan") { return true }
    let count = line.count
    let first = skipSign(line, 0)
    var index = skipDigits(line, first)
    guard index > first else { return false }
    if index < count, line[index] == UInt8(ascii: ".") { index = skipDigits(line, index + 1) }
    if index < count, line[index] | 0x20 == UInt8(ascii: "e") {
      let exponent = skipSign(line, index + 1)
      index = skipDigits(line, exponent)
      guard index > exponent else { return false }
    }
    return index == count
  }

  private static func skipSign(_ line: borrowing Span<UInt8>, _ index: Int) -> Int {
    guard index < line.count else { return index }
    return line[index] == UInt8(ascii: "+") || line[index] == UInt8(ascii: "-") ? index + 1 : index
  }

  private static func skipDigits(_ line: borrowing Span<UInt8>, _ index: Int) -> Int {
    var index = index
    while index < line.count, line[index] &- UInt8(ascii: "0") <= 9 { index += 1 }
    return index
  }
}
