package import Bytes

/// What a string means. All functions take a string's content: the bytes between its quotes, as a scanner found
/// them. Content that no scanner has seen does not trap: what cannot be read becomes U+FFFD.
package enum JSONString {
  /// The text; a lone half of a surrogate pair becomes U+FFFD (RFC 8259 section 8.2 leaves it open).
  package static func decode(_ content: borrowing Span<UInt8>) -> String {
    if firstBackslash(content, from: 0) == content.count { return String(repairing: content) }
    // Decoded text is never longer: two bytes of escape become one, six become three at most, twelve four.
    var buffer = ByteBuffer(capacity: max(content.count, 1))
    append(content, to: &buffer)
    return String(repairing: buffer.readable)
  }

  /// Appends the text as UTF-8.
  package static func append(_ content: borrowing Span<UInt8>, to buffer: inout ByteBuffer) {
    var index = 0
    while index < content.count {
      let backslash = firstBackslash(content, from: index)
      buffer.append(contentsOf: content.extracting(index..<backslash))
      index = backslash
      if index < content.count {
        let escape = escape(content, at: index)
        index += escape.length
        var scalar = JSONScalarBytes(escape.scalar)
        while let byte = scalar.next() { buffer.append(byte) }
      }
    }
  }

  /// Whether the decoded text is `text`, byte for byte.
  package static func equal(_ content: borrowing Span<UInt8>, _ text: StaticString) -> Bool {
    var decoder = JSONStringDecoder()
    for index in 0..<text.utf8CodeUnitCount {
      guard let byte = decoder.next(content), unsafe byte == text.utf8Start[index] else { return false }
    }
    return decoder.next(content) == nil
  }

  /// Whether the decoded text is `text` (UTF-8), byte for byte.
  package static func equal(_ content: borrowing Span<UInt8>, _ text: borrowing Span<UInt8>) -> Bool {
    var decoder = JSONStringDecoder()
    for index in 0..<text.count {
      guard let byte = decoder.next(content), byte == text[index] else { return false }
    }
    return decoder.next(content) == nil
  }

  private static func firstBackslash(_ content: borrowing Span<UInt8>, from start: Int) -> Int {
    var index = start
    while index < content.count && content[index] != UInt8(ascii: "\\") { index &+= 1 }
    return index
  }

  /// The scalar that the escape at `index` (a backslash) stands for and the bytes it takes: 2, 6, or 12 for a pair.
  ///
  /// - Precondition: `index` is within `content`.
  static func escape(_ content: borrowing Span<UInt8>, at index: Int) -> (scalar: UInt32, length: Int) {
    let replacement: UInt32 = 0xFFFD
    guard index + 1 < content.count else { return (replacement, 1) }
    switch content[index + 1] {
    case UInt8(ascii: "b"): return (0x08, 2)
    case UInt8(ascii: "t"): return (0x09, 2)
    case UInt8(ascii: "n"): return (0x0A, 2)
    case UInt8(ascii: "f"): return (0x0C, 2)
    case UInt8(ascii: "r"): return (0x0D, 2)
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return (UInt32(content[index + 1]), 2)
    case UInt8(ascii: "u"): break
    default: return (replacement, 2)
    }
    guard let first = fourHexDigits(content, at: index + 2) else { return (replacement, 2) }
    guard 0xD800...0xDFFF ~= first else { return (first, 6) }
    guard first < 0xDC00, index + 7 < content.count, content[index + 6] == UInt8(ascii: "\\"),
      content[index + 7] == UInt8(ascii: "u"), let second = fourHexDigits(content, at: index + 8),
      0xDC00...0xDFFF ~= second
    else { return (replacement, 6) }
    return (0x1_0000 + ((first - 0xD800) << 10 | (second - 0xDC00)), 12)
  }

  /// The value of the four hexadecimal digits at `index`, or nil where four do not stand there.
  static func fourHexDigits(_ bytes: borrowing Span<UInt8>, at index: Int) -> UInt32? {
    guard index <= bytes.count - 4 else { return nil }
    var value: UInt32 = 0
    for offset in 0..<4 {
      guard let digit = Hex.value(bytes[index + offset]) else { return nil }
      value = value << 4 | UInt32(digit)
    }
    return value
  }
}

/// Gives the decoded UTF-8 of a string's content byte by byte, so that it can be compared without being stored.
package struct JSONStringDecoder {
  private var index = 0
  private var pending = JSONScalarBytes()

  package init() {}

  /// The next byte; nil at the end.
  ///
  /// - Parameter content: the same at every call.
  package mutating func next(_ content: borrowing Span<UInt8>) -> UInt8? {
    if let byte = pending.next() { return byte }
    guard index < content.count else { return nil }
    let byte = content[index]
    guard byte == UInt8(ascii: "\\") else {
      index += 1
      return byte
    }
    let escape = JSONString.escape(content, at: index)
    index += escape.length
    pending = JSONScalarBytes(escape.scalar)
    return pending.next()
  }
}

/// The one to four bytes of a scalar's UTF-8 (RFC 3629), given one by one.
struct JSONScalarBytes {
  // The next byte is the lowest.
  private var bytes: UInt32 = 0
  private var left = 0

  init() {}

  /// - Precondition: `scalar` is a Unicode scalar value.
  init(_ scalar: UInt32) {
    func continuation(_ shift: UInt32) -> UInt32 { 0x80 | (scalar >> shift & 0x3F) }
    switch scalar {
    case 0..<0x80: (bytes, left) = (scalar, 1)
    case 0x80..<0x800: (bytes, left) = (0xC0 | scalar >> 6 | continuation(0) << 8, 2)
    case 0x800..<0x1_0000:
      (bytes, left) = (0xE0 | scalar >> 12 | continuation(6) << 8 | continuation(0) << 16, 3)
    default:
      let tail = continuation(12) << 8 | continuation(6) << 16 | continuation(0) << 24
      (bytes, left) = (0xF0 | scalar >> 18 | tail, 4)
    }
  }

  mutating func next() -> UInt8? {
    guard left > 0 else { return nil }
    defer {
      bytes >>= 8
      left -= 1
    }
    return UInt8(truncatingIfNeeded: bytes)
  }
}
