internal import Bytes
internal import EventLoop
package import Network
package import RESP
internal import System

/// What a connection does once it is open.
protocol RedisConnectionOwner: AnyObject {
  /// The handshake is done. The owner writes its first commands to `connection.output`.
  func opened(_ connection: RedisConnection, protocolVersion: Int)
  /// A frame came. The answer, where there is one, closes the connection. The connection must not be closed from here:
  /// the frame is a view of its buffer.
  func received(_ frame: borrowing RESPFrame, _ connection: RedisConnection) -> LinkFailure?
  /// The connection failed; it is closed already.
  func failed(_ connection: RedisConnection, _ failure: LinkFailure)
}

/// One connection to Redis: dials, shakes hands, and then cuts the stream into frames. Owns the transport and both
/// buffers; what the frames mean is its owner's affair.
///
///      closed ─open─▶ dialing ─▶ shaking hands ─▶ open
///        ▲──────────────┴──────────────┴───────────┘  failure, or close()
final class RedisConnection: ReadinessHandler, DialHandler {
  private enum Phase { case closed, dialing, shakingHands, open }

  private let loop: EventLoop
  private let dialer: Dialer
  private unowned let owner: any RedisConnectionOwner

  private var phase = Phase.closed
  private var transport: (any Transport)?
  private var token: EventToken?
  private var handshake: Handshake
  private var stream = FrameStream()
  /// What is to be sent. Whoever writes here sees to it that `flush` is called before the turn ends.
  var output = ByteBuffer(capacity: 16 * 1024)

  init(
    _ loop: EventLoop, _ resolver: any Resolver, _ makeTransport: @escaping TransportFactory, _ login: RedisLogin,
    owner: any RedisConnectionOwner
  ) {
    self.loop = loop
    self.owner = owner
    dialer = Dialer(loop, resolver, makeTransport: makeTransport)
    handshake = Handshake(login)
  }

  /// Begins to connect. The connection must be closed.
  func open(_ endpoint: Endpoint) {
    precondition(phase == .closed, "the connection is in use")
    phase = .dialing
    dialer.start(endpoint, self)
  }

  /// Closes without telling the owner. What was read and not yet served, and what was not yet sent, is gone.
  func close() {
    dialer.cancel()
    if let token { loop.remove(token) }
    transport?.close()
    token = nil
    transport = nil
    phase = .closed
    stream.reset()
    output.removeAll()
  }

  private func fail(_ failure: LinkFailure) {
    close()
    owner.failed(self, failure)
  }

  func dialed(_ transport: any Transport, at address: SocketAddress) {
    self.transport = transport
    do throws(SystemError) {
      token = try loop.add(transport.rawDescriptor, .readable, self)
    } catch {
      return fail(.transport(.system(error)))
    }
    phase = .shakingHands
    handshake.start(into: &output)
    flush()
  }

  func dialFailed(_ failure: DialFailure) { fail(.dialing(failure)) }

  /// Sends what waits in `output`, as far as the other side takes it, and asks to be told when it takes more.
  func flush() {
    guard let transport, let token else { return }
    do throws(TransportFault) {
      var waitsToWrite = false
      sending: while !output.isEmpty {
        switch try transport.write(output.readable) {
        case .bytes(let count): output.consume(count)
        case .blocked(on: .readable): break sending
        case .blocked(on: .writable):
          waitsToWrite = true
          break sending
        case .end: return fail(.closedByPeer)
        }
      }
      loop.setInterest(waitsToWrite ? .both : .readable, token)
    } catch {
      fail(.transport(error))
    }
  }

  func ready(_ readiness: Readiness, _ token: EventToken) {
    if readiness.contains(.readable) { receive() }
    if readiness.contains(.writable), phase != .closed { flush() }
  }

  /// Reads once: what is left in the socket is reported again, and the rest of the loop gets its turn.
  private func receive() {
    guard let transport else { return }
    do throws(TransportFault) {
      switch try stream.read(from: transport) {
      case .bytes: serve()
      case .blocked: return
      case .end: fail(.closedByPeer)
      }
    } catch {
      fail(.transport(error))
    }
  }

  /// Serves every frame that is complete.
  private func serve() {
    // Held for all frames of a read, not taken anew for each.
    let owner = self.owner
    let failure = stream.serve { (frame) in phase == .open ? owner.received(frame, self) : shakeHands(frame) }
    if let failure { fail(failure) } else { flush() }
  }

  private func shakeHands(_ frame: borrowing RESPFrame) -> LinkFailure? {
    switch handshake.receive(frame, into: &output) {
    case .waiting: break
    case .failed(let fault, let text): return .redis(fault, text: text)
    case .ready(let protocolVersion):
      phase = .open
      owner.opened(self, protocolVersion: protocolVersion)
    }
    return nil
  }
}

/// The received bytes and the parser over them, in one value: reached once for a whole read, not once for each frame.
private struct FrameStream: ~Copyable {
  private var input = ByteBuffer(capacity: Limits.socketReadBytes)
  private var parser = RESPParser()

  mutating func reset() {
    input.removeAll()
    parser.reset()
  }

  /// Reads once, as much as there is room for.
  mutating func read(from transport: any Transport) throws(TransportFault) -> TransportProgress {
    try transport.read(into: &input, atLeast: Limits.socketReadBytes / 2)
  }

  private static func parse(_ input: borrowing ByteBuffer, _ parser: inout RESPParser) -> RESPOutcome {
    parser.parse(input.readable)
  }

  /// Hands `body` the frame that the parser has just completed.
  private borrowing func show(_ body: (borrowing RESPFrame) -> LinkFailure?) -> LinkFailure? {
    let frame = parser.frame(in: input.readable)
    return body(frame)
  }

  /// Hands every complete frame to `body`, until it answers a failure.
  mutating func serve(_ body: (borrowing RESPFrame) -> LinkFailure?) -> LinkFailure? {
    while true {
      switch Self.parse(input, &parser) {
      case .needMore:
        // Asked once for a read, not for each frame. What goes is never looked at, and what is behind it moves once.
        guard let range = parser.takeDiscardable(of: input.count) else { return nil }
        input.remove(range)
      case .malformed(let fault): return .malformed(fault)
      case .value(let byteCount):
        let failure = show(body)
        guard failure == nil else { return failure }
        input.consume(byteCount)
      }
    }
  }
}

/// Why the link to Redis is down.
package enum LinkFailure: Error, Equatable, Sendable, CustomStringConvertible {
  case dialing(DialFailure)
  case transport(TransportFault)
  case closedByPeer
  case malformed(RESPFault)
  /// Redis said it, with `text` where it did so in words.
  case redis(RedisFault, text: String)
  /// The link was not ready within so many nanoseconds.
  case notReady(after: UInt64)

  package var description: String {
    switch self {
    case .dialing(let failure): "cannot connect: \(failure)"
    case .transport(let fault): "the connection broke: \(fault)"
    case .closedByPeer: "Redis closed the connection"
    case .malformed(let fault): "what came is not Redis's protocol: \(fault)"
    case .redis(let fault, let text): text.isEmpty ? fault.description : "\(fault): \(text)"
    case .notReady(let after): "not ready within \(after / .seconds(1)) s"
    }
  }

  /// What Redis said, where it did.
  var fault: RedisFault? {
    guard case .redis(let fault, _) = self else { return nil }
    return fault
  }
}
