internal import COpenSSL
package import System

/// What all TLS connections to one server share: whom we trust, who we are, and sessions to be resumed. Made at the
/// start, and anew when the files are read again. There is no way to make one that does not verify.
@safe
package final class TLSContext {
  let raw: OpaquePointer
  /// The kind of BIO over lent memory.
  let method: OpaquePointer
  let host: String
  let serverName: TLSServerName
  let configuration: TLSConfiguration
  let sessions = TLSSessions()
  /// Whether a variable of the environment names what is trusted.
  var trustIsNamed = false

  /// - Parameters:
  ///   - host: the name or numeric address that the certificate must be for.
  ///   - environment: where `SSL_CERT_FILE` and `SSL_CERT_DIR` are looked for.
  package init(
    host: String, _ configuration: TLSConfiguration, environment: Environment = .process
  ) throws(TLSSetupFault) {
    guard let raw = unsafe SSL_CTX_new(TLS_client_method()), let method = unsafe copenssl_method() else {
      throw .library(reason: TLSError.take().words)
    }
    unsafe self.raw = raw
    unsafe self.method = method
    self.host = host
    self.configuration = configuration
    serverName = TLSServerName(host: host)
    unsafe copenssl_harden(raw)
    let owner = unsafe Unmanaged.passUnretained(sessions).toOpaque()
    unsafe copenssl_keep_sessions(
      raw,
      { (connection, session) in
        guard let owner = unsafe copenssl_owner(connection), let session = unsafe session else { return 0 }
        unsafe Unmanaged<TLSSessions>.fromOpaque(owner).takeUnretainedValue().keep(session)
        return 1
      }, owner)
    // What somebody else left there would be taken for a reason.
    ERR_clear_error()
    try loadTrust(environment)
    try loadOwnCertificate()
  }

  deinit {
    unsafe SSL_CTX_free(raw)
    unsafe BIO_meth_free(method)
  }

  /// How many sessions wait to be resumed.
  package var sessionCount: Int { sessions.count }
}
