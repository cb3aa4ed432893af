import COpenSSL
import Network
import System
import TestSupport
import Testing

@Suite("Whose certificate TLS accepts")
struct TLSCertificateTests {
  private let authority = TestAuthority.shared

  /// What the client says of a server with this certificate; nil where it accepts it.
  private func refusal(
    of certificate: TestCertificate, chain: [TestCertificate] = [], by context: TLSContext
  ) throws -> TLSFault? {
    let pair = try TLSPair(context, TestTLSServer.Context(certificate, chain: chain))
    do throws(TransportFault) {
      for _ in 0..<100 where try pair.client.finishConnecting() == .finished {
        _ = try pair.client.write([1, 2, 3].span)
        #expect(pair.server.received == [1, 2, 3])
        return nil
      }
      throw .closed
    } catch {
      // Nothing of ours may have left before the verification.
      #expect(pair.server.received.isEmpty)
      #expect(!pair.server.isEstablished)
      guard case .tls(let fault) = error else { throw error }
      #expect(throws: error) { try pair.client.finishConnecting() }
      return fault
    }
  }

  @Test(
    "a certificate of a trusted authority for the name or address asked for is accepted",
    arguments: [
      ("bus.example", "DNS:bus.example"), ("bus.example.", "DNS:bus.example"), ("BUS.example", "DNS:bus.EXAMPLE"),
      ("a.bus.example", "DNS:*.bus.example"), ("second.example", "DNS:bus.example,DNS:second.example"),
      ("127.0.0.1", "IP:127.0.0.1"), ("::1", "IP:::1"), ("0:0:0:0:0:0:0:1", "IP:::1"), ("fe80::1%lo", "IP:fe80::1"),
    ])
  func accepted(host: String, names: String) throws {
    #expect(try refusal(of: authority.issue(names), by: authority.client(of: host)) == nil)
  }

  @Test("keys of the usual kinds are accepted", arguments: [TestKey.Kind.p256, .rsa(bits: 2048), .ed25519])
  func keys(kind: TestKey.Kind) throws {
    #expect(try refusal(of: authority.issue(key: kind), by: authority.client()) == nil)
  }

