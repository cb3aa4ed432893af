internal import COpenSSL
internal import System

extension TLSEngine {
  /// What an error of OpenSSL's means to a person.
  func faultKind(_ error: TLSError) -> TLSFault.Kind {
    let refusal = unsafe wire.pointee.refusal
    if refusal != X509_V_OK { return certificateFault(refusal) }
    if let number = error.alert { return alertFault(number) }
    if error.isTLS(SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED) || error.isTLS(SSL_R_UNSUPPORTED_PROTOCOL)
      || error.isTLS(SSL_R_UNSUPPORTED_SSL_VERSION)
    {
      return .other(words: "\(error.words) (at least TLS 1.2 is needed)")
    }
    // Refused, and the call back was not asked: no reason to try again soon.
    if error.isTLS(SSL_R_CERTIFICATE_VERIFY_FAILED) { return .certificate(words: error.words) }
    return .other(words: error.words)
  }

  private func alertFault(_ number: Int) -> TLSFault.Kind {
    var words = TLSError.words(ofAlert: number)
    if number == SSL_AD_PROTOCOL_VERSION { words += " (at least TLS 1.2 is needed)" }
    // Before TLS 1.3 there is no alert of its own for a certificate that was not given.
    let isAboutOurs = [40, 41, 42, 43, 44, 45, 46, 48, 49, 51, 116].contains(number)
    guard unsafe wire.pointee.was_asked_for_certificate != 0, isAboutOurs else {
      return .alert(number: number, words: words)
    }
    return context.configuration.certificateFile == nil
      ? .ownCertificateWanted : .ownCertificateRefused(words: words)
  }

  /// What the verification refused: X509_STORE_CTX_get_error(3) lists the codes.
  private func certificateFault(_ code: Int32) -> TLSFault.Kind {
    let words = unsafe X509_verify_cert_error_string(Int(code)).map { unsafe String(cString: $0) } ?? "error \(code)"
    guard let leaf = unsafe wire.pointee.leaf.map({ unsafe TLSCertificate($0) }) else {
      return .certificate(words: words)
    }
    let refused = unsafe wire.pointee.refused.map { unsafe TLSCertificate($0) } ?? leaf
    let owner = unsafe wire.pointee.refusal_depth == 0 ? nil : refused.subject
    let now = Int64(SystemClock.wall() / .seconds(1))
    switch code {
    case X509_V_ERR_CERT_HAS_EXPIRED: return .expired(of: owner, at: refused.notAfter, now: now)
    case X509_V_ERR_CERT_NOT_YET_VALID: return .notYetValid(of: owner, at: refused.notBefore, now: now)
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
      let names = leaf.names
      return names.shown.isEmpty
        ? .commonNameOnly(host: context.host, commonName: leaf.subject)
        : .wrongHost(host: context.host, names: names.shown, more: names.more)
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return .selfSigned(isAuthority: leaf.isAuthority)
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
      X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
      X509_V_ERR_CERT_UNTRUSTED:
      return .untrustedIssuer(issuer: refused.issuer, trust)
    // An authority made anew under its old name.
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return .untrustedIssuer(issuer: "another authority with the name \(refused.issuer)", trust)
    case X509_V_ERR_APPLICATION_VERIFICATION: return .authorityAsServer
    case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL: return .weak(what: refused.keyText, of: owner)
    case X509_V_ERR_CA_MD_TOO_WEAK: return .weak(what: refused.signatureText, of: owner)
    default: return .certificate(words: words)
    }
  }

  private var trust: TLSFault.Trust {
    if let path = context.configuration.authorityFile {
      return .file(TLSFile(name: context.configuration.authoritySetting, path: path))
    }
    return context.hasNoAuthorities ? .nobody : .system
  }
}
