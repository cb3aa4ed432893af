import Bytes
import COpenSSL
import EventLoop
import Network

/// The server's end of TLS, in memory: OpenSSL's own server side.
@safe
final class TestTLSServer {
  /// What many connections share: the certificate, and the key that its tickets are sealed with.
  @safe
  final class Context {
    let raw: OpaquePointer

    init(
      _ certificate: TestCertificate, chain: [TestCertificate] = [], version: Int32? = nil,
      wantsCertificateOf authority: TestCertificate? = nil
    ) {
      guard let raw = unsafe SSL_CTX_new(TLS_server_method()) else { fatalError("no context") }
      unsafe self.raw = raw
      // The server offers what it should not: the client has to refuse it.
      unsafe SSL_CTX_set_security_level(raw, 0)
      unsafe check(SSL_CTX_use_certificate(raw, certificate.raw))
      unsafe check(SSL_CTX_use_PrivateKey(raw, certificate.key.raw))
      for one in chain {
        unsafe X509_up_ref(one.raw)
        unsafe check(SSL_CTX_ctrl(raw, SSL_CTRL_EXTRA_CHAIN_CERT, 0, UnsafeMutableRawPointer(one.raw)))
      }
      if let version {
        unsafe check(SSL_CTX_ctrl(raw, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(version), nil))
        unsafe check(SSL_CTX_ctrl(raw, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil))
      }
      if let authority {
        unsafe SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        unsafe check(X509_STORE_add_cert(SSL_CTX_get_cert_store(raw), authority.raw))
        unsafe check(SSL_CTX_add_client_CA(raw, authority.raw))
        unsafe check(SSL_CTX_set_session_id_context(raw, [1], 1))
      }
    }

    deinit { unsafe SSL_CTX_free(raw) }
  }

  let raw: OpaquePointer
  private let context: Context
  private let incoming: OpaquePointer
  private let outgoing: OpaquePointer
  private(set) var isEstablished = false
  /// Every byte of plaintext that came.
  private(set) var received: [UInt8] = []
  private(set) var hasHeardGoodbye = false
  /// The name that the client asked for, in the handshake.
  var serverName: String? {
    unsafe SSL_get_servername(raw, TLSEXT_NAMETYPE_host_name).map { unsafe String(cString: $0) }
  }
  var isResumed: Bool { unsafe SSL_session_reused(raw) == 1 }

  init(_ context: Context) {
    self.context = context
    guard let raw = unsafe SSL_new(context.raw), let incoming = unsafe BIO_new(BIO_s_mem()),
      let outgoing = unsafe BIO_new(BIO_s_mem())
    else { fatalError("no server") }
    unsafe SSL_set_bio(raw, incoming, outgoing)
    unsafe SSL_set_accept_state(raw)
    unsafe self.raw = raw
    unsafe self.incoming = incoming
    unsafe self.outgoing = outgoing
  }

