package import Bytes

extension ByteBuffer {
  /// Appends `text` as a JSON string with its quotes. Escaped are the quote, the backslash and every control character
  /// (C0, DEL, C1: our output must not drive a terminal); everything else stands as it is.
  package mutating func append(jsonString text: String) {
    var text = text
    text.makeContiguousUTF8()
    // A String is well-formed UTF-8, so the writer that checks it does not refuse it.
    try? append(jsonString: text.utf8.span)
  }

  /// Appends `text`, UTF-8, as a JSON string with its quotes.
  ///
  /// - Throws: where it is not well-formed UTF-8; then nothing was appended.
  package mutating func append(jsonString text: borrowing Span<UInt8>) throws(InvalidUTF8) {
    let before = count
    reserve(text.count + 2)
    append(UInt8(ascii: "\""))
    // Bytes of `text` before this one are appended.
    var copied = 0
    var index = JSONPlain.end(text, from: 0, stoppingAtDelete: true)
    while index < text.count {
      let byte = text[index]
      if byte >= 0x80 {
        let length = UnicodeText.scalarLength(text, at: index)
        guard length > 0 else {
          truncate(to: before)
          throw InvalidUTF8(offset: index)
        }
        if let control = Self.c1Control(text, at: index) {
          append(contentsOf: text.extracting(copied..<index))
          append(escapedControl: control)
          copied = index + length
        }
        index += length
        if index < text.count && text[index] >= 0x80 { continue }
      } else {
        append(contentsOf: text.extracting(copied..<index))
        append(escaped: byte)
        index += 1
        copied = index
      }
      index = JSONPlain.end(text, from: index, stoppingAtDelete: true)
    }
    append(contentsOf: text.extracting(copied..<text.count))
    append(UInt8(ascii: "\""))
  }

  /// Appends JSON that a scanner has found valid, on one line: white space between tokens is dropped, a DEL or C1
  /// character that stands raw in a string is escaped, and all else is copied byte for byte.
  package mutating func appendCompact(_ json: borrowing Span<UInt8>) {
    reserve(json.count)
    var copied = 0
    var index = 0
    while index < json.count {
      switch json[index] {
      case UInt8(ascii: "\""): index = appendCompact(string: json, at: index, &copied)
      case 0x20, 0x09, 0x0A, 0x0D:
        append(contentsOf: json.extracting(copied..<index))
        index += 1
        copied = index
      default: index += 1
      }
    }
    append(contentsOf: json.extracting(copied..<json.count))
  }

  /// Passes over the string whose quote stands at `start`; answers the offset behind it. Bytes before `copied` are
  /// appended.
  private mutating func appendCompact(string json: borrowing Span<UInt8>, at start: Int, _ copied: inout Int) -> Int {
    var index = JSONPlain.end(json, from: start + 1, stoppingAtDelete: true)
    while index < json.count {
      switch json[index] {
      case UInt8(ascii: "\""): return index + 1
      case UInt8(ascii: "\\"): index = min(index + 2, json.count)
      case 0x7F:
        append(contentsOf: json.extracting(copied..<index))
        append(escapedControl: 0x7F)
        index += 1
        copied = index
      default:
        if let control = Self.c1Control(json, at: index) {
          append(contentsOf: json.extracting(copied..<index))
          append(escapedControl: control)
          index += 2
          copied = index
        } else {
          // Valid JSON: continuation bytes may be stepped over one by one.
          index += 1
        }
      }
      index = JSONPlain.end(json, from: index, stoppingAtDelete: true)
    }
    return index
  }

  /// The C1 control character (U+0080 to U+009F) whose two bytes, C2 80 to C2 9F, stand at `index`.
  private static func c1Control(_ bytes: borrowing Span<UInt8>, at index: Int) -> UInt8? {
    guard bytes[index] == 0xC2, index + 1 < bytes.count, 0x80...0x9F ~= bytes[index + 1] else { return nil }
    return bytes[index + 1]
  }

  /// RFC 8259 section 7: the two-character escapes where there is one.
  private mutating func append(escaped byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): append("\\\"")
    case UInt8(ascii: "\\"): append("\\\\")
    case 0x08: append("\\b")
    case 0x09: append("\\t")
    case 0x0A: append("\\n")
    case 0x0C: append("\\f")
    case 0x0D: append("\\r")
    default: append(escapedControl: byte)
    }
  }

  /// `\u00XX`.
  private mutating func append(escapedControl byte: UInt8) {
    append("\\u00")
    append(hex: byte)
  }
}
