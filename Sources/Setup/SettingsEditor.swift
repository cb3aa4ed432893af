internal import Bytes
package import JSON

/// Changes one value in a configuration file and keeps all the rest of it.
package enum SettingsEditor {
  /// The text of `file` with `key` set to the string `value`.
  ///
  /// In a file of plain JSON every other byte stays. One of JSON5 becomes plain JSON: `keepsText` is false then, and the
  /// caller keeps the old one.
  ///
  /// - Parameter file: empty where there is none.
  /// - Throws: where the file is neither, so that nothing of it is lost.
  package static func setting(
    _ key: String, to value: String, in file: borrowing Span<UInt8>
  ) throws(JSONFault) -> (text: [UInt8], keepsText: Bool) {
    guard file.count > 0 else {
      var text = ByteBuffer(capacity: 256)
      text.append("{\n  ")
      append(key, value, to: &text)
      text.append("\n}\n")
      return (Array(copying: text.readable), true)
    }
    if let text = try? replaced(key, value, in: file) { return (text, true) }
    var json = ByteBuffer(capacity: file.count)
    try JSON5.normalize(file, into: &json)
    return (try replaced(key, value, in: json.readable), false)
  }

  /// The string that `file` has for `key`; nil where it has none, or cannot be read.
  package static func value(of key: String, in file: borrowing Span<UInt8>) -> String? {
    var json = ByteBuffer(capacity: max(file.count, 1))
    guard (try? JSON5.normalize(file, into: &json)) != nil else { return nil }
    return (try? string(key, in: json.readable)) ?? nil
  }

  private static func string(_ key: String, in bytes: borrowing Span<UInt8>) throws(JSONFault) -> String? {
    var members = try JSONObjectScanner(copy bytes)
    var found: String?
    while let member = try members.next() {
      guard JSONString.decode(bytes.extracting(member.name)) == key else { continue }
      found = member.value.kind == .string ? JSONString.decode(bytes.extracting(member.value.content)) : nil
    }
    return found
  }

  private static func append(_ key: String, _ value: String, to text: inout ByteBuffer) {
    text.append(jsonString: key)
    text.append(": ")
    text.append(jsonString: value)
  }

  private static func replaced(
    _ key: String, _ value: String, in bytes: borrowing Span<UInt8>
  ) throws(JSONFault) -> [UInt8] {
    var members = try JSONObjectScanner(copy bytes)
    var place: JSONValue?
    var first: Int?
    while let member = try members.next() {
      first = first ?? member.start
      // The last one counts.
      if JSONString.decode(bytes.extracting(member.name)) == key { place = member.value }
    }
    var text = ByteBuffer(capacity: bytes.count + value.utf8.count + 64)
    if let place {
      text.append(contentsOf: bytes.extracting(0..<place.start))
      text.append(jsonString: value)
      text.append(contentsOf: bytes.extracting(place.end..<bytes.count))
    } else if let first {
      text.append(contentsOf: bytes.extracting(0..<first))
      append(key, value, to: &text)
      text.append(",\n  ")
      text.append(contentsOf: bytes.extracting(first..<bytes.count))
    } else {
      text.append("{\n  ")
      append(key, value, to: &text)
      text.append("\n}\n")
    }
    return Array(copying: text.readable)
  }
}
