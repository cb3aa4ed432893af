internal import Bytes
internal import Glibc
package import JSON
package import System

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

/// A file of secrets on disk.
package enum SecretFile {
  /// Puts `text` in the place of the file at `path` (0600): written beside it, made durable, then renamed, so that there
  /// is always a whole one. A link is followed: who keeps his configuration elsewhere keeps it there.
  ///
  /// - Parameter keeping: a second name for what stood there before; nil where it may go.
  package static func replace(_ path: String, with text: [UInt8], keeping backup: String? = nil) throws(SystemError) {
    let target = realPath(path) ?? path
    guard let slash = target.utf8.lastIndex(of: UInt8(ascii: "/")) else {
      throw SystemError(code: EINVAL, call: "open", subject: path)
    }
    let parent = slash == target.startIndex ? "/" : String(target[..<slash])
    let name = String(target[target.index(after: slash)...])
    // Through the dot, because the folder itself may be a link.
    let folder = try Folder(parent + "/.")
    let draft = ".\(name).\(processID()).new"
    _ = try folder.remove(draft)
    do throws(SystemError) {
      let file = try folder.open(draft, [.writeOnly, .createNew], permissions: 0o600)
      try file.setPermissions(0o600, target)
      try file.writeAll(text.span)
      try file.sync()
      try file.close()
      if let backup {
        _ = try folder.remove(name + backup)
        _ = try folder.link(name, to: name + backup)
      }
      try folder.rename(draft, to: name)
    } catch {
      _ = try? folder.remove(draft)
      throw error
    }
    try folder.sync()
  }
}