  @Test("the versions 1.2 and 1.3 are accepted, and none below", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func versions(version: Int32) throws {
    let pair = try authority.pair(version: version)
    #expect(unsafe SSL_version(pair.server.raw) == version)
    #expect(throws: TransportFault.self) { try authority.pair(version: TLS1_1_VERSION) }
  }

  @Test("the server is asked for by its name, and an address is not a name")
  func serverName() throws {
    let named = try TLSPair(authority.client(of: "bus.example."), TestTLSServer.Context(authority.issue())).connect()
    #expect(named.server.serverName == "bus.example")
    let numeric = try TLSPair(
      authority.client(of: "127.0.0.1"), TestTLSServer.Context(authority.issue("IP:127.0.0.1"))
    ).connect()
    #expect(numeric.server.serverName == nil)
  }

  @Test("an expired certificate: since when, and what our clock says")
  func expired() throws {
    let fault = try #require(try refusal(of: authority.issue(days: -20...(-10)), by: authority.client()))
    guard case .expired(of: nil, let time, let now) = fault.kind else { return #expect(Bool(false), "\(fault)") }
    #expect((now - time - 10 * 86_400).magnitude < 100)
    #expect(fault.description.hasPrefix("bus.example (127.0.0.1:6379): its certificate expired on 20"))
    #expect(fault.description.hasSuffix(" UTC); renew it on the server, or set the clock right"))
  }

  @Test("a certificate that is not valid yet: from when on")
  func notYetValid() throws {
    let fault = try #require(try refusal(of: authority.issue(days: 5...10), by: authority.client()))
    guard case .notYetValid(of: nil, let time, let now) = fault.kind else { return #expect(Bool(false), "\(fault)") }
    #expect((time - now - 5 * 86_400).magnitude < 100)
    #expect(fault.description.contains("its certificate is not valid before 20"))
  }

  @Test(
    "a certificate for another host names the ones it is for",
    arguments: [
      ("bus.example", "DNS:other.example", "other.example"),
      ("bus.example", "DNS:a.example,DNS:b.example", "a.example and b.example"),
      ("bus.example", "DNS:a,DNS:b,DNS:c,DNS:d,DNS:e,IP:10.0.0.1", "a, b, c, d and 2 more"),
      ("bus.example", "IP:10.0.0.1,IP:fe80::1", "10.0.0.1 and fe80::1"),
      // An address is not a name, nor the other way round.
      ("127.0.0.1", "DNS:127.0.0.1", "127.0.0.1"),
      ("a.bus.example", "DNS:a*.bus.example", "a*.bus.example"),
      ("a.b.bus.example", "DNS:*.bus.example", "*.bus.example"),
      ("bus.example", "DNS:*.example.", "*.example."),
      // What stands in it is made harmless.
      ("bus.example", "DNS:\u{1B}[2Jx", "?[2Jx"),
    ])
  func wrongHost(host: String, names: String, shown: String) throws {
    let fault = try #require(try refusal(of: authority.issue(names), by: authority.client(of: host)))
    let server = host == "127.0.0.1" ? "127.0.0.1:6379" : "\(host) (127.0.0.1:6379)"
    #expect(
      fault.description == "\(server): its certificate is for \(shown), not for \(host); "
        + "see that the host is the right one, or give the server a certificate for \(host)")
  }

  @Test("the common name does not count, even where it is right")
  func commonNameOnly() throws {
    let fault = try #require(
      try refusal(of: authority.issue(nil, commonName: "bus.example"), by: authority.client()))
    #expect(fault.kind == .commonNameOnly(host: "bus.example", commonName: "CN=bus.example"))
    #expect(fault.isCertificateFault)
  }

  @Test("a self-signed certificate is refused, and accepted where it is the one that is named as trusted")
  func selfSigned() throws {
    let lonely = TestCertificate("lonely", alternativeNames: "DNS:bus.example")
    let fault = try #require(try refusal(of: lonely, by: authority.client()))
    #expect(fault.kind == .selfSigned(isAuthority: false))
    let folder = TemporaryFolder()
    let trusting = try TLSContext(
      host: "bus.example",
      TLSConfiguration(settingPrefix: "redis", authorityFile: folder.write("own.pem", lonely.pem)))
    #expect(try refusal(of: lonely, by: trusting) == nil)
  }

  @Test("a certificate of an authority that is not trusted names it and where it was looked for")
  func untrusted() throws {
    let stranger = TestAuthority("Stranger")
    let fault = try #require(try refusal(of: stranger.issue(), by: authority.client()))
    let file = "redis_ca_file \(authority.path)"
    #expect(
      fault.description
        == "bus.example (127.0.0.1:6379): its certificate was signed by CN=Stranger, which is not in "
        + "\(file), or a certificate between them is missing; name the right authority in redis_ca_file, or have the "
        + "server send the whole chain")
    // With its own authority in the chain it is no better.
    let chained = try #require(
      try refusal(of: stranger.issue(), chain: [unsafe stranger.certificate], by: authority.client()))
    guard case .untrustedIssuer(_, .file) = chained.kind else { return #expect(Bool(false), "\(chained)") }
  }

  @Test("an authority of the same name and another key is told from the trusted one")
  func namesake() throws {
    let fault = try #require(try refusal(of: TestAuthority().issue(), by: authority.client()))
    guard case .untrustedIssuer("another authority with the name CN=Test Authority", _) = fault.kind else {
      return #expect(Bool(false), "\(fault)")
    }
  }

  @Test("the system's store is what is trusted where no file is named")
  func systemStore() throws {
    let configuration = TLSConfiguration(settingPrefix: "redis")
    let plain = try TLSContext(host: "bus.example", configuration, environment: Environment([:]))
    let fault = try #require(try refusal(of: authority.issue(), by: plain))
    guard case .untrustedIssuer("CN=Test Authority", let trust) = fault.kind, trust == .system || trust == .nobody
    else { return #expect(Bool(false), "\(fault)") }
    // SSL_CERT_FILE puts another in its place.
    let named = try TLSContext(
      host: "bus.example", configuration, environment: Environment(["SSL_CERT_FILE": authority.path]))
    #expect(try refusal(of: authority.issue(), by: named) == nil)
    // SSL_CERT_DIR as well: files under the hash of the authority's name.
    let folder = TemporaryFolder()
    let hash = unsafe X509_NAME_hash_ex(X509_get_subject_name(authority.certificate.raw), nil, nil, nil)
    let name = String(hash, radix: 16)
    _ = unsafe folder.write(String(repeating: "0", count: 8 - name.count) + name + ".0", authority.certificate.pem)
    let inFolder = try TLSContext(
      host: "bus.example", configuration, environment: Environment(["SSL_CERT_DIR": "/tmp:\(folder.path)"]))
    #expect(try refusal(of: authority.issue(), by: inFolder) == nil)
  }

  @Test("an intermediate authority's certificate must be sent, and then is enough")
  func intermediate() throws {
    let middle = authority.issue(nil, commonName: "Middle", isAuthority: true)
    let leaf = TestCertificate("server", alternativeNames: "DNS:bus.example", signedBy: middle)
    #expect(try refusal(of: leaf, chain: [middle], by: authority.client()) == nil)
    let fault = try #require(try refusal(of: leaf, by: authority.client()))
    guard case .untrustedIssuer("CN=Middle", _) = fault.kind else { return #expect(Bool(false), "\(fault)") }
    // One that has expired is named.
    let old = authority.issue(nil, commonName: "Old Middle", isAuthority: true, days: -20...(-10))
    let below = TestCertificate("server", alternativeNames: "DNS:bus.example", signedBy: old)
    let expired = try #require(try refusal(of: below, chain: [old], by: authority.client()))
    #expect(
      expired.description.contains("the certificate of its authority CN=Old Middle expired on 20"), "\(expired)")
  }

  @Test("an authority's certificate is no server's, be it trusted or not")
  func authorityAsServer() throws {
    let fault = try #require(
      try refusal(of: authority.issue(isAuthority: true), by: authority.client()))
    #expect(fault.kind == .authorityAsServer)
    let folder = TemporaryFolder()
    let alone = TestCertificate("alone", alternativeNames: "DNS:bus.example", isAuthority: true)
    let trusting = try TLSContext(
      host: "bus.example", TLSConfiguration(settingPrefix: "redis", authorityFile: folder.write("own.pem", alone.pem)))
    #expect(try refusal(of: alone, by: trusting)?.kind == .authorityAsServer)
    #expect(try refusal(of: alone, by: authority.client())?.kind == .selfSigned(isAuthority: true))
  }

