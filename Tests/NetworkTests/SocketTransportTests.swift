import Bytes
import EventLoop
import Glibc
import Network
import System
import Testing

@Suite("Socket transport, on loopback")
struct SocketTransportTests {
  let loop: EventLoop
  let listener: Listener

  init() throws {
    loop = EventLoop(poller: try EpollPoller())
    listener = try Listener()
  }

  /// A finished connection to the listener, and the server's end of it.
  private func connected() throws -> SocketTransport {
    let transport = try SocketTransport(connectingTo: #require(listener.address))
    let probe = ReadyProbe()
    let token = try loop.add(transport.rawDescriptor, .writable, probe)
    while try transport.finishConnecting() != .finished { try loop.turn() }
    loop.remove(token)
    return transport
  }

  private func write(_ text: String, _ transport: SocketTransport) throws -> TransportProgress {
    let bytes = Array(text.utf8)
    return try transport.write(bytes.span)
  }

  /// Waits until the transport is readable, then reads once.
  private func read(_ transport: SocketTransport, into buffer: inout ByteBuffer) throws -> TransportProgress {
    let probe = ReadyProbe()
    let token = try loop.add(transport.rawDescriptor, .readable, probe)
    defer { loop.remove(token) }
    try loop.turn { !probe.readiness.isEmpty }
    return try transport.read(into: &buffer, atLeast: 64)
  }

  private func sendAll(_ text: String, _ server: borrowing FileDescriptor) throws {
    let bytes = Array(text.utf8)
    try server.writeAll(bytes.span)
  }

  @Test("bytes go both ways, and nothing to read is blocked, not the end")
  func bothWays() throws {
    let transport = try connected()
    let server = try listener.accept()
    var buffer = ByteBuffer(capacity: 64)
    #expect(try transport.read(into: &buffer, atLeast: 64) == .blocked(on: .readable))
    #expect(try write("ping", transport) == .bytes(4))
    #expect(try server.read(into: &buffer, atLeast: 64) == .bytes(4))
    #expect(text(buffer) == "ping")
    buffer.removeAll()
    try sendAll("pong", server)
    #expect(try read(transport, into: &buffer) == .bytes(4))
    #expect(text(buffer) == "pong")
    transport.close()
  }

  @Test("the socket does not block, dies with exec, sends at once and keeps itself alive")
  func options() throws {
    let transport = try connected()
    let raw = transport.rawDescriptor
    #expect(fcntl(raw, F_GETFL) & O_NONBLOCK != 0)
    #expect(fcntl(raw, F_GETFD) & FD_CLOEXEC != 0)
    let tcp = Int32(IPPROTO_TCP)
    let expected = [
      (tcp, TCP_NODELAY, 1), (SOL_SOCKET, SO_KEEPALIVE, 1), (tcp, TCP_KEEPIDLE, 20), (tcp, TCP_KEEPINTVL, 5),
      (tcp, TCP_USER_TIMEOUT, 15_000),
    ]
    for (level, option, wanted) in expected {
      var value: Int32 = 0
      var size = socklen_t(MemoryLayout<Int32>.size)
      #expect(unsafe getsockopt(raw, level, option, &value, &size) == 0)
      #expect(value == wanted)
    }
    transport.close()
  }

  @Test("what was written counts until the peer's machine has it")
  func unacknowledged() throws {
    let transport = try connected()
    let server = try listener.accept()
    #expect(transport.unacknowledged == 0)
    let block = [UInt8](repeating: 7, count: 64 * 1024)
    while case .bytes = try transport.write(block.span) {}
    #expect(transport.unacknowledged > 0)
    _ = server
    transport.close()
    #expect(transport.unacknowledged == 0)
  }

  @Test("the end of what the peer sends is told once all of it is read, and again when asked again")
  func end() throws {
    let transport = try connected()
    let server = try listener.accept()
    try sendAll("still here", server)
    shutdown(server.raw, Int32(SHUT_WR))
    var buffer = ByteBuffer(capacity: 64)
    #expect(try read(transport, into: &buffer) == .bytes(10))
    #expect(try read(transport, into: &buffer) == .end)
    #expect(try transport.read(into: &buffer, atLeast: 1) == .end)
    transport.close()
  }

  @Test("writing to a peer that does not read is blocked, until it reads")
  func backPressure() throws {
    let transport = try connected()
    let server = try listener.accept()
    let block = [UInt8](repeating: 7, count: 64 * 1024)
    var written = 0
    while case .bytes(let count) = try transport.write(block.span) { written += count }
    #expect(try transport.write(block.span) == .blocked(on: .writable))
    var buffer = ByteBuffer(capacity: 1 << 20)
    var seen = 0
    while seen < written {
      guard case .bytes(let count) = try server.read(into: &buffer, atLeast: 64) else { break }
      seen += count
      buffer.removeAll()
    }
    #expect(seen == written)
    let probe = ReadyProbe()
    let token = try loop.add(transport.rawDescriptor, .writable, probe)
    try loop.turn { !probe.readiness.isEmpty }
    #expect(try transport.write(block.span) != .blocked(on: .writable))
    loop.remove(token)
    transport.close()
  }

  @Test("a reset by the peer is a fault that names the address")
  func reset() throws {
    let transport = try connected()
    do {
      let server = try listener.accept()
      var linger = linger(l_onoff: 1, l_linger: 0)
      let size = socklen_t(MemoryLayout.size(ofValue: linger))
      #expect(unsafe setsockopt(server.raw, SOL_SOCKET, SO_LINGER, &linger, size) == 0)
    }
    var buffer = ByteBuffer(capacity: 64)
    let subject = "127.0.0.1:\(listener.port)"
    #expect(throws: TransportFault.system(SystemError(code: ECONNRESET, call: "recv", subject: subject))) {
      try read(transport, into: &buffer)
    }
    #expect(throws: TransportFault.system(SystemError(code: EPIPE, call: "send", subject: subject))) {
      try write("x", transport)
    }
    transport.close()
  }

  @Test("writing to a peer that is gone is a fault and never SIGPIPE")
  func noSignal() throws {
    // A blocked signal stays pending, whatever its action, so that it can be looked for.
    var pipeSignal = sigset_t()
    unsafe sigemptyset(&pipeSignal)
    unsafe sigaddset(&pipeSignal, SIGPIPE)
    var before = sigset_t()
    unsafe pthread_sigmask(SIG_BLOCK, &pipeSignal, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    let transport = try connected()
    do { _ = try listener.accept() }
    var fault: TransportFault?
    while fault == nil {
      do throws(TransportFault) { _ = try transport.write([1, 2, 3].span) } catch { fault = error }
    }
    guard case .system(let error) = try #require(fault) else { return }
    #expect(error.code == EPIPE || error.code == ECONNRESET)
    var zero = timespec()
    #expect(unsafe sigtimedwait(&pipeSignal, nil, &zero) == -1)
    transport.close()
  }

  @Test("after close every operation is a fault, and closing again is nothing")
  func closed() throws {
    let transport = try connected()
    transport.close()
    transport.close()
    #expect(transport.rawDescriptor == -1)
    var buffer = ByteBuffer(capacity: 64)
    #expect(throws: TransportFault.closed) { try transport.read(into: &buffer, atLeast: 1) }
    #expect(throws: TransportFault.closed) { try write("x", transport) }
    #expect(throws: TransportFault.closed) { try transport.finishConnecting() }
    #expect(buffer.count == 0)
  }
}
