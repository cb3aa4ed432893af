internal import Bytes

extension RedisURL {
  /// Reads a URL (RFC 3986 section 3, with the leniencies of the type's comment).
  package static func parse(_ text: String) throws(RedisURLError) -> RedisURL {
    var parser = RedisURLParser(Array(text.utf8))
    return try parser.parse()
  }
}

/// Reads from front to back; `offset` is where it is, and where a fault is reported.
private struct RedisURLParser {
  private let bytes: [UInt8]
  private var offset = 0

  private enum Scheme { case redis, rediss, unix }

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func parse() throws(RedisURLError) -> RedisURL {
    try refuseBlanks()
    let scheme = try scheme()
    let authorityEnd = end(ofRunWithout: "/?#", from: offset)
    let (user, password) = try userInformation(before: authorityEnd)
    let endpoint: RedisURL.Endpoint
    var database: Int?
    if scheme == .unix {
      guard offset == authorityEnd else { throw fault("'/' and the socket's absolute path") }
      endpoint = .unixSocket(path: try socketPath())
    } else {
      let host = try host(before: authorityEnd)
      let port = try port(before: authorityEnd)
      endpoint = .network(host: host, port: port)
      database = try databasePath()
    }
    if let inQuery = try query() {
      guard database == nil || database == inQuery else { throw fault("one database, not two different ones", back: 1) }
      database = inQuery
    }
    return RedisURL(
      endpoint: endpoint, tls: scheme == .rediss, user: user, password: password, database: database ?? 0)
  }

  private func fault(_ expected: String, back: Int = 0) -> RedisURLError {
    RedisURLError(offset: offset - back, expected: expected)
  }

