package import Bytes

/// JSON5 (https://spec.json5.org, version 1.0.0), as people write it by hand: comments, trailing commas, names and strings as in
/// ECMAScript 5.1, more ways to write a number.
package enum JSON5 {
  /// Appends the same value as JSON (RFC 8259), for the scanners of this target.
  ///
  /// Nothing is removed: a member that is given twice is there twice. `Infinity` and `NaN` become `null`, as ECMAScript's own
  /// `JSON.stringify` has it. Names may hold any character beyond ASCII that is not white space; the specification allows letters.
  ///
  /// - Throws: where `text` is not JSON5, or nested more than `Limits.jsonDepth` deep, with the place in `text`. What was appended
  ///   counts for nothing then.
  package static func normalize(_ text: borrowing Span<UInt8>, into output: inout ByteBuffer) throws(JSONFault) {
    var converter = JSON5Converter(copy text)
    try converter.convert(into: &output)
  }
}

/// A place in JSON5 text, and the grammar that moves it: one pass, no recursion.
///
/// Invariant: 0 <= index <= text.count, also after an error.
struct JSON5Converter: ~Escapable {
  let text: Span<UInt8>
  var index = 0

  @_lifetime(copy text)
  init(_ text: Span<UInt8>) { self.text = text }

  func fault(_ reason: JSONFault.Reason) -> JSONFault { JSONFault(offset: index, reason: reason) }

  /// `reason`, or that the text ends early where it does.
  func fault(expecting reason: JSONFault.Reason) -> JSONFault { fault(index < text.count ? reason : .endsEarly) }

  /// The byte `distance` on; 0 behind the end, which is nowhere a part of the grammar.
  func peek(_ distance: Int = 0) -> UInt8 { index + distance < text.count ? text[index + distance] : 0 }

  /// Steps over `byte` if it stands here.
  @_lifetime(self: copy self)
  mutating func take(_ byte: UInt8) -> Bool {
    guard index < text.count, text[index] == byte else { return false }
    index += 1
    return true
  }

  @_lifetime(self: copy self)
  mutating func convert(into output: inout ByteBuffer) throws(JSONFault) {
    try skipSpace()
    guard index < text.count else { throw fault(.empty) }
    var nesting = JSONNesting(depth: 0)
    values: while true {
      // Here a value begins.
      switch peek() {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        let isObject = peek() == UInt8(ascii: "{")
        guard nesting.push(object: isObject) else { throw fault(.tooDeep) }
        output.append(peek())
        index += 1
        try skipSpace()
        if peek() != nesting.closing {
          if isObject { try name(into: &output) }
          continue values
        }
      case UInt8(ascii: "\""), UInt8(ascii: "'"): try string(into: &output)
      default: try scalar(into: &output)
      }
      // Here a value has ended: close brackets until a comma leads to the next.
      while nesting.depth > 0 {
        try skipSpace()
        if take(UInt8(ascii: ",")) {
          try skipSpace()
          if peek() != nesting.closing {
            output.append(UInt8(ascii: ","))
            if nesting.isObject { try name(into: &output) }
            continue values
          }
        }
        guard take(nesting.closing) else { throw fault(expecting: .expectedComma) }
        output.append(nesting.closing)
        nesting.pop()
      }
      try skipSpace()
      guard index == text.count else { throw fault(.trailingBytes) }
      return
    }
  }

  // MARK: - Between the tokens

  /// White space, line terminators and comments.
  @_lifetime(self: copy self)
  mutating func skipSpace() throws(JSONFault) {
    while index < text.count {
      if peek() == UInt8(ascii: "/") {
        guard try skipComment() else { return }
      } else {
        let length = spaceLength
        guard length > 0 else { return }
        index += length
      }
    }
  }

  /// How many bytes of white space stand here: 0 to 3. Tab, line feed, vertical tab, form feed, carriage return, space, no-break
  /// space, byte order mark, U+2028, U+2029 and the category Zs.
  private var spaceLength: Int {
    switch peek() {
    case 0x09...0x0D, 0x20: return 1
    case 0xC2: return peek(1) == 0xA0 ? 2 : 0
    case 0xE1: return peek(1) == 0x9A && peek(2) == 0x80 ? 3 : 0
    case 0xE2:
      let isSpace = peek(1) == 0x80 && (0x80...0x8A ~= peek(2) || [0xA8, 0xA9, 0xAF].contains(peek(2)))
      return isSpace || peek(1) == 0x81 && peek(2) == 0x9F ? 3 : 0
    case 0xE3: return peek(1) == 0x80 && peek(2) == 0x80 ? 3 : 0
    case 0xEF: return peek(1) == 0xBB && peek(2) == 0xBF ? 3 : 0
    default: return 0
    }
  }

  /// How many bytes a line terminator has that stands here: 0 to 3; a carriage return and a line feed are one.
  var lineEndLength: Int {
    switch peek() {
    case 0x0A: return 1
    case 0x0D: return peek(1) == 0x0A ? 2 : 1
    case 0xE2: return peek(1) == 0x80 && (peek(2) == 0xA8 || peek(2) == 0xA9) ? 3 : 0
    default: return 0
    }
  }

  /// Steps over a comment; false where a slash begins none.
  @_lifetime(self: copy self)
  private mutating func skipComment() throws(JSONFault) -> Bool {
    let start = index
    switch peek(1) {
    case UInt8(ascii: "/"):
      while index < text.count, lineEndLength == 0 { index += 1 }
    case UInt8(ascii: "*"):
      index += 2
      while peek() != UInt8(ascii: "*") || peek(1) != UInt8(ascii: "/") {
        guard index < text.count else { throw JSONFault(offset: start, reason: .unclosedComment) }
        index += 1
      }
      index += 2
    default: return false
    }
    return true
  }
}

extension JSONNesting {
  /// What closes the innermost bracket.
  var closing: UInt8 { isObject ? UInt8(ascii: "}") : UInt8(ascii: "]") }
}
