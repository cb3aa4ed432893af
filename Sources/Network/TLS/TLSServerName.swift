internal import Glibc

/// Whose certificate the server has to show.
enum TLSServerName: Equatable, Sendable {
  /// A DNS name without a final dot; also asked for in the handshake (SNI).
  case name(String)
  /// The 4 or 16 bytes of a numeric address; never asked for by SNI (RFC 6066 section 3).
  case address([UInt8])

  /// - Parameter host: as an endpoint has it. A zone (`fe80::1%eth0`) is this machine's affair, in no certificate.
  init(host: String) {
    let isVersion6 = host.utf8.contains(UInt8(ascii: ":"))
    if let address = SocketAddress(numericHost: String(isVersion6 ? host.prefix { $0 != "%" } : host[...]), port: 0) {
      self = .address(address.hostBytes)
    } else {
      self = .name(host.utf8.last == UInt8(ascii: ".") ? String(host.dropLast()) : host)
    }
  }
}

extension SocketAddress {
  /// The address's own bytes, in network order; empty for a socket in the file system. They stand at the offsets of
  /// `struct sockaddr_in` (ip(7)) and `sockaddr_in6` (ipv6(7)).
  var hostBytes: [UInt8] {
    switch family {
    case AF_INET: Array(raw.dropFirst(4).prefix(4))
    case AF_INET6: Array(raw.dropFirst(8).prefix(16))
    default: []
    }
  }
}
