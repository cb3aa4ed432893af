package import Bytes
package import EventLoop
package import Network
internal import System

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
  package internal(set) var channels: [String] = []
  /// Every command that came, its words joined.
  package private(set) var commands: [String] = []
  /// Everything that the client wrote in one call, by its length.
  package private(set) var writes: [Int] = []
  package var readChunk = Int.max
  /// How many bytes are still taken before writing blocks.
  package var writeRoom = Int.max
  /// How many more bytes are written before writing fails as after a reset; what was sent to us can still be read.
  private var bytesUntilReset: Int?
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

  /// Writing fails when so many bytes more were written.
  package func failsWriting(after count: Int) { bytesUntilReset = count }

  package func pubsub(_ word: String, _ channel: String, _ last: String) -> String {
    "\(isRESP3 ? ">" : "*")3\r\n\(SimulatedRedis.bulk(word))\(SimulatedRedis.bulk(channel))\(last)"
  }

  func serve() {
    while !redis.isFrozen, !hasEnded {
      let next = Self.command(fromClient)
      let lengths = next.map { $0.0.map(\.utf8.count) } ?? [Self.lengthAwaited(fromClient)]
      // Redis does not wait for a word that is longer than it takes: it says so and goes.
      guard lengths.allSatisfy({ $0 <= redis.longestWord }) else {
        send("-ERR Protocol error: invalid bulk length\r\n")
        return end()
      }
      guard let (words, count) = next else { return }
      fromClient.removeFirst(count)
      commands.append(words.joined(separator: " "))
      redis.serve(words, self)
    }
  }

  /// The length of the word that is not there whole, in the command at the front of `bytes`; 0 where none is known.
  private static func lengthAwaited(_ bytes: [UInt8]) -> Int {
    var rest = bytes[...]
    func line() -> Substring? {
      guard let end = rest.firstIndex(of: 10) else { return nil }
      defer { rest = rest[(end + 1)...] }
      return String(decoding: rest[rest.startIndex..<end], as: UTF8.self).dropFirst().dropLast()
    }
    guard let count = line().flatMap({ Int($0) }) else { return 0 }
    for _ in 0..<count {
      guard let length = line().flatMap({ Int($0) }) else { return 0 }
      guard rest.count >= length + 2 else { return length }
      rest = rest.dropFirst(length + 2)
    }
    return 0
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
    if bytesUntilReset == 0 { throw .system(SystemError(code: 104, call: "send")) }
    let count = min(bytes.count, writeRoom, bytesUntilReset ?? .max)
    if let left = bytesUntilReset { bytesUntilReset = left - count }
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
