internal import Bytes
internal import EventLoop
internal import Network
internal import RESP
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
final class RedisConnection: ReadinessHandler, DialHandler, TimerHandler {
  /// How long an answer may take, in nanoseconds.
  static let answerDeadline = UInt64.seconds(10)
  /// How often a turn reads from one connection that goes on having more, so that the rest of the loop gets its turn.
  private static let readsPerTurn = 8

  private enum Phase { case closed, dialing, shakingHands, open }

  private let loop: EventLoop
  private let target: RedisTarget
  private let dialer: Dialer
  private unowned let owner: any RedisConnectionOwner

  private var phase = Phase.closed
  private var transport: (any Transport)?
  private var token: EventToken?
  private var handshake: Handshake
  private var stream = FrameStream()
  /// What is to be sent. Whoever writes here sees to it that `flush` is called before the turn ends.
  var output = ByteBuffer(capacity: 16 * 1024)
  /// Where it is connected to.
  private(set) var address: SocketAddress?
  /// Whether nothing is known of the server yet.
  private var isFirst = true
  /// Bytes that came in, and bytes that the transport has taken, since the connection was opened.
  private(set) var bytesReceived = 0
  private var bytesTaken = 0

  /// With TLS an operation may wait for the other direction than its own.
  private var readWaitsToWrite = false
  private var writeWaits: Direction?
  /// What is there already and was left for the next turn.
  private var moreToRead: TimerToken?
  private var deadline: (timer: TimerToken, word: String)?

  init(
    _ loop: EventLoop, _ resolver: any Resolver, _ makeTransport: @escaping TransportFactory, _ target: RedisTarget,
    owner: any RedisConnectionOwner
  ) {
    self.loop = loop
    self.owner = owner
    self.target = target
    dialer = Dialer(loop, resolver, makeTransport: makeTransport)
    handshake = Handshake(target.login)
  }

  /// Begins to connect. The connection must be closed.
  ///
  /// - Parameter address: the one of the endpoint's addresses to use; nil: whichever answers first.
  func open(at address: SocketAddress? = nil) {
    precondition(phase == .closed, "the connection is in use")
    phase = .dialing
    isFirst = address == nil
    dialer.start(target.endpoint, at: address, self)
  }

  /// Closes without telling the owner. What was read and not yet served, and what was not yet sent, is gone.
  func close() {
    dialer.cancel()
    if let token { loop.remove(token) }
    if let moreToRead { loop.cancel(moreToRead) }
    isAnswered()
    transport?.close()
    token = nil
    transport = nil
    moreToRead = nil
    readWaitsToWrite = false
    writeWaits = nil
    phase = .closed
    bytesReceived = 0
    bytesTaken = 0
    stream.reset()
    output.removeAll()
  }

  private func fail(_ failure: LinkFailure) {
    close()
    owner.failed(self, failure)
  }

  // MARK: - Deadlines

  /// An answer to `word` is to come within `answerDeadline`, or the connection fails.
  func expectAnswer(to word: String) {
    isAnswered()
    deadline = (loop.arm(after: Self.answerDeadline, self), word)
  }

  /// It came.
  func isAnswered() {
    if let deadline { loop.cancel(deadline.timer) }
    deadline = nil
  }

  func timerFired(_ token: TimerToken) {
    if token == moreToRead {
      moreToRead = nil
      receive()
    } else if let deadline, token == deadline.timer {
      self.deadline = nil
      fail(.noAnswer(to: deadline.word, after: Self.answerDeadline))
    }
  }

  /// How many bytes have reached the other machine, and whether more are on their way: as long as the first grows, it is
  /// the way that is slow, and not the one who is to answer.
  var delivery: (delivered: Int, isUnderWay: Bool) {
    let unacknowledged = transport?.unacknowledged ?? 0
    // With TLS the second counts sealed bytes, which are a few more: only growth means anything.
    return (bytesTaken - unacknowledged, !output.isEmpty || unacknowledged > 0)
  }

  // MARK: - Dialing

  func dialed(_ transport: any Transport, at address: SocketAddress) {
    self.transport = transport
    self.address = address
    do throws(SystemError) {
      token = try loop.add(transport.rawDescriptor, .readable, self)
    } catch {
      return fail(.transport(.system(error)))
    }
    phase = .shakingHands
    handshake.start(into: &output)
    expectAnswer(to: handshake.waitsFor)
    flush()
    // The end of a TLS handshake may have brought the first bytes along.
    if transport.holdsMore { receive() }
  }

