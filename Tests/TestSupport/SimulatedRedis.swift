internal import Bytes
package import Network
internal import System

/// A small Redis in the simulation: greets, takes subscribers, and has the stream and the meta hash of one bus
/// (SimulatedRedis+Stream.swift), for tests to look into and to spoil; misbehaves as told.
package final class SimulatedRedis {
  private(set) var world: SimulatedWorld
  /// Every connection ever made, the oldest first.
  package private(set) var connections: [SimulatedConnection] = []
  /// How often somebody began to connect.
  package private(set) var attempts = 0
  /// When they did.
  package private(set) var attemptTimes: [UInt64] = []
  /// When somebody probed with the script.
  package internal(set) var probeTimes: [UInt64] = []
  /// Every command that came, by its first word, however it was answered.
  package private(set) var commandCounts: [String: Int] = [:]
  private var heldAnswers: [(SimulatedConnection, String)] = []

  // MARK: What it has

  /// The entries, the oldest first.
  package internal(set) var stream: [SimulatedEntry] = []
  /// `epoch`, `seq` and `probes`.
  package var meta: [String: String] = [:]
  /// The greatest id that an entry ever had: ids only grow until the stream is deleted.
  var lastID = StreamID.zero
  /// The objects that were stored, by us and others, in order; those included that the stream has no more.
  package internal(set) var published: [String] = []
  /// What was published on the bus's channel, in order.
  package internal(set) var announced: [String] = []
  /// The scripts that EVALSHA finds, by their names.
  var scripts: [String: String] = [:]

  // MARK: How it misbehaves

  /// Thrown to whoever connects.
  package var connectFault: TransportFault?
  /// Connecting never ends.
  package var connectsNever = false
  package var knowsHello = true
  package var password: String?
  /// Commands that get no answer at all, by their first word.
  package var ignoredCommands: Set<String> = []
  /// The error that storing an object is answered with.
  package var refusal: (String) -> String? = { _ in nil }
  /// What stores is done, but answered only by `releaseAnswers`; so is what these commands ask for.
  package var holdsAnswers = false
  package var heldCommands: Set<String> = []
  /// Called before a command is done.
  package var willServe: ([String]) -> Void = { _ in }
  /// The connection ends when it has done one of these, and before it has answered.
  package var diesAfter: Set<String> = []
  /// The error that a command is answered with, by its first word, inside scripts too.
  package var errors: [String: String] = [:]
  /// Whether scripts may be marked for Upstash; others do not compile them.
  package var knowsMark = false
  /// Nobody may subscribe to the probe channel or publish there.
  package var forbidsProbes = false
  /// What is published reaches nobody, as on a replica that lost its master.
  package var isDeaf = false
  /// Takes what is written and does nothing, as a stopped process does; false lets it catch up.
  package var isFrozen = false { didSet { if !isFrozen { for connection in open { connection.serve() } } } }
  /// A command with a longer word than this is refused as soon as its length is known, and the connection ends
  /// (`proto-max-bulk-len`).
  package var longestWord = Int.max
  /// At most so many bytes are read at once from new connections, and so many written before they block.
  package var readChunk = Int.max
  package var writeRoom = Int.max
  package var readsAhead = false

  package init(_ world: SimulatedWorld) { self.world = world }

  /// Whoever connects from now on lives in another world: a process that was started anew.
  package func move(to world: SimulatedWorld) { self.world = world }

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

  package static let channel = "openclaw-chat"
  package static let probeChannel = "{openclaw-chat}:probe"

  /// Publishes as another client would, and stores nothing; answers how many heard it.
  @discardableResult
  package func publish(_ payload: String, on channel: String = channel) -> Int {
    if channel == Self.channel { announced.append(payload) }
    let hearers = isDeaf ? [] : subscribers.filter { $0.channels.contains(channel) }
    for hearer in hearers { hearer.send(hearer.pubsub("message", channel, Self.bulk(payload))) }
    return hearers.count
  }

  // MARK: - Answers

  package func releaseAnswers() {
    let answers = heldAnswers
    heldAnswers = []
    for (connection, answer) in answers { connection.send(answer) }
  }

  /// Gives the oldest answer that waits.
  package func releaseOneAnswer() {
    guard !heldAnswers.isEmpty else { return }
    let (connection, answer) = heldAnswers.removeFirst()
    connection.send(answer)
  }

  /// Answers in order: behind what is held for the connection.
  private func answer(_ connection: SimulatedConnection, _ text: String, isHeld: Bool) {
    if isHeld || heldAnswers.contains(where: { $0.0 === connection }) {
      heldAnswers.append((connection, text))
    } else {
      connection.send(text)
    }
  }

  package static func bulk(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }
  static func array(_ texts: [String]) -> String { "*\(texts.count)\r\n\(texts.joined())" }

  // MARK: - Commands

  /// Does a command as if the client had sent it.
  package func serve(_ words: [String], _ connection: SimulatedConnection) {
    let command = words.first ?? ""
    commandCounts[command, default: 0] += 1
    willServe(words)
    if ignoredCommands.contains(command) { return }
    if command == "SUBSCRIBE", errors[command] == nil, !isForbidden(words) { return subscribe(words, connection) }
    let (text, stores) = errors[command].map { ("-\($0)\r\n", false) } ?? perform(words, connection)
    if diesAfter.contains(command) { return connection.end() }
    answer(connection, text, isHeld: stores && holdsAnswers || heldCommands.contains(command))
  }

  private func isForbidden(_ words: [String]) -> Bool { forbidsProbes && words.contains(Self.probeChannel) }

  private func subscribe(_ words: [String], _ connection: SimulatedConnection) {
    for channel in words.dropFirst() {
      connection.channels.append(channel)
      connection.send(connection.pubsub("subscribe", channel, ":\(connection.channels.count)\r\n"))
    }
  }

  /// The answer to a command, and whether it is one that stores a message or announces it.
  private func perform(_ words: [String], _ connection: SimulatedConnection) -> (String, stores: Bool) {
    switch words.first ?? "" {
    case "SUBSCRIBE" where isForbidden(words), "PUBLISH" where isForbidden(words):
      ("-NOPERM this user has no permissions to access one of the channels used as arguments\r\n", false)
    case "HELLO": (hello(words, connection), false)
    case "AUTH": (words.last == password ? "+OK\r\n" : "-ERR invalid password\r\n", false)
    case "SELECT", "CLIENT": ("+OK\r\n", false)
    case "PING":
      (connection.isRESP3 || connection.channels.isEmpty ? "+PONG\r\n" : "*2\r\n$4\r\npong\r\n$0\r\n\r\n", false)
    case "EVAL", "EVALSHA": run(words)
    case "PUBLISH": (":\(publish(words[2], on: words[1]))\r\n", words[1] == Self.channel)
    case "XADD": (xadd(words), true)
    default: (ask(words, isRESP3: connection.isRESP3), false)
    }
  }

  private func hello(_ words: [String], _ connection: SimulatedConnection) -> String {
    guard knowsHello else { return "-ERR unknown command `HELLO`, with args beginning with: `3`\r\n" }
    if let password, words.count < 5 || words[4] != password {
      return "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    }
    connection.isRESP3 = true
    return "%2\r\n+server\r\n+simulated\r\n+proto\r\n:3\r\n"
  }
}
