internal import Bytes
internal import COpenSSL

/// SHA-1 (FIPS 180-4) as a name for things, and never as a proof of anything: Redis names scripts by it.
package enum SHA1 {
  /// The digest of the text's UTF-8 as 40 lower-case hexadecimal digits; nil where OpenSSL does not offer SHA-1.
  package static func hexadecimal(of text: String) -> String? {
    var text = text
    var digest: InlineArray<20, UInt8> = .init(repeating: 0)
    var target = digest.mutableSpan
    let isDone = text.withUTF8 { bytes in
      unsafe target.withUnsafeMutableBufferPointer {
        unsafe copenssl_sha1(bytes.baseAddress, bytes.count, $0.baseAddress) == 1
      }
    }
    guard isDone else { return nil }
    var digits = ByteBuffer(capacity: 40)
    for index in 0..<20 { digits.append(hex: digest[index]) }
    return String(repairing: digits.readable)
  }
}
