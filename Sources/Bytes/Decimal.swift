/// Strict decimal integers, as the wire and our files write them: digits alone, no sign but a leading `-`, no leading
/// zero, no blank, nothing that does not fit. (`Int("+5")` and `Int("05")` parse in Swift.)
package enum Decimal {
  /// The value of `digits`, or nil where it is not a strict decimal in 0...UInt64.max.
  package static func unsigned(_ digits: borrowing Span<UInt8>) -> UInt64? {
    let count = digits.count
    guard count > 0, count <= 20 else { return nil }
    if digits[0] == UInt8(ascii: "0") && count > 1 { return nil }
    var value: UInt64 = 0
    // 19 digits always fit.
    for index in 0..<min(count, 19) {
      let digit = digits[index] &- UInt8(ascii: "0")
      guard digit <= 9 else { return nil }
      value = value &* 10 &+ UInt64(digit)
    }
    guard count == 20 else { return value }
    let digit = digits[19] &- UInt8(ascii: "0")
    guard digit <= 9 else { return nil }
    let (product, overflow) = value.multipliedReportingOverflow(by: 10)
    let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
    return overflow || carry ? nil : sum
  }

  /// The value of `digits`, or nil where it is not a strict decimal in Int64. `-0` is refused.
  package static func signed(_ digits: borrowing Span<UInt8>) -> Int64? {
    let count = digits.count
    guard count > 0 else { return nil }
    guard digits[0] == UInt8(ascii: "-") else {
      return unsigned(digits).flatMap { Int64(exactly: $0) }
    }
    guard let magnitude = unsigned(digits.extracting(1..<count)), magnitude > 0 else { return nil }
    guard magnitude <= Int64.min.magnitude else { return nil }
    return Int64(truncatingIfNeeded: 0 &- magnitude)
  }

  /// The nanoseconds of a time written in seconds, whole (`5`) or with one to nine decimal places (`0.25`); nil where it
  /// is anything else or does not fit.
  package static func nanoseconds(ofSeconds text: borrowing Span<UInt8>) -> UInt64? {
    let point = text.indices.first { text[$0] == UInt8(ascii: ".") } ?? text.count
    guard let seconds = unsigned(text.extracting(0..<point)) else { return nil }
    var fraction: UInt64 = 0
    if point < text.count {
      let places = text.count - point - 1
      guard 1...9 ~= places else { return nil }
      for index in point + 1..<point + 10 {
        let digit = index < text.count ? text[index] &- UInt8(ascii: "0") : 0
        guard digit <= 9 else { return nil }
        fraction = fraction * 10 + UInt64(digit)
      }
    }
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, carry) = whole.addingReportingOverflow(fraction)
    return overflow || carry ? nil : sum
  }
}

extension ByteBuffer {
  /// Appends `value` in decimal, with zeros in front up to `width` digits (at most 20).
  package mutating func append(decimal value: UInt64, width: Int = 1) {
    var digits: InlineArray<20, UInt8> = .init(repeating: UInt8(ascii: "0"))
    var first = 20
    var rest = value
    repeat {
      first -= 1
      digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
    first = min(first, 20 - min(max(width, 1), 20))
    append(contentsOf: digits.span.extracting(first..<20))
  }

  package mutating func append(decimal value: Int64) {
    if value < 0 { append(UInt8(ascii: "-")) }
    append(decimal: value.magnitude)
  }

  package mutating func append(decimal value: Int) { append(decimal: Int64(value)) }
}
