package import Bytes
internal import CLinux
internal import Glibc
internal import System

/// A TCP or Unix stream socket.
package final class SocketTransport: Transport {
  /// A TCP connection whose peer is gone without a word ends by itself. When something is under way, after so many
  /// milliseconds without an acknowledgement (TCP_USER_TIMEOUT, tcp(7)).
  package static let userTimeoutMilliseconds: Int32 = 15_000
  /// When nothing is: after so many seconds of silence, a segment every so many, each of which has to be acknowledged. The
  /// timeout above ends it here too, so after 20 to 40 s. Costs no command of Redis.
  package static let keepAliveIdleSeconds: Int32 = 20
  package static let keepAliveIntervalSeconds: Int32 = 5

  private var socket: FileDescriptor?
  private let address: SocketAddress
  private var isConnected: Bool

  /// Makes a socket and begins to connect it.
  package init(connectingTo address: SocketAddress) throws(TransportFault) {
    self.address = address
    do throws(SystemError) {
      let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      let made = FileDescriptor(
        owning: try systemCall("socket", address.description) { Glibc.socket(address.family, kind, 0) })
      if address.family != AF_UNIX {
        // The loop gathers a turn's output into one write: waiting to fill a packet would only delay it.
        let subject = address.description
        try Self.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1, made.raw, subject)
        try Self.set(SOL_SOCKET, SO_KEEPALIVE, 1, made.raw, subject)
        try Self.set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, Self.keepAliveIdleSeconds, made.raw, subject)
        try Self.set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, Self.keepAliveIntervalSeconds, made.raw, subject)
        try Self.set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, Self.userTimeoutMilliseconds, made.raw, subject)
      }
      isConnected = try address.connect(made.raw)
      socket = .some(made)
    } catch {
      throw .system(error)
    }
  }

  /// The `TransportFactory` of plain sockets.
  package static func make(_ address: SocketAddress) throws(TransportFault) -> any Transport {
    try SocketTransport(connectingTo: address)
  }

  private static func set(
    _ level: Int32, _ option: Int32, _ value: Int32, _ raw: Int32, _ subject: String
  ) throws(SystemError) {
    var value = value
    let size = socklen_t(MemoryLayout<Int32>.size)
    _ = try systemCall("setsockopt", subject) { unsafe setsockopt(raw, level, option, &value, size) }
  }

  package var rawDescriptor: Int32 { socket?.raw ?? -1 }

  package var unacknowledged: Int {
    let raw = rawDescriptor
    // On a unix socket it would be what the peer's program has not read.
    guard address.family != AF_UNIX else { return 0 }
    let count = try? systemCall("ioctl(SIOCOUTQ)") { clinux_unacknowledged(raw) }
    return Int(count ?? 0)
  }

  private func open() throws(TransportFault) -> Int32 {
    let raw = rawDescriptor
    guard raw >= 0 else { throw .closed }
    return raw
  }

  private func fault(_ error: SystemError) -> TransportFault {
    .system(SystemError(code: error.code, call: error.call, subject: address.description))
  }

  package func finishConnecting() throws(TransportFault) -> ConnectingProgress {
    let raw = try open()
    guard !isConnected else { return .finished }
    do throws(SystemError) {
      var code: Int32 = 0
      var size = socklen_t(MemoryLayout<Int32>.size)
      _ = try systemCall("getsockopt") { unsafe getsockopt(raw, SOL_SOCKET, SO_ERROR, &code, &size) }
      guard code == 0 else { throw SystemError(code: code, call: "connect") }
      // No error is not success: it is also what a socket says that is still connecting.
      var peer = sockaddr_storage()
      var peerSize = socklen_t(MemoryLayout<sockaddr_storage>.size)
      _ = try systemCall("getpeername") {
        unsafe withUnsafeMutableBytes(of: &peer) { raw_ in
          unsafe getpeername(raw, raw_.baseAddress?.assumingMemoryBound(to: sockaddr.self), &peerSize)
        }
      }
    } catch {
      if error.code == ENOTCONN { return .blocked(on: .writable) }
      throw fault(error)
    }
    isConnected = true
    return .finished
  }

  package func read(into buffer: inout ByteBuffer, atLeast count: Int) throws(TransportFault) -> TransportProgress {
    let raw = try open()
    do throws(SystemError) {
      let got = try unsafe buffer.fill(reserving: max(count, 1)) { (free) throws(SystemError) -> Int in
        try systemCall("recv") { unsafe recv(raw, free.baseAddress, free.count, 0) }
      }
      return got == 0 ? .end : .bytes(got)
    } catch {
      if error.code == EAGAIN { return .blocked(on: .readable) }
      throw fault(error)
    }
  }

  package func write(_ bytes: borrowing Span<UInt8>) throws(TransportFault) -> TransportProgress {
    let raw = try open()
    do throws(SystemError) {
      let count = try unsafe bytes.withUnsafeBufferPointer { (source) throws(SystemError) -> Int in
        // MSG_NOSIGNAL: a peer that is gone is EPIPE, never SIGPIPE.
        try systemCall("send") { unsafe send(raw, source.baseAddress, source.count, Int32(MSG_NOSIGNAL)) }
      }
      return .bytes(count)
    } catch {
      if error.code == EAGAIN { return .blocked(on: .writable) }
      throw fault(error)
    }
  }

  package func close() { socket = nil }
}
