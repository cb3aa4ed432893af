internal import Bytes
internal import COpenSSL

/// One error from OpenSSL's queue.
struct TLSError {
  /// 0: there was none.
  let code: UInt

  /// Takes the oldest error of this thread, which is the one nearest to the cause, and forgets the others.
  static func take() -> TLSError { TLSError(code: copenssl_take_error()) }

  /// OpenSSL's own words, without codes.
  var words: String {
    guard code != 0 else { return "no reason given" }
    guard let text = unsafe ERR_reason_error_string(code) else { return "OpenSSL error \(String(code, radix: 16))" }
    return unsafe String(cString: text)
  }

  /// The number of the alert that the peer sent, where that is what it is.
  var alert: Int? {
    let number = Int(copenssl_alert(code))
    return number >= 0 ? number : nil
  }

  /// Whether it is that one of the SSL library's own (SSL_R_...).
  func isTLS(_ reason: Int32) -> Bool { copenssl_is_ssl_error(code, reason) == 1 }

  var isKeyMismatch: Bool { copenssl_is_key_mismatch(code) == 1 }

  /// An alert's words (RFC 8446 section 6.2) with its number.
  static func words(ofAlert number: Int) -> String {
    guard let text = unsafe SSL_alert_desc_string_long(Int32(number)) else { return "alert \(number)" }
    return unsafe String(cString: text)
  }
}
