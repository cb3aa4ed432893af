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

  init(_ raw: OpaquePointer) { unsafe self.raw = raw }

  /// Seconds since the Unix epoch.
  var notBefore: Int64 { unsafe copenssl_time(X509_get0_notBefore(raw)) }
  var notAfter: Int64 { unsafe copenssl_time(X509_get0_notAfter(raw)) }

  var isAuthority: Bool { unsafe X509_get_extension_flags(raw) & UInt32(EXFLAG_CA) != 0 }

  var subject: String { unsafe Self.text(X509_get_subject_name(raw)) }
  var issuer: String { unsafe Self.text(X509_get_issuer_name(raw)) }

  /// The DNS names and addresses that it is for: a few, and how many more there are.
  var names: (shown: [String], more: Int) {
    var bytes = [UInt8](repeating: 0, count: Self.shownNames * Self.shownBytes)
    var lengths = [Int32](repeating: 0, count: Self.shownNames)
    let count = unsafe bytes.withUnsafeMutableBytes { room in
      unsafe Int(
        copenssl_alternative_names(
          raw, room.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(Self.shownBytes), &lengths,
          Int32(Self.shownNames)))
    }
    let shown = (0..<min(count, Self.shownNames)).map { index in
      let start = index * Self.shownBytes
      let length = Int(lengths[index])
      let name = Self.printable(bytes[start..<start + min(length, Self.shownBytes)])
      return name + (length > Self.shownBytes ? "..." : "")
    }
    return (shown, count - shown.count)
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
