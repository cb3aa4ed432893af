package import Bytes
package import EventLoop
package import Network
internal import System

/// A small Redis in the simulation: knows HELLO, AUTH, SELECT, CLIENT, PING, SUBSCRIBE, PUBLISH and, of EVAL, the probe's
/// script; misbehaves as told.
package final class SimulatedRedis {
  private let world: SimulatedWorld
  /// Every connection ever made, the oldest first.
  package private(set) var connections: [SimulatedConnection] = []
  /// How often somebody began to connect.
  package private(set) var attempts = 0
  /// When they did.
  package private(set) var attemptTimes: [UInt64] = []
  /// The payloads published on the bus, in the order they came.
  package private(set) var published: [String] = []
  /// When somebody probed with the script.
  package private(set) var probeTimes: [UInt64] = []
  /// Every command that came, by its first word, however it was answered.
  package private(set) var commandCounts: [String: Int] = [:]
  private var heldAnswers: [(SimulatedConnection, String)] = []

  /// Thrown to whoever connects.
  package var connectFault: TransportFault?
  /// Connecting never ends.
  package var connectsNever = false
  package var knowsHello = true
  package var password: String?
  /// Commands that get no answer at all, by their first word.
  package var ignoredCommands: Set<String> = []
  /// The error that PUBLISH is answered with, for a payload.
  package var refusal: (String) -> String? = { _ in nil }
  /// PUBLISH is done, but answered only by `releaseAnswers`.
  package var holdsAnswers = false
  /// The error that a command is answered with, by its first word.
  package var errors: [String: String] = [:]
  /// Whether scripts may be marked for Upstash; others do not compile them.
  package var knowsMark = false
  /// Nobody may subscribe to the probe channel or publish there.
  package var forbidsProbes = false
  /// What is published reaches nobody, as on a replica that lost its master.
  package var isDeaf = false
  /// Takes what is written and does nothing, as a stopped process does; false lets it catch up.
  package var isFrozen = false { didSet { if !isFrozen { for connection in open { connection.serve() } } } }
  /// "<epoch>:<seq>", as the meta hash has it.
  package var mark = ":"
  /// At most so many bytes are read at once from new connections, and so many written before they block.
  package var readChunk = Int.max
  package var writeRoom = Int.max
  package var readsAhead = false

  package init(_ world: SimulatedWorld) { self.world = world }

  package var open: [SimulatedConnection] { connections.filter { !$0.isClosed } }
  package var subscribers: [SimulatedConnection] { open.filter { !$0.channels.isEmpty } }
  /// The open connections that do not subscribe.
  package var commanders: [SimulatedConnection] { open.filter { $0.channels.isEmpty } }

  /// The `TransportFactory`.
  package func connect(_ address: SocketAddress) throws(TransportFault) -> any Transport {
    attempts += 1
    attemptTimes.append(world.time.nanoseconds)
    if let connectFault { throw connectFault }
    let connection = SimulatedConnection(self, world)
    connection.readChunk = readChunk
    connection.readsAhead = readsAhead
    connection.writeRoom = writeRoom
    connection.isConnected = !connectsNever
    connections.append(connection)
    return connection
  }

  /// Publishes as another client would; answers how many heard it.
  @discardableResult
  package func publish(_ payload: String, on channel: String = "openclaw-chat") -> Int {
    let hearers = isDeaf ? [] : subscribers.filter { $0.channels.contains(channel) }
    for hearer in hearers { hearer.send(hearer.pubsub("message", channel, Self.bulk(payload))) }
    return hearers.count
  }

  package func releaseAnswers() {
    let answers = heldAnswers
    heldAnswers = []
    for (connection, answer) in answers { connection.send(answer) }
  }

  /// Answers the oldest PUBLISH that waits.
  package func releaseOneAnswer() {
    guard !heldAnswers.isEmpty else { return }
    let (connection, answer) = heldAnswers.removeFirst()
    connection.send(answer)
  }

  /// Answers in order: behind what is held for the connection.
  private func answer(_ connection: SimulatedConnection, _ text: String) {
    if heldAnswers.contains(where: { $0.0 === connection }) {
      heldAnswers.append((connection, text))
    } else {
      connection.send(text)
    }
  }

  package static let probeChannel = "{openclaw-chat}:probe"

  package static func bulk(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }

  /// Does a command as if the client had sent it.
  package func serve(_ words: [String], _ connection: SimulatedConnection) {
    let command = words.first ?? ""
    commandCounts[command, default: 0] += 1
    if ignoredCommands.contains(command) { return }
    if let error = errors[command] { return connection.send("-\(error)\r\n") }
    if forbidsProbes, command == "SUBSCRIBE" || command == "PUBLISH", words.contains(Self.probeChannel) {
      return connection.send("-NOPERM this user has no permissions to access one of the channels used as arguments\r\n")
    }
    switch command {
    case "HELLO":
      guard knowsHello else {
        return connection.send("-ERR unknown command `HELLO`, with args beginning with: `3`\r\n")
      }
      if let password, words.count < 5 || words[4] != password {
        return connection.send("-WRONGPASS invalid username-password pair or user is disabled.\r\n")
      }
      connection.isRESP3 = true
      connection.send("%2\r\n+server\r\n+simulated\r\n+proto\r\n:3\r\n")
    case "AUTH": connection.send(words.last == password ? "+OK\r\n" : "-ERR invalid password\r\n")
    case "SELECT", "CLIENT": connection.send("+OK\r\n")
    case "PING":
      let isOld = !connection.isRESP3 && !connection.channels.isEmpty
      connection.send(isOld ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n" : "+PONG\r\n")
    case "EVAL":
      guard knowsMark || !words[1].hasPrefix("#!") else {
        return connection.send("-ERR Unexpected flag in script shebang: allow-key-locking\r\n")
      }
      probeTimes.append(world.time.nanoseconds)
      publish(mark, on: words[4])
      answer(connection, Self.bulk(mark))
    case "SUBSCRIBE":
      for channel in words.dropFirst() {
        connection.channels.append(channel)
        connection.send(connection.pubsub("subscribe", channel, ":\(connection.channels.count)\r\n"))
      }
    case "PUBLISH":
      guard words[1] != Self.probeChannel else {
        return connection.send(":\(publish(words[2], on: words[1]))\r\n")
      }
      var answer = ""
      if let error = refusal(words[2]) {
        answer = "-\(error)\r\n"
      } else {
        published.append(words[2])
        answer = ":\(publish(words[2], on: words[1]))\r\n"
      }
      if holdsAnswers { heldAnswers.append((connection, answer)) } else { self.answer(connection, answer) }
    default: connection.send("-ERR unknown command '\(command)'\r\n")
    }
  }
}

/// One connection to the simulated Redis, seen by the client as its transport.
package final class SimulatedConnection: Transport, SimulatedDevice {
  private let redis: SimulatedRedis
  private let world: SimulatedWorld
  private var descriptor: Int32 = -1
  private var toClient: [UInt8] = []
  private var fromClient: [UInt8] = []
  private var hasEnded = false

  package var isConnected = true
  package var isRESP3 = false
  package fileprivate(set) var channels: [String] = []
  /// Every command that came, its words joined.
  package private(set) var commands: [String] = []
  /// Everything that the client wrote in one call, by its length.
  package private(set) var writes: [Int] = []
  package var readChunk = Int.max
  /// How many bytes are still taken before writing blocks.
  package var writeRoom = Int.max
  package private(set) var isClosed = false
  /// What the next read or write throws.
  package var fault: TransportFault?
  /// What the server sends gets lost on the way, and nobody is told.
  package var isSilenced = false
  /// Bytes written and not yet come through.
  package var unacknowledged = 0
  /// Reading waits until it can be written, as TLS may have it.
  package var readsWaitToWrite = false
  /// Takes everything off the socket with the first read and gives it out in pieces, as TLS does: what is left makes
  /// the descriptor ready for nothing.
  package var readsAhead = false
  private var readAhead: [UInt8] = []
  package var holdsMore: Bool { !readAhead.isEmpty }

  init(_ redis: SimulatedRedis, _ world: SimulatedWorld) {
    self.redis = redis
    self.world = world
    descriptor = world.register(self)
  }

  // MARK: The server's side

  package func send(_ text: String) { send(Array(text.utf8)) }
  package func send(_ bytes: [UInt8]) { if !isSilenced { toClient += bytes } }
  /// Closes the server's end: the client still reads what was sent.
  package func end() { hasEnded = true }

  package func pubsub(_ word: String, _ channel: String, _ last: String) -> String {
    "\(isRESP3 ? ">" : "*")3\r\n\(SimulatedRedis.bulk(word))\(SimulatedRedis.bulk(channel))\(last)"
  }

  func serve() {
    while !redis.isFrozen, let (words, count) = Self.command(fromClient) {
      fromClient.removeFirst(count)
      commands.append(words.joined(separator: " "))
      redis.serve(words, self)
    }
  }

  /// The command at the front of `bytes`, an array of bulk strings, and its length; nil where it is not there whole.
  private static func command(_ bytes: [UInt8]) -> ([String], Int)? {
    var index = 0
    func number(_ mark: Character) -> Int? {
      guard let end = bytes[index...].firstIndex(of: 10), bytes[index] == mark.asciiValue else { return nil }
      let text = String(decoding: bytes[(index + 1)..<(end - 1)], as: UTF8.self)
      index = end + 1
      return Int(text)
    }
    guard !bytes.isEmpty, let count = number("*") else { return nil }
    var words: [String] = []
    for _ in 0..<count {
      guard index < bytes.count, let length = number("$"), index + length + 2 <= bytes.count else { return nil }
      words.append(String(decoding: bytes[index..<(index + length)], as: UTF8.self))
      index += length + 2
    }
    return (words, index)
  }

  // MARK: The client's side

  package var readiness: Readiness {
    guard isConnected else { return [] }
    var readiness: Readiness = []
    if !readsWaitToWrite, !toClient.isEmpty || hasEnded || fault != nil { readiness.insert(.readable) }
    if writeRoom > 0 || fault != nil { readiness.insert(.writable) }
    return readiness
  }

  package var rawDescriptor: Int32 { descriptor }

  package func finishConnecting() throws(TransportFault) -> ConnectingProgress {
    if let fault { throw fault }
    return isConnected ? .finished : .blocked(on: .writable)
  }

  package func read(into buffer: inout ByteBuffer, atLeast count: Int) throws(TransportFault) -> TransportProgress {
    guard !isClosed else { throw .closed }
    if let fault { throw fault }
    if readsWaitToWrite, writeRoom == 0 { return .blocked(on: .writable) }
    if readsAhead {
      readAhead += toClient
      toClient = []
    }
    let arrived = readsAhead ? readAhead : toClient
    guard !arrived.isEmpty else { return hasEnded ? .end : .blocked(on: .readable) }
    let taken = Array(arrived.prefix(min(readChunk, count)))
    buffer.append(contentsOf: taken.span)
    if readsAhead { readAhead.removeFirst(taken.count) } else { toClient.removeFirst(taken.count) }
    return .bytes(taken.count)
  }

  package func write(_ bytes: borrowing Span<UInt8>) throws(TransportFault) -> TransportProgress {
    guard !isClosed else { throw .closed }
    if let fault { throw fault }
    let count = min(bytes.count, writeRoom)
    guard count > 0 else { return .blocked(on: .writable) }
    if writeRoom != .max { writeRoom -= count }
    for index in 0..<count { fromClient.append(bytes[index]) }
    writes.append(count)
    serve()
    return .bytes(count)
  }

  package func close() {
    guard !isClosed else { return }
    isClosed = true
    world.unregister(descriptor)
  }
}

/// A resolver for who names addresses only: asking it is a failure.
package final class NoResolver: Resolver {
  package init() {}
  package func resolve(
    _ host: String, port: UInt16, _ handler: any ResolutionHandler
  ) throws(TransportFault) -> ResolutionToken {
    throw .unresolved(host: host, reason: "the test has no resolver")
  }
  package func cancel(_ token: ResolutionToken) {}
}
