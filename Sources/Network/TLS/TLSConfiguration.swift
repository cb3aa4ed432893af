/// What a context of TLS is made of, beside the system's own trust store.
package struct TLSConfiguration: Sendable {
  /// What the settings' names begin with ("redis": `redis_ca_file`), for the texts of faults.
  package let settingPrefix: String
  /// Certificates in PEM: these alone are trusted, not the system's. nil: the system's.
  package let authorityFile: String?
  /// Our certificate in PEM, with those between it and its authority, and its key.
  package let certificateFile: String?
  /// nil: the key stands in the certificate's file.
  package let keyFile: String?

  /// - Precondition: no `keyFile` without a `certificateFile`.
  package init(
    settingPrefix: String, authorityFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil
  ) {
    precondition(keyFile == nil || certificateFile != nil, "a key without its certificate")
    self.settingPrefix = settingPrefix
    self.authorityFile = authorityFile
    self.certificateFile = certificateFile
    self.keyFile = keyFile
  }

  var authoritySetting: String { settingPrefix + "_ca_file" }
  var certificateSetting: String { settingPrefix + "_cert_file" }
  var keySetting: String { settingPrefix + "_key_file" }
}

/// A file that something names: a setting, or a variable of the environment.
package struct TLSFile: Equatable, Sendable, CustomStringConvertible {
  package let name: String
  package let path: String

  package var description: String { "\(name) \(path)" }
}

/// Why TLS cannot be set up here. Nothing on the network can change it: at the start the program ends with 78, later
/// what was set up before stays in force.
package enum TLSSetupFault: Error, Equatable, Sendable {
  case unreadable(TLSFile, reason: String)
  /// It is there, but what stands in it is not what it should be ("a certificate in PEM").
  case notPEM(TLSFile, expected: String, reason: String)
  /// The key is protected by a password, and there is nobody to ask for it.
  case encryptedKey(TLSFile)
  case keyMismatch(key: TLSFile, certificate: TLSFile)
  /// OpenSSL itself does not come up.
  case library(reason: String)

  package var what: String {
    switch self {
    case .unreadable(let file, _), .notPEM(let file, _, _), .encryptedKey(let file): "cannot use \(file)"
    case .keyMismatch(let key, _): "cannot use \(key)"
    case .library: "cannot set up TLS"
    }
  }

  package var why: String {
    switch self {
    case .unreadable(_, let reason), .library(let reason): reason
    case .notPEM(_, let expected, let reason): "expected \(expected): \(reason)"
    case .encryptedKey: "the key is protected by a password"
    case .keyMismatch(_, let certificate): "it is not the key of the certificate in \(certificate)"
    }
  }

  package var whatToDo: String? {
    switch self {
    case .unreadable(let file, _): "set \(file.name) to a file that can be read"
    case .notPEM, .library: nil
    case .encryptedKey(let file): "take the password off: openssl pkey -in \(file.path) -out NEW, and chmod 600 NEW"
    case .keyMismatch(let key, let certificate):
      key.name == certificate.name
        ? "put the certificate's own key there"
        : "set \(key.name) and \(certificate.name) to files that belong together"
    }
  }
}
