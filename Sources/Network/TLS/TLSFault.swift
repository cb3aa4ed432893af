/// What TLS has against a connection. Its text is one line that says what is wrong, why, and what mends it; what the
/// server sent stands in it in printable ASCII alone.
package struct TLSFault: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Kind: Equatable, Sendable {
    // MARK: The server's certificate, or our own in its eyes
    /// `of` is the authority in between whose certificate it is, nil for the server's own; times in seconds since the
    /// Unix epoch.
    case expired(of: String?, at: Int64, now: Int64)
    case notYetValid(of: String?, at: Int64, now: Int64)
    /// The names that the certificate is for: a few, and how many more there are.
    case wrongHost(host: String, names: [String], more: Int)
    /// It has no names where they count; the common name stood there alone.
    case commonNameOnly(host: String, commonName: String)
    /// Signed by itself and not trusted; `isAuthority`: a CA's certificate besides, so that trusting it would not do.
    case selfSigned(isAuthority: Bool)
    case untrustedIssuer(issuer: String, Trust)
    case authorityAsServer
    /// A key or a signature below the security level ("RSA key of 1024 bits").
    case weak(what: String, of: String?)
    /// Any other fault of the certificate, in OpenSSL's words.
    case certificate(words: String)
    /// The server wants a certificate of ours, and none is configured.
    case ownCertificateWanted
    /// The server does not take the certificate of ours, in the words of its alert.
    case ownCertificateRefused(words: String)

    // MARK: The protocol
    /// What answers is no TLS; how it begins.
    case notTLS(start: String)
    /// The connection ended before the handshake did.
    case closedDuringHandshake
    /// The connection ended without TLS's own goodbye, in the middle of a record: something was cut off.
    case cutMidRecord
    /// The server ended the connection with an alert (RFC 8446 section 6), in its words.
    case alert(number: Int, words: String)
    /// Anything else, in OpenSSL's words.
    case other(words: String)
  }

  /// Whom we trust, where that did not do.
  package enum Trust: Equatable, Sendable {
    case system
    /// This machine has no trust store.
    case nobody
    case file(TLSFile)
  }

  package let kind: Kind
  /// Who was talked to: a name and an address.
  package let server: String
  /// What the settings' names begin with.
  let settingPrefix: String

  init(_ kind: Kind, server: String, settingPrefix: String) {
    self.kind = kind
    self.server = server
    self.settingPrefix = settingPrefix
  }

  /// Whether it is about a certificate: a person has to do something, and trying again soon will not help.
  package var isCertificateFault: Bool {
    switch kind {
    case .expired, .notYetValid, .wrongHost, .commonNameOnly, .selfSigned, .untrustedIssuer, .authorityAsServer, .weak,
      .certificate, .ownCertificateWanted, .ownCertificateRefused:
      true
    case .notTLS, .closedDuringHandshake, .cutMidRecord, .alert, .other: false
    }
  }

  package var description: String {
    let (what, mend) = text
    return mend.isEmpty ? "\(server): \(what)" : "\(server): \(what); \(mend)"
  }
}
