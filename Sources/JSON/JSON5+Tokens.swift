internal import Bytes

// The tokens of JSON5: names, strings, numbers and literal words (sections 3 to 6 of the specification).

extension JSON5Converter {
  // MARK: - Names

  /// A member's name and colon, to the first byte of its value.
  @_lifetime(self: copy self)
  mutating func name(into output: inout ByteBuffer) throws(JSONFault) {
    if peek() == UInt8(ascii: "\"") || peek() == UInt8(ascii: "'") {
      try string(into: &output)
    } else {
      try identifier(into: &output)
    }
    try skipSpace()
    guard take(UInt8(ascii: ":")) else { throw fault(expecting: .expectedColon) }
    output.append(UInt8(ascii: ":"))
    try skipSpace()
  }

  /// A name without quotes: `IdentifierName` of ECMAScript 5.1, section 7.6.
  @_lifetime(self: copy self)
  private mutating func identifier(into output: inout ByteBuffer) throws(JSONFault) {
    let start = index
    output.append(UInt8(ascii: "\""))
    while index < text.count {
      let isFirst = index == start
      if peek() == UInt8(ascii: "\\") {
        guard peek(1) == UInt8(ascii: "u"), let scalar = JSONString.fourHexDigits(text, at: index + 2),
          Self.isNamePart(scalar, isFirst: isFirst)
        else { throw fault(.invalidEscape) }
        output.append(contentsOf: text.extracting(index..<index + 6))
        index += 6
      } else if Self.isNamePart(UInt32(peek()), isFirst: isFirst) {
        try copyScalar(into: &output)
      } else {
        break
      }
      // White space beyond ASCII ends a name, too.
      let end = index
      try skipSpace()
      guard index == end else { break }
    }
    guard index > start else { throw fault(expecting: .expectedName) }
    output.append(UInt8(ascii: "\""))
  }

  /// Whether a name may hold it. Everything beyond ASCII may stand in one, but half of a surrogate pair.
  private static func isNamePart(_ scalar: UInt32, isFirst: Bool) -> Bool {
    switch scalar {
    case 0x24, 0x5F, 0x41...0x5A, 0x61...0x7A: true
    case 0x30...0x39: !isFirst
    case 0..<0x80: false
    default: !(0xD800...0xDFFF ~= scalar)
    }
  }

  /// Copies the UTF-8 of one scalar.
  @_lifetime(self: copy self)
  private mutating func copyScalar(into output: inout ByteBuffer) throws(JSONFault) {
    let length = UnicodeText.scalarLength(text, at: index)
    guard length > 0 else { throw fault(.invalidUTF8) }
    output.append(contentsOf: text.extracting(index..<index + length))
    index += length
  }

  // MARK: - Strings

  /// A string with its quotes, of either kind.
  @_lifetime(self: copy self)
  mutating func string(into output: inout ByteBuffer) throws(JSONFault) {
    let opening = index
    let quote = peek()
    index += 1
    output.append(UInt8(ascii: "\""))
    while index < text.count {
      let byte = text[index]
      switch byte {
      case quote:
        index += 1
        output.append(UInt8(ascii: "\""))
        return
      case UInt8(ascii: "\\"): try escape(into: &output)
      case UInt8(ascii: "\""):
        output.append("\\\"")
        index += 1
      case 0x0A, 0x0D: throw JSONFault(offset: opening, reason: .unclosedString)
      case 0..<0x20:
        Self.appendEscaped(byte, to: &output)
        index += 1
      default: try copyScalar(into: &output)
      }
    }
    throw JSONFault(offset: opening, reason: .unclosedString)
  }

