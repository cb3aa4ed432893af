import COpenSSL
import Glibc
import TestSupport

/// A private key, made when asked for.
@safe
final class TestKey {
  enum Kind: Hashable { case p256, rsa(bits: Int32), ed25519 }

  let raw: OpaquePointer
  /// Ed25519 hashes by itself.
  let hashesItself: Bool

  init(_ kind: Kind) {
    let name =
      switch kind {
      case .p256: "EC"
      case .rsa: "RSA"
      case .ed25519: "ED25519"
      }
    let context = unsafe EVP_PKEY_CTX_new_from_name(nil, name, nil)
    defer { unsafe EVP_PKEY_CTX_free(context) }
    unsafe check(EVP_PKEY_keygen_init(context))
    switch kind {
    case .p256: unsafe check(EVP_PKEY_CTX_set_group_name(context, "P-256"))
    case .rsa(let bits): unsafe check(EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits))
    case .ed25519: break
    }
    var made: OpaquePointer?
    unsafe check(EVP_PKEY_generate(context, &made))
    guard let made = unsafe made else { fatalError("no key") }
    unsafe raw = made
    hashesItself = kind == .ed25519
  }

  deinit { unsafe EVP_PKEY_free(raw) }

  /// In PEM; with `password`, protected by it.
  func pem(password: String? = nil) -> String {
    unsafe PEM { out in
      if let password {
        var bytes = Array(password.utf8)
        return unsafe PEM_write_bio_PrivateKey(
          out, raw, EVP_aes_256_cbc(), &bytes, Int32(bytes.count), nil, nil)
      }
      return unsafe PEM_write_bio_PrivateKey(out, raw, nil, nil, 0, nil, nil)
    }.text
  }
}

/// A certificate, signed by itself or by another, with faults as ordered.
@safe
final class TestCertificate {
  enum Hash { case sha256, sha1 }

  let raw: OpaquePointer
  let key: TestKey

  /// - Parameters:
  ///   - alternativeNames: as OpenSSL's configuration has them ("DNS:a.example,IP:::1"); nil: no such extension.
  ///   - days: when it begins and ends to be valid, counted from now.
  init(
    _ commonName: String, alternativeNames: String? = nil, isAuthority: Bool = false,
    signedBy issuer: TestCertificate? = nil,
    key: TestKey.Kind = .p256, days: ClosedRange<Int> = -1...30, hash: Hash = .sha256
  ) {
    guard let certificate = unsafe X509_new() else { fatalError("no certificate") }
    unsafe raw = certificate
    self.key = TestKey(key)
    unsafe check(X509_set_version(certificate, 2))
    unsafe check(ASN1_INTEGER_set(X509_get_serialNumber(certificate), Int.random(in: 1...Int.max)))
    _ = unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), days.lowerBound * 86_400)
    _ = unsafe X509_gmtime_adj(X509_getm_notAfter(certificate), days.upperBound * 86_400)
    let name = unsafe X509_get_subject_name(certificate)
    unsafe check(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_FLAG | 1, commonName, -1, -1, 0))
    unsafe check(X509_set_issuer_name(certificate, issuer.map { unsafe X509_get_subject_name($0.raw) } ?? name))
    unsafe check(X509_set_pubkey(certificate, self.key.raw))
    extend(NID_basic_constraints, isAuthority ? "critical,CA:TRUE" : "CA:FALSE")
    if let alternativeNames { extend(NID_subject_alt_name, alternativeNames) }
    let signer = issuer?.key ?? self.key
    let digest = unsafe signer.hashesItself ? nil : hash == .sha1 ? EVP_sha1() : EVP_sha256()
    guard unsafe X509_sign(certificate, signer.raw, digest) > 0 else { fatalError("not signed") }
  }

  deinit { unsafe X509_free(raw) }

  private func extend(_ kind: Int32, _ value: String) {
    guard let made = unsafe X509V3_EXT_conf_nid(nil, nil, kind, value) else { fatalError("no extension \(value)") }
    unsafe check(X509_add_ext(raw, made, -1))
    unsafe X509_EXTENSION_free(made)
  }

  var pem: String { unsafe PEM { out in unsafe PEM_write_bio_X509(out, raw) }.text }
}

/// What OpenSSL writes in PEM.
private struct PEM {
  let text: String

  init(_ write: (OpaquePointer) -> Int32) {
    guard let bio = unsafe BIO_new(BIO_s_mem()) else { fatalError("no memory") }
    defer { unsafe BIO_free(bio) }
    unsafe check(write(bio))
    text = unsafe String(decoding: drain(bio), as: UTF8.self)
  }
}

/// Everything that a memory BIO holds.
func drain(_ bio: OpaquePointer) -> [UInt8] {
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 16 * 1024)
  while true {
    let count = unsafe BIO_read(bio, &chunk, Int32(chunk.count))
    guard count > 0 else { return bytes }
    bytes += chunk[..<Int(count)]
  }
}

/// OpenSSL's way to say success.
func check(_ result: some BinaryInteger, _ line: Int = #line) {
  guard result == 1 else { fatalError("line \(line): \(TestTLSServer.words(ERR_get_error()))") }
}
