internal import Bytes
internal import CLinux
internal import CResolver
package import EventLoop
internal import Glibc
package import System

/// Names a lookup until it was answered or cancelled; never used twice.
package struct ResolutionToken: Hashable, Sendable {
  package let raw: UInt64
  package init(raw: UInt64) { self.raw = raw }
}

/// Is told of a lookup's outcome.
package protocol ResolutionHandler: AnyObject {
  /// `addresses` is not empty; they are in the order to be tried in (RFC 6724).
  func resolved(_ addresses: [SocketAddress], _ token: ResolutionToken)
  func unresolved(_ fault: TransportFault, _ token: ResolutionToken)
}

/// Looks names up without blocking. A protocol, so that tests give the addresses.
package protocol Resolver: AnyObject {
  /// Begins to look `host` up. The handler is told once, from a later turn, never from inside this call.
  func resolve(
    _ host: String, port: UInt16, _ handler: any ResolutionHandler
  ) throws(TransportFault) -> ResolutionToken
  /// The handler will not be told. Does nothing for a lookup that is over.
  func cancel(_ token: ResolutionToken)
}

/// The system's resolver (nsswitch, hosts file, DNS) through glibc's getaddrinfo_a(3), whose own threads do the
/// waiting; the end of a lookup is an event in the loop. A lookup may take as long as resolv.conf(5) allows, half a
/// minute and more: who asks sets a deadline.
@safe
package final class SystemResolver: Resolver, ReadinessHandler {
  @safe
  private struct Lookup {
    let token: ResolutionToken
    let host: String
    let request: OpaquePointer
    let handler: any ResolutionHandler
  }

  private let loop: EventLoop
  private let channel: OpaquePointer
  private let descriptor: Int32
  private var event: EventToken?
  private var lookups: [Lookup] = []
  private var started: UInt64 = 0

  /// The loop holds the resolver until `stop`.
  package init(_ loop: EventLoop) throws(SystemError) {
    self.loop = loop
    let made = try systemCall("eventfd") { eventfd(0, clinux_eventfd_flags) }
    guard let channel = unsafe cresolver_channel_open(made) else {
      Glibc.close(made)
      throw SystemError(code: ENOMEM, call: "malloc")
    }
    descriptor = made
    unsafe self.channel = channel
    event = try loop.add(made, .readable, self)
  }

  deinit { unsafe cresolver_channel_close(channel) }

  /// Cancels every lookup and leaves the loop.
  package func stop() {
    for lookup in lookups { unsafe cresolver_release(lookup.request) }
    lookups.removeAll()
    if let event { loop.remove(event) }
    event = nil
  }

  package func resolve(
    _ host: String, port: UInt16, _ handler: any ResolutionHandler
  ) throws(TransportFault) -> ResolutionToken {
    guard !host.isEmpty, host.utf8.count <= Limits.hostNameBytes, !host.utf8.contains(0) else {
      throw .unresolved(host: host, reason: "not a host name")
    }
    precondition(event != nil, "the resolver is stopped")
    var code: Int32 = 0
    guard let request = unsafe cresolver_start(channel, host, port, &code) else {
      throw .unresolved(host: host, reason: Self.reason(code))
    }
    started += 1
    let token = ResolutionToken(raw: started)
    lookups.append(unsafe Lookup(token: token, host: host, request: request, handler: handler))
    return token
  }

  package func cancel(_ token: ResolutionToken) {
    guard let index = lookups.firstIndex(where: { $0.token == token }) else { return }
    // Freed only when glibc is through with it; see cresolver.h.
    unsafe cresolver_release(lookups.remove(at: index).request)
  }

  package func ready(_ readiness: Readiness, _ token: EventToken) {
    // Reset the counter first: an ending told while we look makes the descriptor readable anew.
    var endings: UInt64 = 0
    _ = try? systemCall("eventfd_read") { unsafe eventfd_read(descriptor, &endings) }
    // One at a time, from the front: what a handler starts or cancels changes the list.
    while let index = lookups.firstIndex(where: { unsafe cresolver_outcome($0.request) != cresolver_running }) {
      let lookup = lookups.remove(at: index)
      answer(lookup)
    }
  }

  private func answer(_ lookup: Lookup) {
    let code = unsafe cresolver_outcome(lookup.request)
    let addresses = code == 0 ? unsafe addresses(lookup.request) : []
    unsafe cresolver_release(lookup.request)
    if addresses.isEmpty {
      let reason = code == 0 ? "no address" : Self.reason(code)
      lookup.handler.unresolved(.unresolved(host: lookup.host, reason: reason), lookup.token)
    } else {
      lookup.handler.resolved(addresses, lookup.token)
    }
  }

  private func addresses(_ request: OpaquePointer) -> [SocketAddress] {
    var found: [SocketAddress] = []
    var bytes = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_storage>.size)
    while found.count < Limits.resolvedAddresses {
      let count = unsafe Int(cresolver_next(request, &bytes, Int32(bytes.count)))
      guard count > 0 else { break }
      let address = SocketAddress(bytes: Array(bytes[..<count]))
      if !found.contains(address) { found.append(address) }
    }
    return found
  }

  private static func reason(_ code: Int32) -> String {
    guard let text = unsafe cresolver_reason(code) else { return "error \(code)" }
    return unsafe String(cString: text)
  }
}
