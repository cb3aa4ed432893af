internal import COpenSSL

/// What a fault tells of a certificate. All of it is the peer's own words: shown as printable ASCII, and not at length.
@safe
struct TLSCertificate {
  /// Lent: the connection holds the reference.
  private let raw: OpaquePointer

  /// How much of a name is shown.
  private static let shownBytes = 80
  /// How many names are shown.
  private static let shownNames = 4
  /// How many are counted.
  private static let countedNames = 1000

  init(_ raw: OpaquePointer) { unsafe self.raw = raw }

  /// Seconds since the Unix epoch.
  var notBefore: Int64 { unsafe copenssl_time(X509_get0_notBefore(raw)) }
  var notAfter: Int64 { unsafe copenssl_time(X509_get0_notAfter(raw)) }

  var isAuthority: Bool { unsafe X509_get_extension_flags(raw) & UInt32(EXFLAG_CA) != 0 }

  var subject: String { unsafe Self.text(X509_get_subject_name(raw)) }
  var issuer: String { unsafe Self.text(X509_get_issuer_name(raw)) }

  /// The DNS names and addresses that it is for: a few, and how many more there are.
  var names: (shown: [String], more: Int) {
    var shown: [String] = []
    var index: Int32 = 0
    while index < Self.countedNames, let name = alternativeName(index) {
      if shown.count < Self.shownNames { shown.append(name) }
      index += 1
    }
    return (shown, Int(index) - shown.count)
  }

  private func alternativeName(_ index: Int32) -> String? {
    var bytes = [UInt8](repeating: 0, count: Self.shownBytes)
    let length = unsafe bytes.withUnsafeMutableBytes { room in
      unsafe Int(
        copenssl_alternative_name(raw, index, room.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(room.count)))
    }
    guard length >= 0 else { return nil }
    return Self.printable(bytes.prefix(length)) + (length > Self.shownBytes ? "..." : "")
  }

  /// "RSA key of 1024 bits"
  var keyText: String {
    guard let key = unsafe X509_get0_pubkey(raw) else { return "a key of an unknown kind" }
    let kind = unsafe EVP_PKEY_get0_type_name(key).map { unsafe String(cString: $0) } ?? "unknown"
    return "\(kind) key of \(unsafe EVP_PKEY_get_bits(key)) bits"
  }

  /// "signed with RSA-SHA1"
  var signatureText: String {
    let name = unsafe OBJ_nid2ln(X509_get_signature_nid(raw)).map { unsafe String(cString: $0) } ?? "an unknown method"
    return "signed with \(name)"
  }

  private static func text(_ name: OpaquePointer?) -> String {
    var bytes = [CChar](repeating: 0, count: shownBytes)
    unsafe copenssl_name_text(name, &bytes, Int32(bytes.count))
    let text = printable(bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }[...])
    return text.isEmpty ? "an authority without a name" : text
  }

  /// What is not printable ASCII becomes a question mark.
  static func printable(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes.map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }
}