  /// Blanks and control characters come from careless pasting, anywhere in the text.
  private mutating func refuseBlanks() throws(RedisURLError) {
    if let quote = bytes.first, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
      throw fault("a URL without quotation marks")
    }
    for (index, byte) in bytes.enumerated() where byte <= 0x20 || byte == 0x7F {
      offset = index
      throw fault("no blank, line end or control character anywhere in the URL")
    }
  }

  private mutating func scheme() throws(RedisURLError) -> Scheme {
    let letters = bytes.prefix { $0 != UInt8(ascii: ":") }.map { $0 | 0x20 }
    let found: Scheme
    switch letters {
    case Array("redis".utf8): found = .redis
    case Array("rediss".utf8): found = .rediss
    case Array("unix".utf8): found = .unix
    case Array("http".utf8), Array("https".utf8):
      throw fault(
        "redis://, rediss:// or unix://; this is the REST URL, take the one that begins with rediss:// from the same page"
      )
    default: throw fault("redis://, rediss:// or unix://")
    }
    offset = letters.count
    for byte in "://".utf8 {
      guard offset < bytes.count, bytes[offset] == byte else { throw fault("'://' after the scheme") }
      offset += 1
    }
    return found
  }

  /// The index of the first byte from `start` on that is one of `stops`, or the end.
  private func end(ofRunWithout stops: StaticString, from start: Int, before limit: Int? = nil) -> Int {
    let limit = limit ?? bytes.count
    let stops = Array(stops.description.utf8)
    return bytes[start..<limit].firstIndex { stops.contains($0) } ?? limit
  }

  private mutating func userInformation(before end: Int) throws(RedisURLError) -> (String?, Secret?) {
    guard let at = bytes[offset..<end].lastIndex(of: UInt8(ascii: "@")) else { return (nil, nil) }
    let colon = self.end(ofRunWithout: ":", from: offset, before: at)
    let user: String?
    if colon < at {
      let given = try decoded(upTo: colon)
      user = given.isEmpty ? nil : given
      offset = colon + 1
    } else {
      user = nil
    }
    let password = try decoded(upTo: at)
    offset = at + 1
    // A user needs an AUTH even with an empty password; nothing at all needs none.
    return (user, password.isEmpty && user == nil ? nil : Secret(password))
  }

  /// Decodes `%XX` up to `end` and moves there. The result must be UTF-8 without NUL.
  private mutating func decoded(upTo end: Int) throws(RedisURLError) -> String {
    let start = offset
    var result: [UInt8] = []
    while offset < end {
      if bytes[offset] == UInt8(ascii: "%") {
        guard offset + 2 < end, let high = Hex.value(bytes[offset + 1]), let low = Hex.value(bytes[offset + 2])
        else { throw fault("two hexadecimal digits after '%' (a '%' itself is written %25)") }
        result.append(high << 4 | low)
        offset += 3
      } else {
        result.append(bytes[offset])
        offset += 1
      }
    }
    guard !result.contains(0), UnicodeText.firstInvalid(result.span) == nil else {
      throw RedisURLError(offset: start, expected: "text that decodes to UTF-8 without NUL")
    }
    return String(repairing: result.span)
  }

  private mutating func host(before end: Int) throws(RedisURLError) -> String {
    if offset < end, bytes[offset] == UInt8(ascii: "[") { return try bracketedAddress(before: end) }
    let start = offset
    while offset < end, bytes[offset] != UInt8(ascii: ":") {
      guard isNameByte(bytes[offset]) else {
        throw fault("a host of letters, digits, '-', '.' and '_'\(passwordHint(after: end))")
      }
      if bytes[offset] == UInt8(ascii: "."), offset == start || bytes[offset - 1] == UInt8(ascii: ".") {
        throw fault("a host name without empty parts")
      }
      offset += 1
    }
    guard offset > start else { throw fault("a host name or address") }
    guard offset - start <= 253 else { throw fault("a host name of at most 253 bytes") }
    return String(repairing: bytes.span.extracting(start..<offset))
  }

  /// An IPv6 literal: `[` address [`%25` zone] `]` (RFC 3986 section 3.2.2, RFC 6874). Whether the digits make an address
  /// is left to the one who dials.
  private mutating func bracketedAddress(before end: Int) throws(RedisURLError) -> String {
    let close = self.end(ofRunWithout: "]", from: offset, before: end)
    guard close < end else { throw fault("']' after the IPv6 address") }
    offset += 1
    let start = offset
    while offset < close, bytes[offset] != UInt8(ascii: "%") {
      let byte = bytes[offset]
      guard Hex.value(byte) != nil || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".") else {
        throw fault("an IPv6 address of hexadecimal digits, ':' and '.'")
      }
      offset += 1
    }
    let address = bytes[start..<offset]
    guard address.contains(UInt8(ascii: ":")), address.count <= 45 else {
      throw RedisURLError(offset: start, expected: "an IPv6 address between '[' and ']'")
    }
    let zone = try decoded(upTo: close)
    guard zone.isEmpty || (zone.utf8.count > 1 && zone.utf8.dropFirst().allSatisfy(isNameByte)) else {
      throw fault("a zone of letters, digits, '-', '.' and '_' after %25")
    }
    offset = close + 1
    return String(repairing: address.span) + zone
  }

  private func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  private mutating func port(before end: Int) throws(RedisURLError) -> UInt16 {
    guard offset < end else { return RedisURL.defaultPort }
    guard bytes[offset] == UInt8(ascii: ":") else { throw fault("':' and a port, '/' and a database, or the end") }
    offset += 1
    guard let number = Decimal.unsigned(bytes.span.extracting(offset..<end)), let port = UInt16(exactly: number),
      port > 0
    else {
      if bytes[offset..<end].contains(UInt8(ascii: ":")) {
        throw fault("a port from 1 to 65535 (an IPv6 address stands between '[' and ']')")
      }
      throw fault("a port from 1 to 65535\(passwordHint(after: end))")
    }
    offset = end
    return port
  }

  /// An `@` after the authority's end says that it ended too early.
  private func passwordHint(after end: Int) -> String {
    bytes[end...].contains(UInt8(ascii: "@")) ? " (in a password '/' is written %2F, '?' %3F and '#' %23)" : ""
  }

  private mutating func databasePath() throws(RedisURLError) -> Int? {
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: "/") else { return nil }
    offset += 1
    let end = end(ofRunWithout: "?#", from: offset)
    return offset == end ? nil : try database(upTo: end)
  }

  private mutating func database(upTo end: Int) throws(RedisURLError) -> Int {
    guard let number = Decimal.unsigned(bytes.span.extracting(offset..<end)), let database = Int32(exactly: number)
    else {
      throw fault("a database number from 0 to \(Int32.max)\(passwordHint(after: offset))")
    }
    offset = end
    return Int(database)
  }

  private mutating func socketPath() throws(RedisURLError) -> String {
    let start = offset
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: "/") else {
      throw fault("'/' and the socket's absolute path")
    }
    let path = try decoded(upTo: end(ofRunWithout: "?#", from: offset))
    guard path.utf8.count > 1, path.utf8.count <= RedisURL.socketPathBytes else {
      throw RedisURLError(offset: start, expected: "a socket path of 2 to \(RedisURL.socketPathBytes) bytes")
    }
    return path
  }

  /// The one parameter there is, `db`; and the end of the URL.
  private mutating func query() throws(RedisURLError) -> Int? {
    guard offset < bytes.count else { return nil }
    guard bytes[offset] == UInt8(ascii: "?") else { throw fault("the end of the URL") }
    offset += 1
    guard bytes[offset...].starts(with: Array("db=".utf8)) else {
      throw fault("'db=' and a number; no other parameter")
    }
    offset += 3
    let end = end(ofRunWithout: "&#", from: offset)
    let database = try database(upTo: end)
    guard offset == bytes.count else { throw fault("the end of the URL") }
    return database
  }
}
