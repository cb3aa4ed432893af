package import Bytes
internal import COpenSSL

/// One TLS connection without its socket: ciphertext in and out of two buffers, plaintext on the other side. OpenSSL reads
/// and writes the buffers' own memory, lent for the length of a call.
///
///      socket ─▶ incoming ─▶ open ─▶ plaintext
///      socket ◀─ outgoing ◀─ seal ◀─ plaintext
///
/// Whoever owns it fills `incoming`, and sends what is in `outgoing` after every call. Plaintext is neither opened nor
/// sealed before the handshake is done, and it is done only when the certificate has been verified.
@safe
package struct TLSEngine: ~Copyable {
  let context: TLSContext
  /// Who is talked to, for faults.
  let server: String
  private let connection: OpaquePointer
  let wire: UnsafeMutablePointer<copenssl_wire>
  private var place = TLSRecordPlace()
  private var isOpen = false
  private var hasEnded = false
  /// What ended the connection; every call throws it from then on.
  private var fault: TLSFault?

  /// Ciphertext that has come.
  package var incoming = ByteBuffer(capacity: Limits.tlsIncomingBytes)
  /// Ciphertext that is to be sent.
  package var outgoing = ByteBuffer(capacity: Limits.tlsOutgoingBytes)
  /// Whether `open` may have more at once, with no new ciphertext.
  package private(set) var holdsMore = false
  /// How much ciphertext was taken in.
  private var taken = 0
  /// Whether the server has sent anything.
  package var hasHeard: Bool { taken > 0 }

  /// A connection about to begin; it offers a session of the context's, where there is one.
  ///
  /// - Parameter server: who is talked to, for faults.
  package init(_ context: TLSContext, server: String) throws(TLSFault) {
    let wire = UnsafeMutablePointer<copenssl_wire>.allocate(capacity: 1)
    unsafe wire.initialize(to: copenssl_wire())
    ERR_clear_error()
    let made = unsafe SSL_new(context.raw)
    guard let connection = unsafe made, unsafe copenssl_attach(connection, context.method, wire) == 1,
      unsafe Self.name(connection, context.serverName)
    else {
      unsafe SSL_free(made)
      unsafe wire.deallocate()
      throw TLSFault(
        .other(words: TLSError.take().words), server: server, settingPrefix: context.configuration.settingPrefix)
    }
    unsafe SSL_set_connect_state(connection)
    if let session = unsafe context.sessions.take() {
      unsafe SSL_set_session(connection, session)
      unsafe SSL_SESSION_free(session)
    }
    self.context = context
    self.server = server
    unsafe self.connection = connection
    unsafe self.wire = wire
  }

  deinit {
    // Freed as after a proper end: otherwise OpenSSL takes the sessions of this connection for suspicious.
    unsafe SSL_set_shutdown(connection, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
    unsafe SSL_free(connection)
    unsafe copenssl_wire_clear(wire)
    unsafe wire.deallocate()
  }

  /// Whom the certificate must be for (RFC 9525): the common name never counts, a `*` stands for a whole label.
  private static func name(_ connection: OpaquePointer, _ name: TLSServerName) -> Bool {
    let parameters = unsafe SSL_get0_param(connection)
    unsafe X509_VERIFY_PARAM_set_hostflags(
      parameters, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    switch name {
    case .name(let host):
      // To OpenSSL a first dot would mean any name below, and no name at all any certificate.
      guard let first = host.utf8.first, first != UInt8(ascii: ".") else { return false }
      return unsafe X509_VERIFY_PARAM_set1_host(parameters, host, host.utf8.count) == 1
        && copenssl_set_server_name(connection, host) == 1
    case .address(let bytes):
      return unsafe X509_VERIFY_PARAM_set1_ip(parameters, bytes, bytes.count) == 1
    }
  }

  /// Whether the handshake is done, and with it the certificate verified.
  package var isEstablished: Bool { isOpen }
  /// Whether the handshake resumed a session.
  package var isResumed: Bool { unsafe SSL_session_reused(connection) == 1 }

  /// Goes on with the handshake; true when it is done, false when it needs more of `incoming`.
  package mutating func handshake() throws(TLSFault) -> Bool {
    if let fault { throw fault }
    guard !isOpen else { return true }
    try refuseForeign()
    let connection = unsafe self.connection
    let outcome = lend(room: Limits.tlsRecordOverhead) { unsafe copenssl_handshake(connection) }
    switch outcome {
    case SSL_ERROR_NONE:
      isOpen = true
      // Data may have come with the last flight.
      holdsMore = !incoming.isEmpty
      return true
    case SSL_ERROR_WANT_READ where taken <= Limits.tlsHandshakeBytes: return false
    case SSL_ERROR_WANT_READ:
      context.sessions.removeAll()
      throw remember(.other(words: "the server's part of the handshake does not end"))
    case SSL_ERROR_ZERO_RETURN:
      context.sessions.removeAll()
      throw remember(.closedDuringHandshake)
    default:
      // Whatever it was, it may have been the session: none is offered twice, and now none at all.
      context.sessions.removeAll()
      throw fail(outcome)
    }
  }

  /// Opens what has come, as many records as there is room for: at least `room` bytes, and more where the buffer has it.
  package mutating func open(into buffer: inout ByteBuffer, atLeast room: Int) throws(TLSFault) -> TLSOpening {
    if let fault { throw fault }
    guard isOpen, !hasEnded else { return isOpen ? .end : .needMore }
    let connection = unsafe self.connection
    let wire = unsafe self.wire
    var outcome = SSL_ERROR_NONE
    let count = unsafe buffer.fill(reserving: max(room, 1)) { free in
      var opened = 0
      outcome = lend(room: Limits.tlsRecordOverhead) {
        guard let start = free.baseAddress else { return SSL_ERROR_NONE }
        var count = 0
        let code = unsafe copenssl_read(
          connection, wire, start.advanced(by: opened).assumingMemoryBound(to: UInt8.self), free.count - opened, &count)
        opened += count
        return code
      }
      return opened
    }
    switch outcome {
    case SSL_ERROR_WANT_READ: holdsMore = false
    case SSL_ERROR_NONE: holdsMore = true
    case SSL_ERROR_ZERO_RETURN:
      hasEnded = true
      holdsMore = true
    default:
      holdsMore = true
      let fault = fail(outcome)
      // What came whole before it is the caller's; the fault is thrown by the next call.
      if count == 0 { throw fault }
    }
    if count > 0 { return .bytes(count) }
    return hasEnded ? .end : .needMore
  }

  /// Seals from the front of `bytes` what is sent in one go; answers how many, nil where something must be read first, after
  /// which the same bytes must be given again.
  package mutating func seal(_ bytes: borrowing Span<UInt8>) throws(TLSFault) -> Int? {
    if let fault { throw fault }
    precondition(isOpen, "nothing is sealed before the certificate is verified")
    guard bytes.count > 0 else { return 0 }
    let length = min(bytes.count, Limits.tlsWriteBytes)
    let connection = unsafe self.connection
    var count = 0
    let outcome = unsafe bytes.withUnsafeBufferPointer { source in
      lend(room: length + Limits.tlsRecordOverhead) {
        unsafe copenssl_write(connection, source.baseAddress, length, &count)
      }
    }
    switch outcome {
    case SSL_ERROR_NONE: return count
    case SSL_ERROR_WANT_READ: return nil
    default: throw fail(outcome)
    }
  }

  /// The other side has closed its end of the stream under TLS. A fault, unless that was between two records of an
  /// established connection: then nothing is missing that was begun (Redis itself says no goodbye).
  package mutating func inputEnded() throws(TLSFault) {
    if let fault { throw fault }
    guard !hasEnded else { return }
    guard isOpen else { throw remember(.closedDuringHandshake) }
    guard place.isBetweenRecords, incoming.isEmpty else { throw remember(.cutMidRecord) }
    hasEnded = true
  }

  /// Adds TLS's own goodbye (close_notify) to `outgoing`, where one is due.
  package mutating func sayGoodbye() {
    guard isOpen, fault == nil else { return }
    let connection = unsafe self.connection
    _ = lend(room: Limits.tlsRecordOverhead) {
      // Whether the other side has said its own is not waited for.
      unsafe SSL_shutdown(connection) >= 0 ? SSL_ERROR_NONE : SSL_ERROR_SSL
    }
    ERR_clear_error()
  }

  // MARK: - Lending

  /// Lends both buffers while `call` runs, again with more room where it wants to write more; keeps account of what
  /// was taken.
  private mutating func lend(room: Int, _ call: () -> Int32) -> Int32 {
    let wire = unsafe self.wire
    let offered = incoming.count
    // Neither buffer is touched by anybody else until the call is over.
    unsafe wire.pointee.input = incoming.readable.withUnsafeBufferPointer { $0.baseAddress }
    unsafe wire.pointee.input_count = offered
    var room = room
    var outcome = SSL_ERROR_WANT_WRITE
    while outcome == SSL_ERROR_WANT_WRITE {
      _ = unsafe outgoing.fill(reserving: room) { free in
        unsafe wire.pointee.output = free.baseAddress?.assumingMemoryBound(to: UInt8.self)
        unsafe wire.pointee.output_room = free.count
        outcome = call()
        return unsafe free.count - wire.pointee.output_room
      }
      // A flight of the handshake, at most; what we ourselves seal has its room.
      room *= 2
    }
    let taken = unsafe offered - wire.pointee.input_count
    // Nothing of it is ours any more.
    unsafe wire.pointee.input = nil
    unsafe wire.pointee.input_count = 0
    unsafe wire.pointee.output = nil
    unsafe wire.pointee.output_room = 0
    if taken > 0 {
      self.taken &+= taken
      var place = self.place
      place.advance(over: incoming.readable.extracting(0..<taken))
      self.place = place
      incoming.consume(taken)
    }
    return outcome
  }

  // MARK: - Faults

  /// The first bytes tell TLS (an alert or a message of the handshake, version 3.x) from anything else.
  private mutating func refuseForeign() throws(TLSFault) {
    guard !hasHeard, let shown = Self.foreignStart(incoming.readable) else { return }
    throw remember(.notTLS(start: "\"" + shown + "\""))
  }

  /// How `bytes` begin, up to the line's end, where they are no TLS; nil where they may be.
  private static func foreignStart(_ bytes: borrowing Span<UInt8>) -> String? {
    guard bytes.count > 0 else { return nil }
    if (bytes[0] == 21 || bytes[0] == 22) && (bytes.count < 2 || bytes[1] == 3) { return nil }
    var shown: [UInt8] = []
    for index in 0..<min(bytes.count, 32) {
      guard bytes[index] != UInt8(ascii: "\r"), bytes[index] != UInt8(ascii: "\n") else { break }
      shown.append(bytes[index])
    }
    return TLSCertificate.printable(shown[...])
  }

  /// The other side makes us answer without reading the answers.
  package mutating func overrun() -> TLSFault {
    remember(.other(words: "the server asks for more answers than it reads"))
  }

  private mutating func fail(_ outcome: Int32) -> TLSFault { remember(faultKind(TLSError.take())) }

  private mutating func remember(_ kind: TLSFault.Kind) -> TLSFault {
    let made = TLSFault(kind, server: server, settingPrefix: context.configuration.settingPrefix)
    fault = made
    return made
  }
}

/// What opening came to.
package enum TLSOpening: Equatable, Sendable {
  /// So many bytes of plaintext; at least 1.
  case bytes(Int)
  /// No whole record is there: fill `incoming`.
  case needMore
  /// The other side has said that it will send no more.
  case end
}
