import EventLoop
import Network
import Testing

@Suite("The system's resolver")
struct ResolverTests {
  let loop: EventLoop
  let resolver: SystemResolver

  init() throws {
    loop = EventLoop(poller: try EpollPoller())
    resolver = try SystemResolver(loop)
  }

  @Test("localhost has a loopback address, told in a later turn and once")
  func localhost() throws {
    let probe = ResolutionProbe()
    let token = try resolver.resolve("localhost", port: 6379, probe)
    #expect(probe.tokens.isEmpty)
    try loop.turn { !probe.tokens.isEmpty }
    #expect(probe.tokens == [token])
    let known = [("127.0.0.1", 6379), ("::1", 6379)] as [(String, UInt16)]
    let loopback = known.compactMap { SocketAddress(numericHost: $0, port: $1) }
    #expect(!probe.addresses.isEmpty)
    #expect(probe.addresses.allSatisfy { loopback.contains($0) })
    #expect(Set(probe.addresses).count == probe.addresses.count)
    resolver.stop()
  }

  @Test("a name that does not exist is a fault that says the name and the reason")
  func unknown() throws {
    let probe = ResolutionProbe()
    _ = try resolver.resolve("nonexistent.invalid", port: 1, probe)
    try loop.turn { !probe.tokens.isEmpty }
    guard case .unresolved(let host, let reason) = try #require(probe.fault) else {
      Issue.record("another fault")
      return
    }
    #expect(host == "nonexistent.invalid")
    #expect(!reason.isEmpty)
    resolver.stop()
  }

  @Test("what cannot be a host name is refused at once", arguments: ["", "a\0b", String(repeating: "x", count: 256)])
  func notAName(_ host: String) throws {
    #expect(throws: TransportFault.unresolved(host: host, reason: "not a host name")) {
      try resolver.resolve(host, port: 1, ResolutionProbe())
    }
    resolver.stop()
  }

  @Test("of many lookups at once each is told to its own handler, and a cancelled one to nobody")
  func many() throws {
    let probes = (0..<60).map { _ in ResolutionProbe() }
    let tokens = try probes.enumerated().map { index, probe in
      try resolver.resolve("localhost", port: UInt16(index + 1), probe)
    }
    for index in stride(from: 0, to: 60, by: 3) { resolver.cancel(tokens[index]) }
    try loop.turn { probes.indices.allSatisfy { $0 % 3 == 0 || !probes[$0].tokens.isEmpty } }
    for (index, probe) in probes.enumerated() {
      #expect(probe.tokens == (index % 3 == 0 ? [] : [tokens[index]]))
      #expect(probe.addresses.allSatisfy { $0.description.hasSuffix(":\(index + 1)") })
    }
    resolver.cancel(tokens[1])
    resolver.stop()
  }

  @Test("a resolver may go while lookups are under way, and lets their handlers go")
  func abandoned() throws {
    weak var handler: ResolutionProbe?
    for _ in 0..<20 {
      let local = try SystemResolver(loop)
      let probe = ResolutionProbe()
      handler = probe
      for _ in 0..<5 { _ = try local.resolve("localhost", port: 1, probe) }
      local.stop()
    }
    #expect(handler == nil)
    resolver.stop()
  }
}
