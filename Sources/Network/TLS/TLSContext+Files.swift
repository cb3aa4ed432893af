internal import COpenSSL
internal import System

extension TLSContext {
  /// Only the authorities of the configured file; else the system's, as OpenSSL finds them: a file and a folder, in the
  /// place of which `SSL_CERT_FILE` and `SSL_CERT_DIR` each put another.
  func loadTrust(_ environment: Environment) throws(TLSSetupFault) {
    if let path = configuration.authorityFile {
      let file = TLSFile(name: configuration.authoritySetting, path: path)
      try requireRegular(file)
      guard unsafe SSL_CTX_load_verify_file(raw, path) == 1 else {
        throw .notPEM(file, expected: "certificates in PEM", reason: TLSError.take().words)
      }
      // A certificate that the person named is trusted as it is, be it the server's own or one in the middle.
      unsafe X509_STORE_set_flags(SSL_CTX_get_cert_store(raw), UInt(X509_V_FLAG_PARTIAL_CHAIN))
      return
    }
    if let path = environment.text(Self.fileVariable) {
      let file = TLSFile(name: Self.fileVariable, path: path)
      try requireRegular(file)
      guard unsafe SSL_CTX_load_verify_file(raw, path) == 1 else {
        throw .notPEM(file, expected: "certificates in PEM", reason: TLSError.take().words)
      }
    } else {
      // Absent on Debian, which has the folder; where it is broken, the folder may still do.
      _ = unsafe SSL_CTX_load_verify_file(raw, X509_get_default_cert_file())
    }
    if let paths = environment.text(Self.folderVariable) {
      for path in paths.split(separator: ":") {
        try requireFolder(TLSFile(name: Self.folderVariable, path: String(path)))
      }
      _ = unsafe SSL_CTX_load_verify_dir(raw, paths)
    } else {
      _ = unsafe SSL_CTX_load_verify_dir(raw, X509_get_default_cert_dir())
    }
    // What is absent of the defaults is no fault, and must not be taken for one later.
    ERR_clear_error()
    trustIsNamed = environment.text(Self.fileVariable) != nil || environment.text(Self.folderVariable) != nil
  }

  private static var fileVariable: String { "SSL_CERT_FILE" }
  private static var folderVariable: String { "SSL_CERT_DIR" }

  /// Our certificate with its chain, and the key that belongs to it.
  func loadOwnCertificate() throws(TLSSetupFault) {
    guard let path = configuration.certificateFile else { return }
    let certificate = TLSFile(name: configuration.certificateSetting, path: path)
    let key = configuration.keyFile.map { TLSFile(name: configuration.keySetting, path: $0) } ?? certificate
    try requireRegular(certificate)
    try requireRegular(key)
    guard unsafe SSL_CTX_use_certificate_chain_file(raw, certificate.path) == 1 else {
      throw .notPEM(certificate, expected: "a certificate in PEM", reason: TLSError.take().words)
    }
    let outcome = unsafe copenssl_use_key(raw, key.path)
    guard outcome == 1 else {
      let error = TLSError.take()
      if outcome < 0 { throw .encryptedKey(key) }
      if error.isKeyMismatch { throw .keyMismatch(key: key, certificate: certificate) }
      let expected =
        configuration.keyFile == nil
        ? "the certificate's private key beside it, or \(configuration.keySetting) set" : "a private key in PEM"
      throw .notPEM(key, expected: expected, reason: error.words)
    }
    guard unsafe SSL_CTX_check_private_key(raw) == 1 else {
      _ = TLSError.take()
      throw .keyMismatch(key: key, certificate: certificate)
    }
  }

  private func requireRegular(_ file: TLSFile) throws(TLSSetupFault) {
    let isRegular: Bool
    do throws(SystemError) {
      isRegular = try FileDescriptor(opening: file.path, [.readOnly, .nonBlocking]).status().isRegular
    } catch {
      throw .unreadable(file, reason: error.reason)
    }
    guard isRegular else { throw .unreadable(file, reason: "it is not a regular file") }
  }

  private func requireFolder(_ file: TLSFile) throws(TLSSetupFault) {
    let isFolder: Bool
    do throws(SystemError) {
      isFolder = try FileDescriptor(opening: file.path, [.readOnly, .nonBlocking]).status().isFolder
    } catch {
      throw .unreadable(file, reason: error.reason)
    }
    guard isFolder else { throw .unreadable(file, reason: "it is not a folder") }
  }

  /// Whether this machine has no authority at all (a small installation without the package ca-certificates): asked when a
  /// certificate is not trusted, because the folder is looked into only then.
  var hasNoAuthorities: Bool {
    guard configuration.authorityFile == nil, !trustIsNamed else { return false }
    if let file = unsafe X509_get_default_cert_file(), unsafe Self.exists(String(cString: file)) { return false }
    guard let path = unsafe X509_get_default_cert_dir() else { return true }
    // With the dot, because the folder itself is a link on Debian.
    guard let folder = try? Folder(unsafe String(cString: path) + "/."), let names = try? folder.names() else {
      return true
    }
    return names.isEmpty
  }

  private static func exists(_ path: String) -> Bool {
    (try? FileDescriptor(opening: path, [.readOnly, .nonBlocking])) != nil
  }
}
