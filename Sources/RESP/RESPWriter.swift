package import Bytes

/// Writes commands: an array of bulk strings each, the one form that every Redis takes from a client.
///
///     *2 CR LF $4 CR LF PING CR LF $2 CR LF hi CR LF
package enum RESPWriter {
  /// Begins a command of `count` words; exactly that many `bulk` follow.
  package static func begin(_ count: Int, into buffer: inout ByteBuffer) {
    header("*", count, into: &buffer)
  }

  package static func bulk(_ bytes: borrowing Span<UInt8>, into buffer: inout ByteBuffer) {
    header("$", bytes.count, into: &buffer)
    buffer.append(contentsOf: bytes)
    buffer.append("\r\n")
  }

  package static func bulk(_ text: StaticString, into buffer: inout ByteBuffer) {
    header("$", text.utf8CodeUnitCount, into: &buffer)
    buffer.append(text)
    buffer.append("\r\n")
  }

  package static func bulk(utf8 text: String, into buffer: inout ByteBuffer) {
    header("$", text.utf8.count, into: &buffer)
    buffer.append(utf8: text)
    buffer.append("\r\n")
  }

  package static func bulk(decimal value: UInt64, into buffer: inout ByteBuffer) {
    var length = 1
    var rest = value / 10
    while rest > 0 {
      length += 1
      rest /= 10
    }
    header("$", length, into: &buffer)
    buffer.append(decimal: value)
    buffer.append("\r\n")
  }

  private static func header(_ type: StaticString, _ count: Int, into buffer: inout ByteBuffer) {
    precondition(count >= 0, "a count is not negative")
    buffer.append(type)
    buffer.append(decimal: count)
    buffer.append("\r\n")
  }
}
