internal import COpenSSL

/// Sessions to be resumed, the newest last: a handshake that resumes one needs no certificates and, at the server, no
/// private key.
///
/// Each is offered once: to whoever listens, a ticket seen twice would tell two connections as of one client (RFC 8446
/// appendix C.4).
@safe
final class TLSSessions {
  /// A server gives two tickets for each connection of TLS 1.3, and a link has two connections.
  private static let capacity = 4

  private var kept: [OpaquePointer] = unsafe []

  deinit { removeAll() }

  var count: Int { unsafe kept.count }

  /// Takes the reference over.
  func keep(_ session: OpaquePointer) {
    if unsafe kept.count == Self.capacity { unsafe SSL_SESSION_free(kept.removeFirst()) }
    unsafe kept.append(session)
  }

  /// The newest; the reference is the caller's. One whose certificate has expired meanwhile would hide that: it is gone.
  func take() -> OpaquePointer? {
    while let session = unsafe kept.popLast() {
      if unsafe SSL_SESSION_is_resumable(session) == 1, let certificate = unsafe SSL_SESSION_get0_peer(session),
        unsafe X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0
      {
        return unsafe session
      }
      unsafe SSL_SESSION_free(session)
    }
    return nil
  }

  func removeAll() {
    while let session = unsafe kept.popLast() { unsafe SSL_SESSION_free(session) }
  }
}
