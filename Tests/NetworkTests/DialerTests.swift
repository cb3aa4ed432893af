import Bytes
import EventLoop
import Glibc
import Network
import System
import TestSupport
import Testing

@Suite("Dialing")
struct DialerTests {
  let poller: JumpingPoller
  let loop: EventLoop
  let resolver = ScriptedResolver()
  let probe = DialProbe()

  init() throws {
    poller = try JumpingPoller()
    loop = EventLoop(poller: poller)
  }

  private func turnUntilTold() throws { try loop.turn { probe.told > 0 } }

  private func local(_ port: UInt16) throws -> SocketAddress {
    try #require(SocketAddress(numericHost: "127.0.0.1", port: port))
  }

  private func refused(_ port: UInt16) -> TransportFault {
    .system(SystemError(code: ECONNREFUSED, call: "connect", subject: "127.0.0.1:\(port)"))
  }

  @Test("a numeric address is connected to without asking the resolver, and told from a later turn")
  func numeric() throws {
    let listener = try Listener()
    let dialer = Dialer(loop, resolver)
    dialer.start(.tcp(host: "127.0.0.1", port: listener.port), probe)
    #expect(probe.told == 0)
    try turnUntilTold()
    #expect(probe.address == listener.address)
    let transport = try #require(probe.transport)
    #expect(try transport.finishConnecting() == .finished)
    #expect(try transport.write([1].span) == .bytes(1))
    var buffer = ByteBuffer(capacity: 8)
    #expect(try listener.accept().read(into: &buffer, atLeast: 8) == .bytes(1))
    #expect(resolver.asked.isEmpty)
    transport.close()
  }

  @Test("a refused connection is a failure that names the address and the reason")
  func refusal() throws {
    let closed = try Listener(listening: false)
    let dialer = Dialer(loop, resolver)
    dialer.start(.tcp(host: "127.0.0.1", port: closed.port), probe)
    try turnUntilTold()
    #expect(probe.failure?.faults == [refused(closed.port)])
    #expect(probe.failure?.description == "127.0.0.1:\(closed.port): Connection refused (connect)")
  }

  @Test("the addresses of a name are tried in turn until one connects")
  func inTurn() throws {
    let closed = try Listener(listening: false)
    let open = try Listener()
    let dialer = Dialer(loop, resolver)
    dialer.start(.tcp(host: "redis.example", port: 6379), probe)
    try loop.turn { !resolver.asked.isEmpty }
    #expect(resolver.asked.first?.host == "redis.example")
    #expect(resolver.asked.first?.port == 6379)
    resolver.answer([try local(closed.port), try local(open.port)])
    try turnUntilTold()
    #expect(probe.address == open.address)
    probe.transport?.close()
  }

  @Test("where none connects the failure lists them all, in order")
  func noneConnects() throws {
    let closed = try [Listener(listening: false), Listener(listening: false)]
    let dialer = Dialer(loop, resolver)
    dialer.start(.tcp(host: "redis.example", port: 1), probe)
    try loop.turn { !resolver.asked.isEmpty }
    resolver.answer(try closed.map { try local($0.port) })
    try turnUntilTold()
    #expect(probe.failure?.endpoint == .tcp(host: "redis.example", port: 1))
    #expect(probe.failure?.faults == closed.map { refused($0.port) })
  }

  @Test("a name that is not found, or cannot be looked up, is a failure")
  func unresolved() throws {
    let fault = TransportFault.unresolved(host: "nowhere", reason: "Name or service not known")
    let dialer = Dialer(loop, resolver)
    dialer.start(.tcp(host: "nowhere", port: 1), probe)
    try loop.turn { !resolver.asked.isEmpty }
    resolver.fail(fault)
    #expect(probe.failure?.faults == [fault])
    #expect(probe.failure?.description == "nowhere: Name or service not known")
    resolver.refusal = fault
    probe.failure = nil
    probe.told = 0
    dialer.start(.tcp(host: "nowhere", port: 1), probe)
    #expect(probe.told == 0)
    try turnUntilTold()
    #expect(probe.failure?.faults == [fault])
  }

