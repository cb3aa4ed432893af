package import Bytes

/// Bytes that should have been UTF-8 are not.
package struct InvalidUTF8: Error, Equatable, Sendable {
  /// Of the first byte that is not part of well-formed UTF-8.
  package let offset: Int

  package init(offset: Int) { self.offset = offset }
}

/// Sets the commas of JSON that is appended to a buffer on one line. Brackets and names are the caller's to balance.
///
///     var json = JSONWriter()
///     json.beginObject(&buffer)
///     json.name("seq", &buffer)
///     json.value(12 as UInt64, &buffer)
///     json.endObject(&buffer)
package struct JSONWriter: Sendable {
  // After a value or a closing bracket the next thing needs a comma; after an opening bracket or a name it does not.
  // That is true at every depth, so no stack is needed.
  private var needsComma = false

  package init() {}

  package mutating func beginObject(_ buffer: inout ByteBuffer) { begin(UInt8(ascii: "{"), &buffer) }
  package mutating func endObject(_ buffer: inout ByteBuffer) { end(UInt8(ascii: "}"), &buffer) }
  package mutating func beginArray(_ buffer: inout ByteBuffer) { begin(UInt8(ascii: "["), &buffer) }
  package mutating func endArray(_ buffer: inout ByteBuffer) { end(UInt8(ascii: "]"), &buffer) }

  /// A member's name and its colon.
  ///
  /// - Parameter name: ASCII without quotes, backslashes or control characters: our own names are.
  package mutating func name(_ name: StaticString, _ buffer: inout ByteBuffer) {
    separate(&buffer)
    buffer.append(UInt8(ascii: "\""))
    buffer.append(name)
    buffer.append("\":")
    needsComma = false
  }

  /// A string, escaped as `append(jsonString:)` does.
  package mutating func value(_ text: String, _ buffer: inout ByteBuffer) {
    separate(&buffer)
    buffer.append(jsonString: text)
  }

  /// A string given as UTF-8.
  ///
  /// - Throws: where it is not valid UTF-8; then nothing of it was appended, and the writer is as before but for the
  ///   comma in the buffer: truncate the buffer and give up.
  package mutating func value(utf8 text: borrowing Span<UInt8>, _ buffer: inout ByteBuffer) throws(InvalidUTF8) {
    separate(&buffer)
    try buffer.append(jsonString: text)
  }

  package mutating func value(_ number: UInt64, _ buffer: inout ByteBuffer) {
    separate(&buffer)
    buffer.append(decimal: number)
  }

  package mutating func value(_ number: Int64, _ buffer: inout ByteBuffer) {
    separate(&buffer)
    buffer.append(decimal: number)
  }

  package mutating func value(_ truth: Bool, _ buffer: inout ByteBuffer) {
    token(truth ? "true" : "false", &buffer)
  }

  package mutating func null(_ buffer: inout ByteBuffer) { token("null", &buffer) }

  /// A time or duration as seconds with six decimals: 1790000000.123456.
  package mutating func value(microseconds: UInt64, _ buffer: inout ByteBuffer) {
    separate(&buffer)
    buffer.append(decimal: microseconds / 1_000_000)
    buffer.append(UInt8(ascii: "."))
    buffer.append(decimal: microseconds % 1_000_000, width: 6)
  }

  /// A string that needs no escaping.
  ///
  /// - Parameter text: ASCII without quotes, backslashes or control characters.
  package mutating func plain(_ text: StaticString, _ buffer: inout ByteBuffer) {
    plain({ $0.append(text) }, &buffer)
  }

  /// A string that needs no escaping and that `write` appends, without its quotes.
  package mutating func plain(_ write: (inout ByteBuffer) -> Void, _ buffer: inout ByteBuffer) {
    separate(&buffer)
    buffer.append(UInt8(ascii: "\""))
    write(&buffer)
    buffer.append(UInt8(ascii: "\""))
  }

  /// A value that is already JSON.
  package mutating func token(_ json: StaticString, _ buffer: inout ByteBuffer) {
    separate(&buffer)
    buffer.append(json)
  }

  /// A value, or a member with its name, that a scanner has found valid; put on one line by `appendCompact`.
  package mutating func compact(_ json: borrowing Span<UInt8>, _ buffer: inout ByteBuffer) {
    separate(&buffer)
    buffer.appendCompact(json)
  }

  private mutating func separate(_ buffer: inout ByteBuffer) {
    if needsComma { buffer.append(UInt8(ascii: ",")) }
    needsComma = true
  }

  private mutating func begin(_ bracket: UInt8, _ buffer: inout ByteBuffer) {
    separate(&buffer)
    buffer.append(bracket)
    needsComma = false
  }

  private mutating func end(_ bracket: UInt8, _ buffer: inout ByteBuffer) {
    buffer.append(bracket)
    needsComma = true
  }
}
