internal import Bytes
package import JSON

/// Why the configuration cannot be used; the programs end with 78. No text of it holds a secret value.
package enum SettingsFault: Error, Equatable {
  /// HOME is not set, and no file was named.
  case notLocated
  /// The file that was named does not exist.
  case missing(path: String)
  case unreadable(path: String, reason: String)
  case notRegular(path: String)
  case tooLarge(path: String)
  /// Lines and columns count from 1, columns in characters.
  case malformed(path: String, line: Int, column: Int, reason: String)
  /// A value is not what the setting allows.
  case invalid(Setting.Key, SettingSource, expected: String)
  /// A key is of use to its certificate alone.
  case keyWithoutCertificate
  /// The queue must hold several of the largest message.
  case queueTooSmall(queueBytes: Int, maxMessageBytes: Int, least: Int)

  package var what: String {
    switch self {
    case .notLocated: "cannot tell where the configuration is"
    case .missing(let path), .unreadable(let path, _), .notRegular(let path), .tooLarge(let path),
      .malformed(let path, _, _, _):
      "cannot read the configuration \(path)"
    case .invalid(let key, let source, _): "\(key.name) \(source) cannot be used"
    case .keyWithoutCertificate: "redis_key_file cannot be used"
    case .queueTooSmall(let queueBytes, let maxMessageBytes, _):
      "queue_bytes \(queueBytes) and max_message_bytes \(maxMessageBytes) do not go together"
    }
  }

  package var why: String {
    switch self {
    case .notLocated: "HOME is not set"
    case .missing: "there is no such file"
    case .unreadable(_, let reason): reason
    case .notRegular: "it is not a regular file"
    case .tooLarge: "it is larger than \(Limits.settingsFileBytes) bytes"
    case .malformed(_, let line, let column, let reason): "line \(line), column \(column): \(reason)"
    case .invalid(_, _, let expected): "expected \(expected)"
    case .keyWithoutCertificate: "there is no redis_cert_file that it could be the key of"
    case .queueTooSmall:
      "the queue must hold \(Limits.queueMessagesAtLeast) of the largest message with \(Limits.receivedSlack + Limits.recordOverhead) bytes more each"
    }
  }

  package var whatToDo: String? {
    switch self {
    case .notLocated, .missing: "name the file with --config or OPENCLAW_BUS_CONFIG"
    case .unreadable, .malformed: nil
    case .notRegular, .tooLarge: "name another file with --config"
    case .invalid(.redisURL, _, let expected) where !expected.contains("\"local\""): "without Redis write \"local\""
    case .invalid: nil
    case .keyWithoutCertificate: "set redis_cert_file as well"
    case .queueTooSmall(_, _, let least): "set queue_bytes to \(least) or more, or max_message_bytes lower"
    }
  }

  /// - Parameters:
  ///   - bytes: the file.
  ///   - fault: what the scanner says of them.
  package init(_ fault: JSONFault, in bytes: borrowing Span<UInt8>, path: String) {
    var line = 1
    var column = 1
    for index in 0..<min(fault.offset, bytes.count) {
      if bytes[index] == UInt8(ascii: "\n") {
        line += 1
        column = 1
      } else if bytes[index] & 0xC0 != 0x80 {
        column += 1
      }
    }
    self = .malformed(path: path, line: line, column: column, reason: fault.reason.text)
  }
}