  @Test("a socket in the file system is connected to; one that is not there, or cannot be, is a failure")
  func unix() throws {
    let folder = TemporaryFolder()
    let path = folder.path + "/redis.sock"
    let dialer = Dialer(loop, resolver)
    dialer.start(.unix(path: path), probe)
    #expect(probe.told == 0)
    try turnUntilTold()
    #expect(
      probe.failure?.faults == [.system(SystemError(code: ENOENT, call: "connect", subject: "unix:\(path)"))])

    let listener = try Listener(unixPath: path)
    dialer.start(.unix(path: path), probe)
    try loop.turn { probe.told == 2 }
    let transport = try #require(probe.transport)
    #expect(try transport.write([1, 2].span) == .bytes(2))
    var buffer = ByteBuffer(capacity: 8)
    #expect(try listener.accept().read(into: &buffer, atLeast: 8) == .bytes(2))
    transport.close()

    dialer.start(.unix(path: "/" + String(repeating: "x", count: 200)), probe)
    #expect(probe.told == 2)
    try loop.turn { probe.told == 3 }
    #expect(probe.failure?.description.contains("at most 107 bytes") == true)
  }

  @Test("localhost is found by the system's resolver and connected to")
  func localhost() throws {
    let listener = try Listener()
    let system = try SystemResolver(loop)
    let dialer = Dialer(loop, system)
    dialer.start(.tcp(host: "localhost", port: listener.port), probe)
    try turnUntilTold()
    #expect(probe.transport != nil, "\(String(describing: probe.failure))")
    probe.transport?.close()
    system.stop()
  }

  @Test("a transport is reported only when its handshake is over, whichever direction that waits for")
  func handshake() throws {
    let transport = try ScriptedTransport([
      .success(.blocked(on: .writable)), .success(.blocked(on: .readable)), .success(.blocked(on: .writable)),
    ])
    let dialer = Dialer(loop, resolver, makeTransport: { _ in transport })
    dialer.start(.tcp(host: "127.0.0.1", port: 1), probe)
    // Writable at once, then nothing to read until the peer writes.
    try loop.turn { transport.steps.count == 1 }
    poller.jumps = true
    _ = loop.arm(at: loop.now, Pause())
    try loop.turn()
    #expect(transport.steps.count == 1 && probe.told == 0)
    poller.jumps = false
    try transport.peer.writeAll([1].span)
    try turnUntilTold()
    #expect(transport.steps.isEmpty)
    #expect(probe.transport === transport)
    #expect(!transport.isClosed)
  }

  private final class Pause: TimerHandler {
    func timerFired(_ token: TimerToken) {}
  }

  @Test("an address that does not answer within 5 s is given up for the next one")
  func connectDeadline() throws {
    let silent = try ScriptedTransport(Array(repeating: .success(.blocked(on: .readable)), count: 10))
    let answering = try ScriptedTransport([])
    var made = 0
    let dialer = Dialer(
      loop, resolver,
      makeTransport: { _ in
        made += 1
        return made == 1 ? silent : answering
      })
    dialer.start(.tcp(host: "redis.example", port: 1), probe)
    try loop.turn { !resolver.asked.isEmpty }
    poller.jumps = true
    let start = loop.now
    resolver.answer([try local(1), try local(2)])
    try turnUntilTold()
    #expect(loop.now - start >= Dialer.connectDeadline)
    #expect(probe.transport === answering)
    #expect(silent.isClosed)
  }

  @Test("the deadline's fault says which address and how long")
  func deadlineFault() throws {
    let silent = try ScriptedTransport(Array(repeating: .success(.blocked(on: .readable)), count: 10))
    let dialer = Dialer(loop, resolver, makeTransport: { _ in silent })
    poller.jumps = true
    dialer.start(.tcp(host: "10.0.0.1", port: 1), probe)
    try turnUntilTold()
    #expect(probe.failure?.description == "connecting to 10.0.0.1:1: no answer within 5000 ms")
  }

  @Test("a name that is not answered in time is given up")
  func resolveDeadline() throws {
    let dialer = Dialer(loop, resolver)
    poller.jumps = true
    dialer.start(.tcp(host: "slow.example", port: 1), probe)
    try turnUntilTold()
    #expect(
      probe.failure?.faults == [.timedOut(activity: "looking up slow.example:1", after: Dialer.resolveDeadline)])
    #expect(resolver.cancelled == [ResolutionToken(raw: 1)])
    // The answer that comes after all is nobody's.
    resolver.answer([try local(1)])
    #expect(probe.told == 1)
  }

  @Test("a failing handshake is a fault of its address, and the next one is tried")
  func handshakeFault() throws {
    let fault = TransportFault.system(SystemError(code: EPROTO, call: "handshake"))
    let failing = try ScriptedTransport([.success(.blocked(on: .writable)), .failure(fault)])
    let dialer = Dialer(loop, resolver, makeTransport: { _ in failing })
    dialer.start(.tcp(host: "127.0.0.1", port: 1), probe)
    try turnUntilTold()
    #expect(probe.failure?.faults == [fault])
    #expect(failing.isClosed)
  }

  @Test("cancelled in any state, nobody is told, nothing stays open, and the dialer can be used again")
  func cancelling() throws {
    let transport = try ScriptedTransport(Array(repeating: .success(.blocked(on: .readable)), count: 10))
    let finished = try ScriptedTransport([])
    var next = transport
    let dialer = Dialer(loop, resolver, makeTransport: { _ in next })
    dialer.cancel()
    // Starting.
    dialer.start(.tcp(host: "redis.example", port: 1), probe)
    dialer.cancel()
    // Resolving.
    dialer.start(.tcp(host: "redis.example", port: 1), probe)
    try loop.turn { !resolver.asked.isEmpty }
    #expect(resolver.asked.count == 1)
    dialer.cancel()
    #expect(resolver.cancelled == [ResolutionToken(raw: 1)])
    resolver.answer([try local(1)])
    // Connecting.
    dialer.start(.tcp(host: "127.0.0.1", port: 1), probe)
    try loop.turn { transport.steps.count < 10 }
    dialer.cancel()
    #expect(transport.isClosed)
    #expect(probe.told == 0)
    // No timer is left over: with a clock that jumps, one turn with a far deadline of our own reaches that.
    poller.jumps = true
    let end = loop.now + .seconds(3600)
    _ = loop.arm(at: end, Pause())
    try loop.turn()
    #expect(loop.now >= end)
    #expect(probe.told == 0)
    next = finished
    dialer.start(.tcp(host: "127.0.0.1", port: 1), probe)
    try turnUntilTold()
    #expect(probe.transport === finished)
  }

  @Test("cancelling after an address failed forgets it and the ones not yet tried")
  func cancelBetween() throws {
    let closed = try Listener(listening: false)
    let silent = try ScriptedTransport(Array(repeating: .success(.blocked(on: .readable)), count: 10))
    var made = 0
    let dialer = Dialer(
      loop, resolver,
      makeTransport: { (address) throws(TransportFault) in
        made += 1
        return made == 2 ? silent : try SocketTransport(connectingTo: address)
      })
    dialer.start(.tcp(host: "redis.example", port: 1), probe)
    try loop.turn { !resolver.asked.isEmpty }
    resolver.answer([try local(closed.port), try local(1), try local(2)])
    try loop.turn { made == 2 }
    dialer.cancel()
    #expect(silent.isClosed)
    dialer.start(.tcp(host: "127.0.0.1", port: closed.port), probe)
    try turnUntilTold()
    #expect(made == 3)
    #expect(probe.failure?.faults == [refused(closed.port)])
  }

  @Test("the dialer can be started again from the callback")
  func again() throws {
    let closed = try Listener(listening: false)
    let dialer = Dialer(loop, resolver)
    let endpoint = Endpoint.tcp(host: "127.0.0.1", port: closed.port)
    probe.onEnd = { [probe] in
      if probe.told < 3 { dialer.start(endpoint, probe) }
    }
    dialer.start(endpoint, probe)
    try loop.turn { probe.told == 3 }
    #expect(probe.failure?.faults == [refused(closed.port)])
    probe.onEnd = {}
  }
}
