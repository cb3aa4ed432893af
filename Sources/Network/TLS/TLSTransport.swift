package import Bytes

/// TLS over another transport.
///
/// Sealed bytes are counted as written when the transport below has taken all of their ciphertext: what is sealed cannot be
/// taken back, and nothing is kept of it here.
package final class TLSTransport: Transport {
  private let inner: any Transport
  private var engine: TLSEngine
  /// How many of the caller's bytes stand sealed in `engine.outgoing` and are not yet told as written.
  private var sealed = 0
  /// What was opened in search of a fault's reason, and is still to be read.
  private var opened = ByteBuffer(capacity: 1)
  private var innerIsConnected = false
  private var isClosed = false

  /// Begins to connect over `inner`, which is this transport's own from here on.
  ///
  /// - Parameter address: where `inner` leads to, for faults.
  package init(over inner: any Transport, _ context: TLSContext, at address: String) throws(TransportFault) {
    let server = address.hasPrefix(context.host + ":") ? address : "\(context.host) (\(address))"
    do throws(TLSFault) {
      engine = try TLSEngine(context, server: server)
    } catch {
      inner.close()
      throw .tls(error)
    }
    self.inner = inner
  }

  /// The `TransportFactory` of TLS over plain sockets.
  package static func factory(_ context: TLSContext) -> TransportFactory {
    { (address) throws(TransportFault) in
      try TLSTransport(over: SocketTransport(connectingTo: address), context, at: address.description)
    }
  }

  package var rawDescriptor: Int32 { inner.rawDescriptor }
  package var holdsMore: Bool { engine.holdsMore || !opened.isEmpty }
  package var unacknowledged: Int { engine.outgoing.count + inner.unacknowledged }
  /// Whether the handshake resumed a session.
  package var isResumed: Bool { engine.isResumed }

  package var activity: String {
    guard innerIsConnected else { return inner.activity }
    // A server without TLS may wait for the end of a line for ever.
    return engine.hasHeard ? "the TLS handshake with" : "the TLS handshake (is that a TLS port?) with"
  }

  package func finishConnecting() throws(TransportFault) -> ConnectingProgress {
    guard !isClosed else { throw .closed }
    if !innerIsConnected {
      if case .blocked(let direction) = try inner.finishConnecting() { return .blocked(on: direction) }
      innerIsConnected = true
    }
    // Once: a peer that never stops sending must not keep the loop here. What is left in the socket is reported again.
    var hasRead = false
    while true {
      let isDone: Bool
      do throws(TLSFault) { isDone = try engine.handshake() } catch { throw told(error) }
      guard try flush() else { return .blocked(on: .writable) }
      if isDone { return .finished }
      if hasRead { return .blocked(on: .readable) }
      hasRead = true
      switch try inner.read(into: &engine.incoming, atLeast: Limits.tlsReadBytes) {
      case .bytes: continue
      case .blocked(let direction): return .blocked(on: direction)
      case .end: do throws(TLSFault) { try engine.inputEnded() } catch { throw .tls(error) }
      }
    }
  }

  package func read(into buffer: inout ByteBuffer, atLeast count: Int) throws(TransportFault) -> TransportProgress {
    guard !isClosed else { throw .closed }
    guard opened.isEmpty else {
      let count = opened.count
      buffer.append(contentsOf: opened.readable)
      opened.removeAll()
      return .bytes(count)
    }
    // What TLS itself has to say; sealed bytes wait for the caller's `write`. Where it cannot be said, what the peer said
    // is read all the same: the next write meets the fault.
    if sealed == 0, !engine.outgoing.isEmpty { _ = try? flush() }
    if !engine.holdsMore {
      switch try inner.read(into: &engine.incoming, atLeast: Limits.tlsReadBytes) {
      case .bytes: break
      case .blocked(let direction): return .blocked(on: direction)
      case .end:
        do throws(TLSFault) { try engine.inputEnded() } catch { throw .tls(error) }
        return .end
      }
    }
    let opening: TLSOpening
    do throws(TLSFault) { opening = try engine.open(into: &buffer, atLeast: count) } catch { throw told(error) }
    if sealed == 0, !engine.outgoing.isEmpty { _ = try? flush() }
    // Answers to a peer that asks for ever and never reads them.
    guard engine.outgoing.count <= Limits.tlsOutgoingBytes + Limits.tlsWriteBytes else { throw .tls(engine.overrun()) }
    return switch opening {
    case .bytes(let count): .bytes(count)
    case .needMore: .blocked(on: .readable)
    case .end: .end
    }
  }

  package func write(_ bytes: borrowing Span<UInt8>) throws(TransportFault) -> TransportProgress {
    guard !isClosed else { throw .closed }
    do throws(TransportFault) {
      guard try flush() else { return .blocked(on: .writable) }
      if sealed == 0 {
        do throws(TLSFault) {
          guard let count = try engine.seal(bytes) else { return .blocked(on: .readable) }
          sealed = count
        } catch {
          throw told(error)
        }
        guard try flush() else { return .blocked(on: .writable) }
      }
    } catch {
      throw reason(behind: error)
    }
    defer { sealed = 0 }
    return .bytes(sealed)
  }

  package func close() {
    guard !isClosed else { return }
    isClosed = true
    engine.sayGoodbye()
    // Once, and without waiting: who closes is done with this peer.
    if innerIsConnected { sendOnce() }
    inner.close()
  }

  /// Sends what is sealed; false where the transport below does not take all of it now.
  private func flush() throws(TransportFault) -> Bool {
    while !engine.outgoing.isEmpty {
      guard case .bytes(let count) = try send() else { return false }
      engine.outgoing.consume(count)
    }
    return true
  }

  /// Sends what the transport below takes at once; a fault there is of no interest any more.
  private func sendOnce() {
    guard !engine.outgoing.isEmpty, case .bytes(let count)? = try? send() else { return }
    engine.outgoing.consume(count)
  }

  private func send() throws(TransportFault) -> TransportProgress { try Self.send(engine.outgoing, over: inner) }

  private static func send(
    _ buffer: borrowing ByteBuffer, over inner: any Transport
  ) throws(TransportFault) -> TransportProgress {
    try inner.write(buffer.readable)
  }

  /// Sends the alert that goes with a fault, once and without waiting.
  private func told(_ fault: TLSFault) -> TransportFault {
    sendOnce()
    return .tls(fault)
  }

  /// A peer that refuses us says why and goes; where its going is noticed first, what it said still waits to be read.
  private func reason(behind fault: TransportFault) -> TransportFault {
    guard case .system = fault, case .bytes? = try? inner.read(into: &engine.incoming, atLeast: Limits.tlsReadBytes)
    else { return fault }
    do throws(TLSFault) {
      while case .bytes = try engine.open(into: &opened, atLeast: Limits.tlsReadBytes) {}
      return fault
    } catch {
      return .tls(error)
    }
  }
}
