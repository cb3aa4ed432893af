internal import Bytes
internal import Settings

/// A Redis URL as people paste it: with quotes, as an assignment, or within the command line that a provider shows.
///
///     rediss://default:PASSWORD@host:6379
///     "redis://…"      UPSTASH_REDIS_URL="rediss://…"      export UPSTASH_REDIS_URL=rediss://…
///     redis-cli --tls -u redis://default:PASSWORD@host:6379
package struct PastedURL: Equatable, Sendable {
  /// What will be stored; `"local"` where that was written.
  package let text: String
  /// Whether `rediss://` was put in the place of `redis://`, and why; for a person.
  package let changed: String?

  /// - Throws: why it cannot be one; never a part of it.
  package init(_ pasted: String) throws(PastedURLFault) {
    var words: [String] = []
    var current = ""
    // A blank, a quote and a control character stand in no URL: all of them part the words.
    for scalar in pasted.unicodeScalars {
      if scalar.value <= 0x20 || scalar.value == 0x7F
        || "\"'`\u{201C}\u{201D}\u{2018}\u{2019}".unicodeScalars.contains(scalar)
      {
        if !current.isEmpty { words.append(current) }
        current = ""
      } else {
        current.unicodeScalars.append(scalar)
      }
    }
    if !current.isEmpty { words.append(current) }
    guard !words.isEmpty else { throw .empty }
    if words == ["local"] {
      text = "local"
      changed = nil
      return
    }
    let found = words.compactMap { Self.url(in: $0) }
    guard let first = found.first else {
      throw words.contains { $0.hasPrefix("https://") || $0.hasPrefix("http://") || $0.contains("=https://") }
        ? .rest : .noURL
    }
    guard found.allSatisfy({ $0 == first }) else { throw .several }
    var url = first
    var reason: String?
    if url.hasPrefix("redis://") {
      if words.contains("--tls") {
        reason = "--tls was in what you pasted"
      } else if Self.needsTLS(url) {
        reason = "Upstash answers over TLS alone"
      }
      if reason != nil { url = "rediss://" + url.dropFirst("redis://".utf8.count) }
    }
    do { _ = try RedisURL.parse(url) } catch { throw .notURL(error.expected, offset: error.offset) }
    text = url
    changed = reason.map { "stored as rediss://: \($0)" }
  }

  /// The URL in a word, which may be the value of an assignment; nil where there is none.
  private static func url(in word: String) -> String? {
    let bytes = Array(word.utf8)
    for scheme in ["rediss://", "redis://", "unix://"] {
      let letters = Array(scheme.utf8)
      if bytes.count >= letters.count, bytes.prefix(letters.count).map({ $0 | 0x20 }) == letters.map({ $0 | 0x20 }) {
        return scheme + String(decoding: bytes.dropFirst(letters.count), as: UTF8.self)
      }
    }
    guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")), equals > 0,
      bytes[..<equals].allSatisfy({ isNameByte($0) })
    else { return nil }
    return url(inValue: String(decoding: bytes[(equals + 1)...], as: UTF8.self))
  }

  private static func url(inValue value: String) -> String? {
    value.contains("=") && !value.contains("://") ? nil : url(in: value)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte | 0x20 {
    case UInt8(ascii: "a")...UInt8(ascii: "z"): true
    default: byte == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
  }

  /// Whether the host is one that is known to speak nothing else.
  private static func needsTLS(_ url: String) -> Bool {
    guard case .network(let host, _)? = (try? RedisURL.parse(url))?.endpoint else { return false }
    return host.hasSuffix(".upstash.io")
  }
}

/// Why what was pasted is of no use. No text holds a part of it.
package enum PastedURLFault: Error, Equatable, Sendable {
  case empty
  /// A REST address.
  case rest
  case noURL
  /// Two different ones.
  case several
  /// `offset` counts bytes from 0.
  case notURL(String, offset: Int)

  package var why: String {
    switch self {
    case .empty: "nothing was given"
    case .rest: "it is the address of the REST interface (https://)"
    case .noURL: "there is no redis://, rediss:// or unix:// in it"
    case .several: "there are different URLs in it"
    case .notURL(let expected, let offset): "expected \(expected) (at byte \(offset + 1) of the URL)"
    }
  }

  package var whatToDo: String {
    switch self {
    case .empty: "give the URL on stdin: printf '%s' \"$URL\" | clawd init"
    case .rest: "take the one that begins with rediss:// (or the redis-cli line) from the same page"
    case .noURL: "it looks like rediss://default:PASSWORD@HOST:6379; without Redis give: local"
    case .several: "give one"
    case .notURL: "take it again from your provider's page; special characters in a password are percent-encoded"
    }
  }
}
