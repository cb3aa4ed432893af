internal import Bytes

/// A place in JSON text and the grammar of RFC 8259 that moves it: one pass, no recursion, no allocation.
///
/// Invariant: 0 <= index <= bytes.count, also after an error.
struct JSONCursor: ~Escapable {
  let bytes: Span<UInt8>
  private(set) var index = 0

  /// At the first byte of the value.
  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) throws(JSONFault) {
    self.bytes = bytes
    // RFC 8259 section 8.1: a parser may ignore a byte order mark; we refuse it, for what we store is passed on.
    if bytes.count >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF { throw fault(.byteOrderMark) }
    skipSpace()
    if index == bytes.count { throw fault(.empty) }
  }

  func fault(_ reason: JSONFault.Reason) -> JSONFault { JSONFault(offset: index, reason: reason) }

  /// `reason`, or that the text ends early where it does.
  func fault(expecting reason: JSONFault.Reason) -> JSONFault { fault(index < bytes.count ? reason : .endsEarly) }

  /// Section 2: space, tab, line feed, carriage return.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func skipSpace() {
    while index < bytes.count {
      let byte = bytes[index]
      guard byte <= 0x20 && (byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09) else { return }
      index &+= 1
    }
  }

  /// Steps over `byte` if it stands here.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func take(_ byte: UInt8) -> Bool {
    guard index < bytes.count && bytes[index] == byte else { return false }
    index &+= 1
    return true
  }

  /// Section 2: nothing but white space may follow the value.
  @_lifetime(self: copy self)
  mutating func finish() throws(JSONFault) {
    skipSpace()
    guard index == bytes.count else { throw fault(.trailingBytes) }
  }

  /// Section 4: a member's name and colon, to the first byte of its value. Answers the offset behind the name and
  /// whether it has escapes.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func name() throws(JSONFault) -> (end: Int, hasEscapes: Bool) {
    guard take(UInt8(ascii: "\"")) else { throw fault(expecting: .expectedName) }
    let hasEscapes = try string()
    let end = index
    skipSpace()
    guard take(UInt8(ascii: ":")) else { throw fault(expecting: .expectedColon) }
    skipSpace()
    return (end, hasEscapes)
  }

  /// Section 3: any value, from its first byte to behind its last.
  ///
  /// - Parameter depth: the brackets open around it.
  @_lifetime(self: copy self)
  mutating func value(depth: Int) throws(JSONFault) -> JSONValue {
    let start = index
    if take(UInt8(ascii: "\"")) {
      let hasEscapes = try string()
      return JSONValue(start: start, end: index, kind: .string, hasEscapes: hasEscapes)
    }
    let kind: JSONKind
    switch index < bytes.count ? bytes[index] : 0 {
    case UInt8(ascii: "{"):
      try nested(depth: depth)
      kind = .object
    case UInt8(ascii: "["):
      try nested(depth: depth)
      kind = .array
    default: kind = try scalar()
    }
    return JSONValue(start: start, end: index, kind: kind, hasEscapes: false)
  }

  /// Sections 4 and 5: an object or array with all that is in it.
  @_lifetime(self: copy self)
  private mutating func nested(depth: Int) throws(JSONFault) {
    var nesting = JSONNesting(depth: depth)
    values: while true {
      // Here a value begins.
      if index < bytes.count && (bytes[index] == UInt8(ascii: "{") || bytes[index] == UInt8(ascii: "[")) {
        let isObject = bytes[index] == UInt8(ascii: "{")
        guard nesting.push(object: isObject) else { throw fault(.tooDeep) }
        index &+= 1
        skipSpace()
        if take(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
          nesting.pop()
        } else {
          if isObject { _ = try name() }
          continue values
        }
      } else if take(UInt8(ascii: "\"")) {
        _ = try string()
      } else {
        _ = try scalar()
      }
      // Here a value has ended: close brackets until a comma leads to the next.
      while nesting.depth > depth {
        skipSpace()
        if take(UInt8(ascii: ",")) {
          skipSpace()
          if nesting.isObject { _ = try name() }
          continue values
        }
        guard take(nesting.isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
          throw fault(expecting: .expectedComma)
        }
        nesting.pop()
      }
      return
    }
  }

  /// Section 7: the rest of a string, from behind its opening quote to behind its closing one. Answers whether a
  /// backslash is in it.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func string() throws(JSONFault) -> Bool {
    // Names and most short texts end here.
    let end = JSONPlain.end(bytes, from: index)
    if end < bytes.count && bytes[end] == UInt8(ascii: "\"") {
      index = end &+ 1
      return false
    }
    return try string(plainTo: end)
  }

  /// - Parameter end: the string is plain up to here.
  @inline(never)
  @_lifetime(self: copy self)
  private mutating func string(plainTo end: Int) throws(JSONFault) -> Bool {
    let opening = index &- 1
    var hasEscapes = false
    index = end
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        index &+= 1
        return hasEscapes
      case UInt8(ascii: "\\"):
        hasEscapes = true
        try escape()
      case 0..<0x20: throw fault(.controlCharacter)
      default:
        // A run of other scripts; section 8.1 requires UTF-8.
        repeat {
          let length = UnicodeText.scalarLength(bytes, at: index)
          guard length > 0 else { throw fault(.invalidUTF8) }
          index &+= length
        } while index < bytes.count && bytes[index] >= 0x80
      }
      index = JSONPlain.end(bytes, from: index)
    }
    throw JSONFault(offset: opening, reason: .unclosedString)
  }

  /// Section 7: a backslash and what it escapes. The halves of a surrogate pair are not matched here: the grammar
  /// allows a lone one.
  @_lifetime(self: copy self)
  private mutating func escape() throws(JSONFault) {
    guard index &+ 1 < bytes.count else { throw JSONFault(offset: bytes.count, reason: .endsEarly) }
    switch bytes[index &+ 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      index &+= 2
    case UInt8(ascii: "u"):
      guard JSONString.fourHexDigits(bytes, at: index &+ 2) != nil else { throw fault(.invalidEscape) }
      index &+= 6
    default: throw fault(.invalidEscape)
    }
  }

  /// Sections 3 and 6: a literal name or a number.
  @_lifetime(self: copy self)
  private mutating func scalar() throws(JSONFault) -> JSONKind {
    guard index < bytes.count else { throw fault(.endsEarly) }
    switch bytes[index] {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
      try number()
      return .number
    case UInt8(ascii: "t"):
      try literal("true")
      return .true
    case UInt8(ascii: "f"):
      try literal("false")
      return .false
    case UInt8(ascii: "n"):
      try literal("null")
      return .null
    default: throw fault(.expectedValue)
    }
  }

  @_lifetime(self: copy self)
  private mutating func literal(_ text: StaticString) throws(JSONFault) {
    let length = text.utf8CodeUnitCount
    guard length <= bytes.count &- index, equal(bytes.extracting(index..<(index &+ length)), text) else {
      throw fault(.expectedValue)
    }
    index &+= length
  }

  /// Section 6: `-`? (`0` | 1-9 digits) (`.` digits)? ([eE] [+-]? digits)?
  @_lifetime(self: copy self)
  private mutating func number() throws(JSONFault) {
    _ = take(UInt8(ascii: "-"))
    if take(UInt8(ascii: "0")) {
      if index < bytes.count && Self.isDigit(bytes[index]) { throw fault(.invalidNumber) }
    } else {
      try digits()
    }
    if take(UInt8(ascii: ".")) { try digits() }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try digits()
    }
  }

  /// One digit at least.
  @_lifetime(self: copy self)
  private mutating func digits() throws(JSONFault) {
    guard index < bytes.count, Self.isDigit(bytes[index]) else { throw fault(expecting: .invalidNumber) }
    repeat { index &+= 1 } while index < bytes.count && Self.isDigit(bytes[index])
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") <= 9 }
}
