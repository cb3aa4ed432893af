/// Where the Redis server is and how to log in.
///
///     redis://  [USER:PASSWORD@] HOST [:PORT] [/DB] [?db=DB]
///     rediss:// the same, over TLS
///     unix://   [USER:PASSWORD@] /PATH [?db=DB]
///
/// The schemes are those of IANA's provisional registrations `redis` and `rediss` and of redis-py's `unix`. As with
/// `redis-cli -u`, what stands alone before the `@` is a password, and the last `@` before the path ends it.
package struct RedisURL: Equatable, Sendable, CustomStringConvertible {
  package enum Endpoint: Equatable, Sendable {
    /// A name, an IPv4 address, or an IPv6 address without its brackets (a zone follows after `%`).
    case network(host: String, port: UInt16)
    /// An absolute path of at most `RedisURL.socketPathBytes` bytes.
    case unixSocket(path: String)
  }

  package let endpoint: Endpoint
  /// Whether the connection is encrypted (`rediss`).
  package let tls: Bool
  /// For AUTH; nil: the server's default user.
  package let user: String?
  /// For AUTH; nil: do not log in.
  package let password: Secret?
  /// For SELECT: 0 to `Int32.max`.
  package let database: Int

  package static let defaultPort: UInt16 = 6379
  /// `sun_path` holds 108 bytes with the final NUL (unix(7)).
  package static let socketPathBytes = 107

  /// The URL without user and password: for logs, status and error texts.
  package var description: String {
    let login = user == nil && password == nil ? "" : "***@"
    switch endpoint {
    case .network(let host, let port):
      let shown = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host
      return "\(tls ? "rediss" : "redis")://\(login)\(shown):\(port)/\(database)"
    case .unixSocket(let path):
      return "unix://\(login)\(path)?db=\(database)"
    }
  }
}

/// Why a text is not a Redis URL. It never holds a part of the text: a password might be in it.
package struct RedisURLError: Error, Equatable, CustomStringConvertible {
  /// The byte where the fault is, from 0.
  package let offset: Int
  /// What should have stood there, and perhaps what to do.
  package let expected: String

  /// Bytes are counted from 1 here.
  package var description: String { "at byte \(offset + 1): expected \(expected)" }
}
