/// Strict UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF.
package enum UnicodeText {
  /// The offset of the first byte that is not part of well-formed UTF-8, or nil where all of `bytes` is.
  package static func firstInvalid(_ bytes: borrowing Span<UInt8>) -> Int? {
    let count = bytes.count
    var index = 0
    while index < count {
      let length = scalarLength(bytes, at: index)
      guard length > 0 else { return index }
      index += length
    }
    return nil
  }

  /// The length in bytes (1 to 4) of the scalar that begins at `index`, or 0 where none well-formed does.
  ///
  /// - Precondition: `index` is within `bytes`.
  @inlinable
  package static func scalarLength(_ bytes: borrowing Span<UInt8>, at index: Int) -> Int {
    let first = bytes[index]
    if first < 0x80 { return 1 }
    let left = bytes.count - index
    func continues(_ offset: Int, _ range: ClosedRange<UInt8> = 0x80...0xBF) -> Bool {
      offset < left && range.contains(bytes[index + offset])
    }
    switch first {
    case 0xC2...0xDF: return continues(1) ? 2 : 0
    case 0xE0: return continues(1, 0xA0...0xBF) && continues(2) ? 3 : 0
    case 0xED: return continues(1, 0x80...0x9F) && continues(2) ? 3 : 0
    case 0xE1...0xEF: return continues(1) && continues(2) ? 3 : 0
    case 0xF0: return continues(1, 0x90...0xBF) && continues(2) && continues(3) ? 4 : 0
    case 0xF1...0xF3: return continues(1) && continues(2) && continues(3) ? 4 : 0
    case 0xF4: return continues(1, 0x80...0x8F) && continues(2) && continues(3) ? 4 : 0
    default: return 0
    }
  }
}

extension Unicode.Scalar {
  /// Whether this is a control character: C0 (U+0000 to U+001F), DEL (U+007F) or C1 (U+0080 to U+009F), which is
  /// Unicode's category Cc and never grows.
  package var isControl: Bool { value < 0x20 || 0x7F...0x9F ~= value }
}
