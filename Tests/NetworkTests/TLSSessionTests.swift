import Bytes
import COpenSSL
import Network
import TestSupport
import Testing

@Suite("Resumed TLS sessions")
struct TLSSessionTests {
  private let authority = TestAuthority.shared

  /// Connects and reads what the server sends of itself: its tickets.
  private func connect(_ context: TLSContext, _ server: TestTLSServer.Context) throws -> TLSPair {
    let pair = try TLSPair(context, server).connect()
    _ = try pair.readAll()
    return pair
  }

  @Test("a second connection resumes the first", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func resumed(version: Int32) throws {
    let context = try authority.client()
    let server = TestTLSServer.Context(authority.issue(), version: version)
    let first = try connect(context, server)
    #expect(!first.client.isResumed)
    #expect(context.sessionCount > 0)
    first.client.close()
    let second = try connect(context, server)
    #expect(second.client.isResumed)
    #expect(second.server.isResumed)
    #expect(try second.write([1]) == .bytes(1))
    #expect(second.server.received == [1])
  }

  @Test("each session is offered once")
  func once() throws {
    let context = try authority.client()
    let server = TestTLSServer.Context(authority.issue(), version: TLS1_3_VERSION)
    _ = try connect(context, server)
    let count = context.sessionCount
    #expect(count == 2, "a server gives two tickets")
    // Begun and not finished: what they offered is used up.
    for left in (0..<count).reversed() {
      _ = try TLSPair(context, server)
      #expect(context.sessionCount == left)
    }
    #expect(try !connect(context, server).client.isResumed)
  }

  @Test("no more than four are kept, the newest")
  func bounded() throws {
    let context = try authority.client()
    let server = TestTLSServer.Context(authority.issue(), version: TLS1_3_VERSION)
    let pairs = try (0..<5).map { _ in try TLSPair(context, server).connect() }
    for pair in pairs { _ = try pair.readAll() }
    #expect(context.sessionCount == 4)
  }

  @Test("a connection that broke leaves its sessions good")
  func abruptEnd() throws {
    let context = try authority.client()
    let server = TestTLSServer.Context(authority.issue(), version: TLS1_3_VERSION)
    do {
      let broken = try connect(context, server)
      broken.pipe.hasEnded = true
      _ = try broken.readAll()
    }
    // Both of its tickets are good: two connections begin before either brings new ones.
    let pairs = try (0..<2).map { _ in try TLSPair(context, server) }
    for pair in pairs { #expect(try pair.connect().client.isResumed) }
  }

  @Test("a session that the server does not know any more costs a whole handshake and nothing else")
  func forgotten() throws {
    let context = try authority.client()
    _ = try connect(context, TestTLSServer.Context(authority.issue()))
    let second = try connect(context, TestTLSServer.Context(authority.issue()))
    #expect(!second.client.isResumed)
    #expect(try second.write([1]) == .bytes(1))
  }

  @Test("a handshake that failed takes the sessions with it")
  func failure() throws {
    let context = try authority.client()
    _ = try connect(context, TestTLSServer.Context(authority.issue()))
    #expect(context.sessionCount > 0)
    #expect(throws: TransportFault.self) { try connect(context, TestTLSServer.Context(authority.issue("DNS:other"))) }
    #expect(context.sessionCount == 0)
  }
}
