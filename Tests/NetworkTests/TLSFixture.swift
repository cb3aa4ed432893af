import Network
import System
import TestSupport

/// An authority, and what a client needs to trust it alone.
final class TestAuthority: Sendable {
  nonisolated(unsafe) let certificate: TestCertificate
  let folder = TemporaryFolder()
  let path: String

  /// One for all tests: its key is made once.
  static let shared = TestAuthority()

  init(_ name: String = "Test Authority") {
    let certificate = TestCertificate(name, isAuthority: true)
    unsafe self.certificate = certificate
    path = folder.write("ca.pem", certificate.pem)
  }

  /// A good certificate, with faults as ordered.
  func issue(
    _ alternativeNames: String? = "DNS:bus.example", commonName: String = "server", isAuthority: Bool = false,
    key: TestKey.Kind = .p256, days: ClosedRange<Int> = -1...30, hash: TestCertificate.Hash = .sha256
  ) -> TestCertificate {
    unsafe TestCertificate(
      commonName, alternativeNames: alternativeNames, isAuthority: isAuthority, signedBy: certificate, key: key,
      days: days,
      hash: hash)
  }

  /// A client that trusts this authority.
  func client(
    of host: String = "bus.example", certificateFile: String? = nil, keyFile: String? = nil
  ) throws -> TLSContext {
    try TLSContext(
      host: host,
      TLSConfiguration(
        settingPrefix: "redis", authorityFile: path, certificateFile: certificateFile, keyFile: keyFile),
      environment: Environment([:]))
  }

  /// A connected pair.
  func pair(version: Int32? = nil) throws -> TLSPair {
    try TLSPair(client(), TestTLSServer.Context(issue(), version: version)).connect()
  }
}
