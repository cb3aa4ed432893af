import Network
import Testing

@Suite("Addresses")
struct SocketAddressTests {
  @Test(
    "numeric addresses are taken as they are",
    arguments: [
      ("127.0.0.1", "127.0.0.1:6379"), ("::1", "[::1]:6379"), ("255.255.255.255", "255.255.255.255:6379"),
      ("2001:DB8:0:0:0:0:0:1", "[2001:db8::1]:6379"),
    ])
  func numeric(_ host: String, _ description: String) {
    #expect(SocketAddress(numericHost: host, port: 6379)?.description == description)
  }

  @Test(
    "what is not a numeric address is left to the resolver",
    arguments: ["", "localhost", "127.0.0.1.example", "256.0.0.1", "[::1]", "::g", "127.0.0.1\0", "1.2.3.4 "])
  func names(_ host: String) {
    #expect(SocketAddress(numericHost: host, port: 1) == nil)
  }

  @Test("every port there is can be given", arguments: [0, 1, 6379, 65_535] as [UInt16])
  func ports(_ port: UInt16) {
    #expect(SocketAddress(numericHost: "10.0.0.1", port: port)?.description == "10.0.0.1:\(port)")
  }

  @Test("a socket's path has 1 to 107 bytes and no NUL")
  func paths() throws {
    let longest = "/" + String(repeating: "x", count: 106)
    #expect(try SocketAddress(unixPath: longest).description == "unix:" + longest)
    for path in [longest + "x", "", "\0abstract", "/a\0b", "/" + String(repeating: "é", count: 54)] {
      #expect(throws: TransportFault.self) { try SocketAddress(unixPath: path) }
    }
  }

  @Test("endpoints read as people write them")
  func endpoints() {
    #expect(Endpoint.tcp(host: "redis.example", port: 6379).description == "redis.example:6379")
    #expect(Endpoint.tcp(host: "::1", port: 1).description == "[::1]:1")
    #expect(Endpoint.unix(path: "/run/redis.sock").description == "unix:/run/redis.sock")
  }
}