  /// A backslash and what it escapes.
  @_lifetime(self: copy self)
  private mutating func escape(into output: inout ByteBuffer) throws(JSONFault) {
    guard index + 1 < text.count else { throw JSONFault(offset: text.count, reason: .endsEarly) }
    let byte = text[index + 1]
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
      UInt8(ascii: "r"), UInt8(ascii: "t"):
      output.append(contentsOf: text.extracting(index..<index + 2))
      index += 2
    case UInt8(ascii: "v"):
      Self.appendEscaped(0x0B, to: &output)
      index += 2
    case UInt8(ascii: "0") where !(UInt8(ascii: "0")...UInt8(ascii: "9") ~= peek(2)):
      Self.appendEscaped(0, to: &output)
      index += 2
    case UInt8(ascii: "0")...UInt8(ascii: "9"): throw fault(.invalidEscape)
    case UInt8(ascii: "x"):
      guard let high = Hex.value(peek(2)), let low = Hex.value(peek(3)) else { throw fault(.invalidEscape) }
      Self.appendEscaped(high << 4 | low, to: &output)
      index += 4
    case UInt8(ascii: "u"):
      guard JSONString.fourHexDigits(text, at: index + 2) != nil else { throw fault(.invalidEscape) }
      output.append(contentsOf: text.extracting(index..<index + 6))
      index += 6
    default:
      index += 1
      let lineEnd = lineEndLength
      if lineEnd > 0 {
        // The string goes on in the next line.
        index += lineEnd
      } else if byte < 0x20 {
        Self.appendEscaped(byte, to: &output)
        index += 1
      } else {
        try copyScalar(into: &output)
      }
    }
  }

  private static func appendEscaped(_ byte: UInt8, to output: inout ByteBuffer) {
    output.append("\\u00")
    output.append(hex: byte)
  }

  // MARK: - Numbers and words

  @_lifetime(self: copy self)
  mutating func scalar(into output: inout ByteBuffer) throws(JSONFault) {
    switch peek() {
    case UInt8(ascii: "t"): try word("true", into: &output)
    case UInt8(ascii: "f"): try word("false", into: &output)
    case UInt8(ascii: "n"): try word("null", into: &output)
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "+"), UInt8(ascii: "-"),
      UInt8(ascii: "I"), UInt8(ascii: "N"):
      try number(into: &output)
    default: throw fault(expecting: .expectedValue)
    }
  }

  /// Steps over a word that nothing of a name follows; false where it does not stand here.
  @_lifetime(self: copy self)
  private mutating func take(word: StaticString) -> Bool {
    let end = index + word.utf8CodeUnitCount
    guard end <= text.count, equal(text.extracting(index..<end), word),
      end == text.count || !Self.isNamePart(UInt32(text[end]), isFirst: false) || text[end] >= 0x80
    else { return false }
    index = end
    return true
  }

  @_lifetime(self: copy self)
  private mutating func word(_ word: StaticString, into output: inout ByteBuffer) throws(JSONFault) {
    guard take(word: word) else { throw fault(.expectedValue) }
    output.append(word)
  }

  /// A sign, and then `Infinity`, `NaN`, `0x` and digits, or digits with a point among, before or behind them.
  @_lifetime(self: copy self)
  private mutating func number(into output: inout ByteBuffer) throws(JSONFault) {
    let isNegative = peek() == UInt8(ascii: "-")
    if isNegative || peek() == UInt8(ascii: "+") { index += 1 }
    if take(word: "Infinity") || take(word: "NaN") {
      output.append("null")
      return
    }
    if isNegative { output.append(UInt8(ascii: "-")) }
    if peek() == UInt8(ascii: "0"), peek(1) | 0x20 == UInt8(ascii: "x") { return try hexadecimal(into: &output) }
    let whole = digits
    // Octal numbers are none.
    guard whole.count < 2 || text[whole.lowerBound] != UInt8(ascii: "0") else { throw fault(.invalidNumber) }
    index = whole.upperBound
    var fraction = index..<index
    if take(UInt8(ascii: ".")) {
      fraction = digits
      index = fraction.upperBound
    }
    guard !whole.isEmpty || !fraction.isEmpty else { throw fault(expecting: .invalidNumber) }
    if whole.isEmpty { output.append(UInt8(ascii: "0")) }
    output.append(contentsOf: text.extracting(whole))
    if !fraction.isEmpty {
      output.append(UInt8(ascii: "."))
      output.append(contentsOf: text.extracting(fraction))
    }
    if peek() | 0x20 == UInt8(ascii: "e") {
      let start = index
      index += 1
      if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { index += 1 }
      let exponent = digits
      guard !exponent.isEmpty else { throw fault(expecting: .invalidNumber) }
      index = exponent.upperBound
      output.append(contentsOf: text.extracting(start..<index))
    }
    guard !Self.isNamePart(UInt32(peek()), isFirst: false) || peek() >= 0x80 else { throw fault(.invalidNumber) }
  }

  /// The digits that stand here.
  private var digits: Range<Int> {
    var end = index
    while end < text.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= text[end] { end += 1 }
    return index..<end
  }

  /// `0x` and the digits of a number below 2^64.
  @_lifetime(self: copy self)
  private mutating func hexadecimal(into output: inout ByteBuffer) throws(JSONFault) {
    let start = index
    index += 2
    var value: UInt64 = 0
    while let digit = Hex.value(peek()) {
      guard value >> 60 == 0 else { throw JSONFault(offset: start, reason: .invalidNumber) }
      value = value << 4 | UInt64(digit)
      index += 1
    }
    guard index > start + 2, !Self.isNamePart(UInt32(peek()), isFirst: false) || peek() >= 0x80 else {
      throw fault(expecting: .invalidNumber)
    }
    output.append(decimal: value)
  }
}
