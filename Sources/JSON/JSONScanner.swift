internal import Bytes

extension JSONValue {
  /// The one value that `bytes` is.
  ///
  /// - Throws: where `bytes` as a whole is not one valid JSON text (RFC 8259) nested at most `Limits.jsonDepth` deep.
  package init(scanning bytes: borrowing Span<UInt8>) throws(JSONFault) {
    var cursor = try JSONCursor(copy bytes)
    self = try cursor.value(depth: 0)
    try cursor.finish()
  }
}

/// Walks the members of an object, in one pass that validates every byte of it (RFC 8259) and allocates nothing.
///
///     var members = try JSONObjectScanner(bytes)
///     while let member = try members.next() { ... }
///
/// Only once `next` has answered nil are the bytes known to be valid as a whole. A nested value is walked by another
/// scanner over `bytes.extracting(value.range)`. Duplicate names are all given, in their order.
package struct JSONObjectScanner: ~Escapable {
  private var cursor: JSONCursor
  private var state = JSONScannerState.opened

  /// - Throws: `notObject` where the value begins otherwise.
  @_lifetime(copy bytes)
  package init(_ bytes: Span<UInt8>) throws(JSONFault) {
    cursor = try JSONCursor(copy bytes)
    guard cursor.take(UInt8(ascii: "{")) else { throw cursor.fault(.notObject) }
  }

  /// The next member; nil once after the last, when the whole text has been found valid.
  ///
  /// - Throws: at the first byte that is not valid; the scanner is not to be asked again then.
  @_lifetime(self: copy self)
  package mutating func next() throws(JSONFault) -> JSONMember? {
    guard try cursor.advance(&state, closing: UInt8(ascii: "}")) else { return nil }
    let start = cursor.index
    let name = try cursor.name()
    let value = try cursor.value(depth: 1)
    return JSONMember(start: start, nameEnd: name.end, nameHasEscapes: name.hasEscapes, value: value)
  }

  /// The value of the member called `name` in the object `bytes`: the last one where there are several, nil where
  /// there is none. The whole object is validated.
  package static func value(
    of name: StaticString, in bytes: borrowing Span<UInt8>
  ) throws(JSONFault) -> JSONValue? {
    var found: JSONValue?
    var members = try JSONObjectScanner(copy bytes)
    while let member = try members.next() {
      if member.isNamed(name, in: bytes) { found = member.value }
    }
    return found
  }
}

/// Walks the elements of an array, as `JSONObjectScanner` walks members.
package struct JSONArrayScanner: ~Escapable {
  private var cursor: JSONCursor
  private var state = JSONScannerState.opened

  /// - Throws: `notArray` where the value begins otherwise.
  @_lifetime(copy bytes)
  package init(_ bytes: Span<UInt8>) throws(JSONFault) {
    cursor = try JSONCursor(copy bytes)
    guard cursor.take(UInt8(ascii: "[")) else { throw cursor.fault(.notArray) }
  }

  /// The next element; nil once after the last, when the whole text has been found valid.
  @_lifetime(self: copy self)
  package mutating func next() throws(JSONFault) -> JSONValue? {
    guard try cursor.advance(&state, closing: UInt8(ascii: "]")) else { return nil }
    return try cursor.value(depth: 1)
  }
}

enum JSONScannerState {
  case opened
  case within
  case closed
}

extension JSONCursor {
  /// Moves to the first byte of the next member or element of the outermost bracket; false where it and with it the
  /// whole text has ended.
  @inline(__always)
  @_lifetime(self: copy self)
  mutating func advance(_ state: inout JSONScannerState, closing: UInt8) throws(JSONFault) -> Bool {
    if state == .closed { return false }
    skipSpace()
    if take(closing) {
      try finish()
      state = .closed
      return false
    }
    if state == .within {
      guard take(UInt8(ascii: ",")) else { throw fault(expecting: .expectedComma) }
      skipSpace()
    }
    state = .within
    return true
  }
}
