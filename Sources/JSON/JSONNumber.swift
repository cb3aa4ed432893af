internal import Bytes

/// What a number token means. A token that RFC 8259 section 6 does not know has no value.
package enum JSONNumber {
  /// Longer numbers have no value: nobody means them, and reading them costs.
  static let longestToken = 1024

  /// The value where the token is an integer (no fraction, no exponent) in Int64.
  package static func int64(_ token: borrowing Span<UInt8>) -> Int64? {
    // `-0` is JSON; the project's own decimals do not know it.
    if equal(token, "-0") { return 0 }
    return Decimal.signed(token)
  }

  /// The nearest value of any number token of at most 1,024 bytes; nil where it lies beyond the finite ones.
  package static func double(_ token: borrowing Span<UInt8>) -> Double? {
    guard token.count <= longestToken else { return nil }
    // The grammar first: Swift's own takes more ("+1", "0x1p3", "inf", "1.").
    let value: JSONValue
    do { value = try JSONValue(scanning: token) } catch { return nil }
    guard value.kind == .number, value.range == 0..<token.count else { return nil }
    guard let double = Double(String(repairing: token)), double.isFinite else { return nil }
    return double
  }
}
