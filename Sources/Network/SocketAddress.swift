internal import Bytes
internal import Glibc
internal import System

/// A socket address as connect(2) takes it.
package struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
  /// A `struct sockaddr_in`, `_in6` or `_un`.
  private let bytes: [UInt8]
  /// The same, to be looked into.
  var raw: [UInt8] { bytes }
  /// "10.0.0.1:6379", "[::1]:6379" or "unix:/path".
  package let description: String

  /// A numeric IPv4 or IPv6 address; nil where `host` is not one, and so must be looked up. Asks nobody.
  package init?(numericHost host: String, port: UInt16) {
    guard !host.isEmpty, !host.utf8.contains(0) else { return nil }
    var hints = unsafe addrinfo()
    unsafe hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(host, String(port), &hints, &list) == 0, let first = unsafe list else { return nil }
    defer { unsafe freeaddrinfo(first) }
    guard let address = unsafe first.pointee.ai_addr else { return nil }
    let raw = unsafe UnsafeRawBufferPointer(start: address, count: Int(first.pointee.ai_addrlen))
    unsafe self.init(bytes: Array(raw))
  }

  /// The address of a socket in the file system.
  package init(unixPath path: String) throws(TransportFault) {
    let limit = MemoryLayout<sockaddr_un>.size - MemoryLayout<sa_family_t>.size
    // sun_path holds the path and its NUL. A first byte of NUL would name an abstract socket, any later one cut it.
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw .unusable(endpoint: "unix:\(path)", reason: "not a path")
    }
    guard path.utf8.count < limit else {
      throw .unusable(
        endpoint: "unix:\(path)", reason: "a socket's path has at most \(limit - 1) bytes, this has \(path.utf8.count)")
    }
    let family = sa_family_t(AF_UNIX)
    bytes = unsafe withUnsafeBytes(of: family) { unsafe Array($0) } + Array(path.utf8) + [0]
    description = "unix:\(path)"
  }

  /// An address the system gave: a whole `struct sockaddr_in` or `_in6`.
  init(bytes: [UInt8]) {
    self.bytes = bytes
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
    let code = unsafe bytes.withUnsafeBytes { raw in
      unsafe getnameinfo(
        raw.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count), &host, socklen_t(host.count),
        &port, socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV)
    }
    guard code == 0 else {
      description = "an address of an unknown family"
      return
    }
    let name = Self.text(host)
    let isVersion6 = name.utf8.contains(UInt8(ascii: ":"))
    description = isVersion6 ? "[\(name)]:\(Self.text(port))" : "\(name):\(Self.text(port))"
  }

  private static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// AF_INET, AF_INET6 or AF_UNIX.
  var family: Int32 {
    guard bytes.count >= 2 else { return AF_UNSPEC }
    return Int32(unsafe bytes.span.bytes.unsafeLoadUnaligned(as: sa_family_t.self))
  }

  /// Begins to connect `descriptor`; true where that is finished already, false where it becomes writable then.
  func connect(_ descriptor: Int32) throws(SystemError) -> Bool {
    do {
      _ = try systemCall("connect", description) {
        unsafe bytes.withUnsafeBytes { raw in
          unsafe Glibc.connect(
            descriptor, raw.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
        }
      }
      return true
    } catch {
      // EALREADY: interrupted by a signal, connecting goes on.
      if error.code == EINPROGRESS || error.code == EALREADY { return false }
      throw error
    }
  }
}
