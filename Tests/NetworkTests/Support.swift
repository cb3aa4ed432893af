import Bytes
import EventLoop
import Glibc
import Network
import System

/// Real descriptors under a clock that, when told to, jumps to the deadline instead of waiting for it.
final class JumpingPoller: Poller {
  private let epoll: EpollPoller
  private var skipped: UInt64 = 0
  var jumps = false

  init() throws(SystemError) { epoll = try EpollPoller() }

  func add(_ descriptor: Int32, token: UInt64, interest: Interest) throws(SystemError) {
    try epoll.add(descriptor, token: token, interest: interest)
  }
  func modify(_ descriptor: Int32, token: UInt64, interest: Interest) throws(SystemError) {
    try epoll.modify(descriptor, token: token, interest: interest)
  }
  func remove(_ descriptor: Int32) throws(SystemError) { try epoll.remove(descriptor) }

  func wait(until deadline: Instant?, into events: inout [PollEvent]) throws(SystemError) {
    guard jumps else {
      return try epoll.wait(
        until: deadline.map { Instant(nanoseconds: $0 - Instant(nanoseconds: skipped)) }, into: &events)
    }
    try epoll.wait(until: Instant(nanoseconds: 0), into: &events)
    if events.isEmpty, let deadline { skipped += deadline - now() }
  }

  func now() -> Instant { epoll.now() + skipped }
  func wallClock() -> UInt64 { epoll.wallClock() }
}

/// Gives the addresses a test says, when it says so.
final class ScriptedResolver: Resolver {
  private(set) var asked: [(host: String, port: UInt16, handler: any ResolutionHandler)] = []
  private(set) var cancelled: [ResolutionToken] = []
  var refusal: TransportFault?

  func resolve(
    _ host: String, port: UInt16, _ handler: any ResolutionHandler
  ) throws(TransportFault) -> ResolutionToken {
    if let refusal { throw refusal }
    asked.append((host, port, handler))
    return ResolutionToken(raw: UInt64(asked.count))
  }
  func cancel(_ token: ResolutionToken) { cancelled.append(token) }

  func answer(_ addresses: [SocketAddress]) {
    asked.last?.handler.resolved(addresses, ResolutionToken(raw: UInt64(asked.count)))
  }
  func fail(_ fault: TransportFault) {
    asked.last?.handler.unresolved(fault, ResolutionToken(raw: UInt64(asked.count)))
  }
}

final class DialProbe: DialHandler {
  var transport: (any Transport)?
  var address: SocketAddress?
  var failure: DialFailure?
  var told = 0
  var onEnd: () -> Void = {}

  func dialed(_ transport: any Transport, at address: SocketAddress) {
    self.transport = transport
    self.address = address
    told += 1
    onEnd()
  }
  func dialFailed(_ failure: DialFailure) {
    self.failure = failure
    told += 1
    onEnd()
  }
}

final class ResolutionProbe: ResolutionHandler {
  var addresses: [SocketAddress] = []
  var fault: TransportFault?
  var tokens: [ResolutionToken] = []

  func resolved(_ addresses: [SocketAddress], _ token: ResolutionToken) {
    self.addresses = addresses
    tokens.append(token)
  }
  func unresolved(_ fault: TransportFault, _ token: ResolutionToken) {
    self.fault = fault
    tokens.append(token)
  }
}

final class ReadyProbe: ReadinessHandler {
  var readiness: [Readiness] = []
  func ready(_ readiness: Readiness, _ token: EventToken) { self.readiness.append(readiness) }
}

/// A transport over one end of a socket pair that asks for what a test tells it to before it is connected.
final class ScriptedTransport: Transport {
  private var descriptor: FileDescriptor?
  let peer: FileDescriptor
  var steps: [Result<ConnectingProgress, TransportFault>]
  private(set) var isClosed = false

  init(_ steps: [Result<ConnectingProgress, TransportFault>]) throws(SystemError) {
    var pair: [Int32] = [-1, -1]
    _ = try systemCall("socketpair") { unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) }
    descriptor = .some(FileDescriptor(owning: pair[0]))
    peer = FileDescriptor(owning: pair[1])
    self.steps = steps
  }

  var rawDescriptor: Int32 { descriptor?.raw ?? -1 }
  func finishConnecting() throws(TransportFault) -> ConnectingProgress {
    steps.isEmpty ? .finished : try steps.removeFirst().get()
  }
  func read(into buffer: inout ByteBuffer, atLeast count: Int) throws(TransportFault) -> TransportProgress { .end }
  func write(_ bytes: borrowing Span<UInt8>) throws(TransportFault) -> TransportProgress { .bytes(bytes.count) }
  func close() {
    descriptor = nil
    isClosed = true
  }
}

/// A server's socket on 127.0.0.1 or in the file system.
final class Listener {
  private let descriptor: FileDescriptor
  private(set) var port: UInt16 = 0

  /// - Parameter listening: false keeps the port taken but closed: who connects is refused.
  init(listening: Bool = true) throws(SystemError) {
    descriptor = FileDescriptor(
      owning: try systemCall("socket") { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) })
    let raw = descriptor.raw
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = try systemCall("bind") {
      unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(raw, $0, size) }
      }
    }
    _ = try systemCall("getsockname") {
      unsafe withUnsafeMutablePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(raw, $0, &size) }
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    if listening { _ = try systemCall("listen") { listen(raw, 16) } }
  }

  init(unixPath path: String) throws(SystemError) {
    descriptor = FileDescriptor(
      owning: try systemCall("socket") { socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0) })
    let raw = descriptor.raw
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    _ = try systemCall("bind", path) {
      unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(raw, $0, size) }
      }
    }
    _ = try systemCall("listen") { listen(raw, 16) }
  }

  var address: SocketAddress? { SocketAddress(numericHost: "127.0.0.1", port: port) }

  /// The next connection, blocking; there is one already where a client's connect has ended.
  func accept() throws(SystemError) -> FileDescriptor {
    let raw = descriptor.raw
    return FileDescriptor(owning: try systemCall("accept") { Glibc.accept(raw, nil, nil) })
  }
}

extension EventLoop {
  /// Turns until `condition` holds; a test that hangs here is ended by the timeout of its runner.
  func turn(until condition: () -> Bool) throws(SystemError) {
    while !condition() { try turn() }
  }
}

func text(_ buffer: borrowing ByteBuffer) -> String { String(repairing: buffer.readable) }