  @Test("a weak key and a weak signature are refused, and said")
  func weak() throws {
    let small = try #require(try refusal(of: authority.issue(key: .rsa(bits: 1024)), by: authority.client()))
    #expect(small.kind == .weak(what: "RSA key of 1024 bits", of: nil))
    let hashed = try #require(try refusal(of: authority.issue(hash: .sha1), by: authority.client()))
    #expect(hashed.kind == .weak(what: "signed with ecdsa-with-SHA1", of: nil))
  }

  @Test("every certificate fault is told from the network's, so that it is tried again slowly")
  func kinds() throws {
    let fault = try #require(try refusal(of: authority.issue("DNS:other"), by: authority.client()))
    #expect(TransportFault.tls(fault).isCertificateFault)
    #expect(!TransportFault.closed.isCertificateFault)
  }
}

@Suite("Our own certificate")
struct TLSOwnCertificateTests {
  private let authority = TestAuthority.shared
  private let folder = TemporaryFolder()

  private func connect(_ context: TLSContext, version: Int32) throws -> (TLSPair, TransportFault?) {
    let server = unsafe TestTLSServer.Context(
      authority.issue(), version: version, wantsCertificateOf: authority.certificate)
    let pair = try TLSPair(context, server)
    do throws(TransportFault) {
      for _ in 0..<100 where try pair.client.finishConnecting() == .finished {
        // With TLS 1.3 the server refuses after the client is done.
        _ = try pair.client.write([1].span)
        var buffer = [UInt8]()
        do { buffer = try pair.readAll() } catch let fault as TransportFault { throw fault } catch {}
        #expect(buffer.isEmpty)
        return (pair, nil)
      }
      return (pair, .closed)
    } catch {
      return (pair, error)
    }
  }

  @Test("is shown to a server that wants one", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func shown(version: Int32) throws {
    let own = authority.issue("DNS:client")
    let context = try authority.client(
      certificateFile: folder.write("own.pem", own.pem), keyFile: folder.write("own.key", own.key.pem()))
    let (pair, fault) = try connect(context, version: version)
    #expect(fault == nil)
    #expect(pair.server.received == [1])
    // Both may stand in one file.
    let one = try authority.client(certificateFile: folder.write("both.pem", own.pem + own.key.pem()))
    #expect(try connect(one, version: version).1 == nil)
  }

  @Test(
    "is missed by a server that wants one, in words that name the setting", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func missing(version: Int32) throws {
    let (pair, fault) = try connect(try authority.client(), version: version)
    #expect(
      fault?.description
        == "bus.example (127.0.0.1:6379): the server wants a client certificate; set redis_cert_file and "
        + "redis_key_file")
    #expect(fault?.isCertificateFault == true)
    #expect(pair.server.received.isEmpty)
  }

  @Test("is refused where a stranger signed it", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func refused(version: Int32) throws {
    let own = TestAuthority("Stranger").issue("DNS:client")
    let context = try authority.client(certificateFile: folder.write("own.pem", own.pem + own.key.pem()))
    let (_, fault) = try connect(context, version: version)
    #expect(
      fault?.description == "bus.example (127.0.0.1:6379): the server refuses our certificate: unknown CA; set "
        + "redis_cert_file to one that it accepts")
  }
}
