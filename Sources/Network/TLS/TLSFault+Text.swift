internal import Glibc

extension TLSFault {
  private var authoritySetting: String { settingPrefix + "_ca_file" }
  private var certificateSetting: String { settingPrefix + "_cert_file" }

  /// What is wrong, and what mends it: empty where only the server's owner or time can.
  var text: (what: String, mend: String) {
    switch kind {
    case .expired(let owner, let time, let now):
      (
        "\(Self.certificate(of: owner)) expired on \(Self.utc(time)) (this machine's clock says \(Self.utc(now)))",
        "renew it on the server, or set the clock right"
      )
    case .notYetValid(let owner, let time, let now):
      (
        "\(Self.certificate(of: owner)) is not valid before \(Self.utc(time)) (this machine's clock says "
          + "\(Self.utc(now)))", "set the clock right, or give the server a certificate that is valid now"
      )
    case .wrongHost(let host, let names, let more):
      (
        "its certificate is for \(Self.list(names, more)), not for \(host)",
        "see that the host is the right one, or give the server a certificate for \(host)"
      )
    case .commonNameOnly(let host, let name):
      (
        "its certificate has no subjectAltName, only the common name \(name), which does not count",
        "give the server a certificate with a subjectAltName for \(host)"
      )
    case .selfSigned(let isAuthority):
      (
        "its certificate is self-signed: nobody vouches for it",
        isAuthority
          ? "sign a server certificate (CA:FALSE) with it, and name the signing one in \(authoritySetting)"
          : "name that certificate in \(authoritySetting), or give the server one of an authority"
      )
    case .untrustedIssuer(let issuer, let trust): untrusted(issuer, trust)
    case .authorityAsServer:
      (
        "its certificate is an authority's (CA:TRUE), which may sign certificates but not be a server's",
        "give the server a certificate with CA:FALSE, signed with it"
      )
    case .weak(let what, let owner):
      (
        "\(Self.certificate(of: owner)) is too weak: \(what)",
        "give the server a certificate with an RSA key of 2048 bits or more or an elliptic curve's, signed with SHA-256"
      )
    case .certificate(let words): ("its certificate was refused: \(words)", "give the server another certificate")
    case .ownCertificateWanted:
      ("the server wants a client certificate", "set \(certificateSetting) and \(settingPrefix)_key_file")
    case .ownCertificateRefused(let words):
      ("the server refuses our certificate: \(words)", "set \(certificateSetting) to one that it accepts")
    case .notTLS(let start):
      (
        "what answers there does not speak TLS (it begins with \(start))",
        "use a \(settingPrefix):// URL where the server has no TLS, or its TLS port"
      )
    case .closedDuringHandshake:
      ("closed the connection during the TLS handshake", "see that this is a TLS port, and in the server's log")
    case .cutMidRecord: ("the connection was cut in the middle of a TLS record", "")
    case .alert(_, let words): ("the server ended the connection with the TLS alert \"\(words)\"", "")
    case .other(let words): ("TLS failed: \(words)", "")
    }
  }

  private func untrusted(_ issuer: String, _ trust: Trust) -> (what: String, mend: String) {
    switch trust {
    case .nobody:
      (
        "its certificate cannot be checked: this machine has no certificates of authorities",
        "install the package ca-certificates, or name the server's authority in \(authoritySetting)"
      )
    case .system:
      (
        "its certificate was signed by \(issuer), which this machine does not trust, or a certificate between them is "
          + "missing",
        "name the authority's certificate in \(authoritySetting), or have the server send the whole chain"
      )
    case .file(let file):
      (
        "its certificate was signed by \(issuer), which is not in \(file), or a certificate between them is missing",
        "name the right authority in \(file.name), or have the server send the whole chain"
      )
    }
  }

  private static func certificate(of owner: String?) -> String {
    owner.map { "the certificate of its authority \($0)" } ?? "its certificate"
  }

  /// "a", "a and b", "a, b and 3 more"
  private static func list(_ names: [String], _ more: Int) -> String {
    var parts = more > 0 ? names + ["\(more) more"] : names
    guard let last = parts.popLast() else { return "nobody" }
    return parts.isEmpty ? last : parts.joined(separator: ", ") + " and " + last
  }

  /// 2026-11-23 13:14:41 UTC
  static func utc(_ seconds: Int64) -> String {
    var time = time_t(seconds)
    var fields = unsafe tm()
    // Fails for years that do not fit an Int32; a certificate's have four digits.
    guard unsafe gmtime_r(&time, &fields) != nil else { return "an unknown time" }
    func digits(_ number: Int32, _ width: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
    let date = unsafe [digits(fields.tm_year + 1900, 4), digits(fields.tm_mon + 1, 2), digits(fields.tm_mday, 2)]
    let clock = unsafe [digits(fields.tm_hour, 2), digits(fields.tm_min, 2), digits(fields.tm_sec, 2)]
    return date.joined(separator: "-") + " " + clock.joined(separator: ":") + " UTC"
  }
}