  deinit {
    unsafe SSL_set_shutdown(raw, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
    unsafe SSL_free(raw)
  }

  /// Takes ciphertext, and does with it what can be done; answers what is to be sent back.
  func receive(_ bytes: [UInt8]) -> [UInt8] {
    if !bytes.isEmpty { unsafe BIO_write(incoming, bytes, Int32(bytes.count)) }
    ERR_clear_error()
    if !isEstablished { isEstablished = unsafe SSL_do_handshake(raw) == 1 }
    while isEstablished {
      var chunk = [UInt8](repeating: 0, count: 16 * 1024)
      let count = unsafe SSL_read(raw, &chunk, Int32(chunk.count))
      if count > 0 {
        received += chunk[..<Int(count)]
        continue
      }
      if unsafe SSL_get_error(raw, count) == SSL_ERROR_ZERO_RETURN { hasHeardGoodbye = true }
      break
    }
    return unsafe drain(outgoing)
  }

  /// Ciphertext of `bytes`.
  func seal(_ bytes: [UInt8]) -> [UInt8] {
    var count = 0
    unsafe check(SSL_write_ex(raw, bytes, bytes.count, &count))
    return unsafe drain(outgoing)
  }

  func updateKey() -> [UInt8] {
    unsafe check(SSL_key_update(raw, SSL_KEY_UPDATE_REQUESTED))
    unsafe check(SSL_do_handshake(raw))
    return unsafe drain(outgoing)
  }

  /// Asks for a new handshake, as TLS 1.2 knows it.
  func renegotiate() -> [UInt8] {
    unsafe check(SSL_renegotiate(raw))
    _ = unsafe SSL_do_handshake(raw)
    return unsafe drain(outgoing)
  }

  func goodbye() -> [UInt8] {
    _ = unsafe SSL_shutdown(raw)
    return unsafe drain(outgoing)
  }

  static func words(_ error: UInt) -> String {
    unsafe ERR_reason_error_string(error).map { unsafe String(cString: $0) } ?? "no error"
  }
}

/// The stream under TLS, in memory: its other end is a `TestTLSServer`, or nobody.
final class MemoryTransport: Transport {
  let server: TestTLSServer?
  /// What waits to be read by the client.
  var toClient: [UInt8] = []
  var hasEnded = false
  /// Nothing can be read for now.
  var holdsBack = false
  /// The most that one read gives, and that one write takes.
  var readChunk = Int.max
  var writeChunk = Int.max
  /// How many bytes are still taken before writing blocks.
  var writeRoom = Int.max
  /// What the next write throws.
  var writeFault: TransportFault?
  private(set) var isClosed = false
  private(set) var written: [UInt8] = []
  private(set) var reads = 0

  init(_ server: TestTLSServer? = nil) { self.server = server }

  var rawDescriptor: Int32 { -1 }
  func finishConnecting() throws(TransportFault) -> ConnectingProgress { .finished }

  func read(into buffer: inout ByteBuffer, atLeast count: Int) throws(TransportFault) -> TransportProgress {
    reads += 1
    guard !holdsBack else { return .blocked(on: .readable) }
    guard !toClient.isEmpty else { return hasEnded ? .end : .blocked(on: .readable) }
    let taken = Array(toClient.prefix(min(count, readChunk)))
    buffer.append(contentsOf: taken.span)
    toClient.removeFirst(taken.count)
    return .bytes(taken.count)
  }

  func write(_ bytes: borrowing Span<UInt8>) throws(TransportFault) -> TransportProgress {
    if let writeFault { throw writeFault }
    let count = min(bytes.count, writeChunk, writeRoom)
    guard count > 0 else { return .blocked(on: .writable) }
    if writeRoom != .max { writeRoom -= count }
    var taken: [UInt8] = []
    for index in 0..<count { taken.append(bytes[index]) }
    written += taken
    if let server { toClient += server.receive(taken) }
    return .bytes(count)
  }

  func close() { isClosed = true }
}

/// A client and a server that talk in memory.
struct TLSPair {
  let server: TestTLSServer
  let pipe: MemoryTransport
  let client: TLSTransport

  init(_ context: TLSContext, _ serverContext: TestTLSServer.Context) throws {
    server = TestTLSServer(serverContext)
    pipe = MemoryTransport(server)
    client = try TLSTransport(over: pipe, context, at: "127.0.0.1:6379")
  }

  /// Goes through the handshake; in memory each step has its answer at once.
  @discardableResult
  func connect() throws -> TLSPair {
    for _ in 0..<20_000 where try client.finishConnecting() == .finished { return self }
    throw NotFinished()
  }

  struct NotFinished: Error {}

  /// Reads until nothing more comes.
  func readAll(atLeast room: Int = 4096) throws -> [UInt8] {
    var buffer = ByteBuffer(capacity: room)
    var bytes: [UInt8] = []
    // Far more than any test sends: a transport that always says that it has more must fail, not hang.
    for _ in 0..<1_000_000 {
      switch try client.read(into: &buffer, atLeast: room) {
      case .bytes:
        for index in 0..<buffer.count { bytes.append(buffer.readable[index]) }
        buffer.removeAll()
      case .blocked: if pipe.toClient.isEmpty, !client.holdsMore { return bytes }
      case .end: return bytes
      }
    }
    throw NotFinished()
  }

  func write(_ bytes: [UInt8]) throws -> TransportProgress { try client.write(bytes.span) }
}
