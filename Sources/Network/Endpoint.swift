/// Where a server is to be reached, as a person writes it.
package enum Endpoint: Equatable, Hashable, Sendable, CustomStringConvertible {
  /// A host name or a numeric address (IPv6 without brackets), and a port.
  case tcp(host: String, port: UInt16)
  /// A stream socket in the file system.
  case unix(path: String)

  package var description: String {
    switch self {
    case .tcp(let host, let port): host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }
}
