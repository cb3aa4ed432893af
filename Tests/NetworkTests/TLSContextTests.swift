import Network
import System
import TestSupport
import Testing

@Suite("What TLS is set up from")
struct TLSContextTests {
  private let authority = TestAuthority.shared
  private let folder = TemporaryFolder()

  private func fault(
    authority: String? = nil, certificate: String? = nil, key: String? = nil, environment: [String: String] = [:]
  ) -> TLSSetupFault? {
    do throws(TLSSetupFault) {
      _ = try TLSContext(
        host: "bus.example",
        TLSConfiguration(
          settingPrefix: "redis", authorityFile: authority, certificateFile: certificate, keyFile: key),
        environment: Environment(environment))
      return nil
    } catch {
      return error
    }
  }

  @Test("a file that is not there, is a folder or holds no certificate is named with its setting")
  func authorityFile() {
    let missing = fault(authority: folder.path + "/none")
    #expect(missing?.what == "cannot use redis_ca_file \(folder.path)/none")
    #expect(missing?.why == "No such file or directory")
    #expect(fault(authority: folder.path)?.why == "it is not a regular file")
    let empty = folder.write("empty.pem", "nothing of the kind\n")
    #expect(fault(authority: empty)?.why == "expected certificates in PEM: no certificate or crl found")
    #expect(fault(authority: authority.path) == nil)
  }

  @Test("a variable that names what cannot be read is a fault, not passed over")
  func variables() {
    #expect(fault(environment: ["SSL_CERT_FILE": "/none"])?.what == "cannot use SSL_CERT_FILE /none")
    #expect(fault(environment: ["SSL_CERT_DIR": "/tmp:/none"])?.what == "cannot use SSL_CERT_DIR /none")
    #expect(fault(environment: ["SSL_CERT_DIR": authority.path])?.why == "it is not a folder")
    // With an own file they are not looked at.
    #expect(fault(authority: authority.path, environment: ["SSL_CERT_FILE": "/none"]) == nil)
  }

  @Test("a key that is absent, of another certificate or under a password is refused without asking anybody")
  func keys() {
    let one = authority.issue()
    let certificate = folder.write("one.pem", one.pem)
    let key = folder.write("one.key", one.key.pem())
    let other = folder.write("other.key", authority.issue().key.pem())
    let locked = folder.write("locked.key", one.key.pem(password: "secret"))
    #expect(fault(authority: authority.path, certificate: certificate, key: key) == nil)
    #expect(
      fault(certificate: certificate, key: other)?.why
        == "it is not the key of the certificate in redis_cert_file \(certificate)")
    #expect(fault(certificate: certificate, key: locked)?.why == "the key is protected by a password")
    #expect(fault(certificate: certificate, key: "/none")?.what == "cannot use redis_key_file /none")
    #expect(fault(certificate: certificate)?.what == "cannot use redis_cert_file \(certificate)")
    #expect(fault(certificate: key)?.what == "cannot use redis_cert_file \(key)")
  }
}
