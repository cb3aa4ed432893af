package import Bytes
package import RESP
package import System

/// The commanding connection after its handshake: publishes, asks and probes in a pipeline and knows which reply is whose.
///
///      head            head + inFlight
///      │ oldest … newest │      a ring of the commands that have no answer yet, in the order they were written
///
/// Redis answers in order, so an answer is the oldest command's. A reply too many means that every later one would be
/// taken for another's: that is a fault, never a guess. For the same reason no command is ever given up alone: one without
/// an answer costs the connection.
///
/// Invariant: 0 <= inFlight <= the ring's size; at most one batch is being published, and its commands alone count in
/// inFlightBytes.
package struct CommanderMachine: ~Copyable {
  package enum Action: Equatable, BitwiseCopyable, Sendable {
    case none
    /// The probe was done.
    case probed
    case probeRefused(RedisErrorKind)
    /// The frame is the answer to this request, and has its shape.
    case fetched(StreamRequest)
    case fetchRefused(StreamRequest, RedisErrorKind)
    /// `outcomes` says what became of each object of the batch.
    case published
    /// Redis refused the batch; nothing of it was stored.
    case publishRefused(RedisErrorKind)
    /// Scripts are not permitted, as the frame says: the batch goes on without, and so does every later one.
    case goesWithoutScript
    /// Close the connection; the outcome of everything in flight is unknown.
    case failed(RedisFault)
  }

  /// A command without an answer.
  struct Command: BitwiseCopyable {
    enum Kind: Equatable, BitwiseCopyable {
      case probe(ProbeMethod)
      case fetch(StreamRequest)
      /// The script by its name, and as a text.
      case evalsha
      case eval
      /// XADD and PUBLISH of one object of the batch, where scripts are not permitted.
      case add(object: Int)
      case announce(object: Int)

      var word: String {
        switch self {
        case .probe(let method): method.word
        case .fetch(let request): request.word
        case .evalsha: "EVALSHA"
        case .eval: "EVAL"
        case .add: "XADD"
        case .announce: "PUBLISH"
        }
      }
    }

    var kind = Kind.eval
    var bytes = 0
    var sentAt = Instant(nanoseconds: 0)
  }

  let names: BusNames
  let streamMaxLength: Int
  private let secret: String?
  private var ring = Array(repeating: Command(), count: 16)
  private var head = 0
  /// The commands without an answer, and the bytes of the messages among them.
  package private(set) var inFlight = 0
  package private(set) var inFlightBytes = 0

  /// What is being published: see CommanderMachine+Publishing.swift.
  var way = PublishWay.evalsha
  var call = PublishCall()
  /// What became of the objects of the batch; complete when `published` is answered, and valid until the next batch.
  package internal(set) var outcomes: [PublishOutcome] = []

  /// - Parameters:
  ///   - streamMaxLength: how many entries the stream keeps, at least 1.
  ///   - secret: what must not be shown in the texts of outcomes.
  package init(_ names: BusNames, streamMaxLength: Int, hiding secret: String? = nil) {
    precondition(streamMaxLength > 0, "a stream that keeps nothing")
    self.names = names
    self.streamMaxLength = streamMaxLength
    self.secret = secret
    outcomes.reserveCapacity(Limits.publishBatchMessages)
  }

  // MARK: - Asking

  /// Writes a probe.
  package mutating func probe(_ method: ProbeMethod, at now: Instant, into output: inout ByteBuffer) {
    Probe.write(method, names, into: &output)
    append(.probe(method), at: now)
  }

  /// Writes a request.
  package mutating func fetch(_ request: StreamRequest, at now: Instant, into output: inout ByteBuffer) {
    request.write(names, into: &output)
    append(.fetch(request), at: now)
  }

  mutating func append(_ kind: Command.Kind, bytes: Int = 0, at now: Instant) {
    if inFlight == ring.count { grow() }
    ring[(head + inFlight) % ring.count] = Command(kind: kind, bytes: bytes, sentAt: now)
    inFlight += 1
    inFlightBytes += bytes
  }

  /// Doubles the ring, with the oldest command at its front.
  private mutating func grow() {
    var larger = Array(repeating: Command(), count: 2 * ring.count)
    for index in 0..<inFlight { larger[index] = ring[(head + index) % ring.count] }
    ring = larger
    head = 0
  }

  /// When the command was written that has waited longest for its answer; nil where none waits.
  package var waitsSince: Instant? { inFlight > 0 ? ring[head].sentAt : nil }
  /// The name of that command.
  package var waitsFor: String { inFlight > 0 ? ring[head].kind.word : "" }

  // MARK: - Answers

  /// Takes the next frame of the connection, and writes the next command of a batch, if there is one.
  ///
  /// - Parameter batch: what was given to `publish`, if anything is being published.
  package mutating func receive(
    _ frame: borrowing RESPFrame, _ batch: borrowing PublishBatch, at now: Instant, into output: inout ByteBuffer
  ) -> Action {
    let root = frame.root
    // Pushes come between replies and answer nothing.
    if root.kind == .push { return .none }
    if root.kind.isError {
      let kind = RedisErrorKind(of: frame)
      // An error that nothing asked for says why the server is about to close.
      if inFlight == 0 || kind == .tooManyClients { return .failed(.refused(kind)) }
      return refused(takeOldest().kind, kind, frame, batch, at: now, into: &output)
    }
    guard inFlight > 0 else { return .failed(.violation(.unexpectedReply)) }
    return answered(takeOldest().kind, frame, batch, at: now, into: &output)
  }

  private mutating func answered(
    _ command: Command.Kind, _ frame: borrowing RESPFrame, _ batch: borrowing PublishBatch, at now: Instant,
    into output: inout ByteBuffer
  ) -> Action {
    let root = frame.root
    switch command {
    case .probe(.publish):
      guard root.kind == .integer, root.integer >= 0 else { break }
      return .probed
    case .probe(.markedScript), .probe(.script), .probe(.ping):
      guard root.kind.isString else { break }
      return .probed
    case .fetch(let request):
      guard request.isAnswered(by: frame) else { return .failed(.violation(.badAnswer)) }
      return .fetched(request)
    case .evalsha, .eval:
      guard takeOutcomes(frame, count: batch.count) else { break }
      return .published
    case .add(let object):
      guard root.kind.isString, let id = StreamID(frame.text(root)) else { break }
      return added(object, id, batch, at: now, into: &output)
    case .announce(let object):
      guard root.kind == .integer else { break }
      return announced(object, batch)
    }
    return .failed(.violation(.unexpectedReply))
  }

  private mutating func refused(
    _ command: Command.Kind, _ kind: RedisErrorKind, _ frame: borrowing RESPFrame, _ batch: borrowing PublishBatch,
    at now: Instant, into output: inout ByteBuffer
  ) -> Action {
    switch command {
    case .probe: return .probeRefused(kind)
    case .fetch(let request): return .fetchRefused(request, kind)
    case .evalsha, .eval: return scriptRefused(command, kind, frame, batch, at: now, into: &output)
    case .add(let object):
      return addRefused(object, kind, shown(frame.text(frame.root)), batch)
    case .announce(let object):
      return announced(object, batch, unless: shown(frame.text(frame.root)))
    }
  }

  /// An error's text as it may be shown.
  func shown(_ text: borrowing Span<UInt8>) -> String { RedisErrorText.shown(text, hiding: secret) }

  /// After a disconnect: forgets everything in flight. What the next server permits is found out anew.
  package mutating func reset() {
    inFlight = 0
    inFlightBytes = 0
    way = .evalsha
  }

  private mutating func takeOldest() -> Command {
    let command = ring[head]
    head = (head + 1) % ring.count
    inFlight -= 1
    inFlightBytes -= command.bytes
    return command
  }
}