  func dialFailed(_ failure: DialFailure) { fail(.dialing(failure)) }

  // MARK: - Writing and reading

  /// Sends what waits in `output`, as far as the other side takes it at once. Never fails: `flush` does.
  func push() {
    guard let transport, writeWaits == nil else { return }
    while !output.isEmpty, case .bytes(let count)? = try? transport.write(output.readable) {
      output.consume(count)
      bytesTaken += count
    }
  }

  /// Sends what waits in `output`, as far as the other side takes it, and asks to be told when it takes more.
  func flush() {
    guard let transport, !output.isEmpty else { return }
    do throws(TransportFault) {
      writeWaits = nil
      while !output.isEmpty, writeWaits == nil {
        switch try transport.write(output.readable) {
        case .bytes(let count):
          output.consume(count)
          bytesTaken += count
        case .blocked(let direction): writeWaits = direction
        case .end: return fail(.closedByPeer)
        }
      }
      askForReadiness()
    } catch {
      readLast()
      if self.transport != nil { fail(.transport(error)) }
    }
  }

  /// A server that does not take something says why and goes: where its going is noticed first, what it said still waits
  /// to be read.
  private func readLast() {
    for _ in 0..<Self.readsPerTurn {
      guard let transport, case .bytes(let count)? = try? stream.read(from: transport) else { return }
      bytesReceived += count
      if let failure = serveFrames() { return fail(failure) }
    }
  }

  private func askForReadiness() {
    guard let token else { return }
    loop.setInterest(writeWaits == .writable || readWaitsToWrite ? .both : .readable, token)
  }

  func ready(_ readiness: Readiness, _ token: EventToken) {
    if readiness.contains(.readable) || readWaitsToWrite { receive() }
    if readiness.contains(.writable) || writeWaits == .readable, phase != .closed { flush() }
  }

  private var isClosed: LinkFailure {
    guard phase == .shakingHands else { return .closedByPeer }
    guard case .tcp = target.endpoint, isFirst, !target.isEncrypted else {
      return .closedDuringHandshake(mayWantTLS: false)
    }
    return .closedDuringHandshake(mayWantTLS: true)
  }

  /// Reads what is there, for a while: what is left is read in the next turn.
  private func receive() {
    var reads = 0
    // A failure closes the connection, and that ends the loop.
    while let transport {
      do throws(TransportFault) {
        readWaitsToWrite = false
        switch try stream.read(from: transport) {
        case .bytes(let count):
          bytesReceived += count
          serve()
        case .blocked(let direction):
          readWaitsToWrite = direction == .writable
          return askForReadiness()
        case .end: return fail(isClosed)
        }
      } catch {
        // What a server does not understand it may not even read: then its close comes as a reset.
        if phase == .shakingHands, error.isReset { return fail(isClosed) }
        return fail(.transport(error))
      }
      // What is left in the socket is reported again; what is left in the transport is not.
      guard let transport = self.transport, transport.holdsMore else { return askForReadiness() }
      reads += 1
      if reads == Self.readsPerTurn {
        moreToRead = moreToRead ?? loop.arm(at: loop.now, self)
        return
      }
    }
  }

  /// Serves every frame that is complete, and sends what is to be said to them.
  private func serve() {
    if let failure = serveFrames() { fail(failure) } else { flush() }
  }

  private func serveFrames() -> LinkFailure? {
    // Held for all frames of a read, not taken anew for each.
    let owner = self.owner
    return stream.serve { (frame) in phase == .open ? owner.received(frame, self) : shakeHands(frame) }
  }

  private func shakeHands(_ frame: borrowing RESPFrame) -> LinkFailure? {
    switch handshake.receive(frame, into: &output) {
    case .nothing: break
    case .waiting: expectAnswer(to: handshake.waitsFor)
    case .failed(let fault, let text): return .redis(fault, text: text)
    case .ready(let protocolVersion):
      isAnswered()
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
      case .malformed(let fault): return .malformed(fault, speaks: .init(input.readable))
      case .value(let byteCount):
        let failure = show(body)
        guard failure == nil else { return failure }
        input.consume(byteCount)
      }
    }
  }
}
