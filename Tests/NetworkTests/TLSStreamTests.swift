import Bytes
import COpenSSL
import Network
import System
import TestSupport
import Testing

@Suite("Bytes over TLS")
struct TLSStreamTests {
  private let authority = TestAuthority.shared
  static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

  @Test("bytes go both ways, and nothing to read is blocked, not the end", arguments: versions)
  func bothWays(version: Int32) throws {
    let pair = try authority.pair(version: version)
    #expect(try pair.write(Array("ping".utf8)) == .bytes(4))
    #expect(pair.server.received == Array("ping".utf8))
    pair.pipe.toClient += pair.server.seal(Array("pong".utf8))
    #expect(try pair.readAll() == Array("pong".utf8))
    var buffer = ByteBuffer(capacity: 64)
    #expect(try pair.client.read(into: &buffer, atLeast: 64) == .blocked(on: .readable))
  }

  @Test("the handshake and the stream hold in fragments of one byte, both ways", arguments: versions)
  func fragments(version: Int32) throws {
    let pair = try TLSPair(authority.client(), TestTLSServer.Context(authority.issue(), version: version))
    pair.pipe.readChunk = 1
    pair.pipe.writeChunk = 1
    try pair.connect()
    #expect(try pair.write([1, 2, 3]) == .bytes(3))
    #expect(pair.server.received == [1, 2, 3])
    pair.pipe.toClient += pair.server.seal([4, 5, 6])
    #expect(try pair.readAll() == [4, 5, 6])
  }

  @Test("a stream that ends anywhere inside a record is a fault; between two, and after a goodbye, it is the end")
  func cutEverywhere() throws {
    for goodbye in [false, true] {
      var length = 0
      var cut = 0
      repeat {
        let pair = try authority.pair(version: TLS1_3_VERSION)
        _ = try pair.readAll()
        let first = pair.server.seal([1, 2, 3])
        let second = goodbye ? pair.server.goodbye() : pair.server.seal([4, 5])
        length = first.count + second.count
        pair.pipe.toClient = Array((first + second).prefix(cut))
        pair.pipe.hasEnded = true
        let expected: [UInt8] =
          cut < first.count ? [] : (cut == length && !goodbye ? [1, 2, 3, 4, 5] : [1, 2, 3])
        let isWhole = cut == 0 || cut == first.count || cut == length
        var buffer = ByteBuffer(capacity: 64)
        var fault: TransportFault?
        var hasEnded = false
        reading: for _ in 0..<10 {
          do throws(TransportFault) {
            if try pair.client.read(into: &buffer, atLeast: 64) == .end {
              hasEnded = true
              break reading
            }
          } catch {
            fault = error
            break reading
          }
        }
        var got: [UInt8] = []
        for index in 0..<buffer.count { got.append(buffer.readable[index]) }
        #expect(got == expected, "cut at \(cut)")
        #expect(hasEnded == isWhole, "cut at \(cut)")
        if !isWhole {
          #expect(
            fault?.description == "bus.example (127.0.0.1:6379): the connection was cut in the middle of a TLS record",
            "cut at \(cut)")
        }
        cut += 1
      } while cut <= length
    }
  }

  @Test("a connection that ends in the handshake is a fault that says so, wherever it is cut")
  func cutHandshake() throws {
    var cut = 0
    while true {
      let pair = try TLSPair(authority.client(), TestTLSServer.Context(authority.issue(), version: TLS1_3_VERSION))
      // The client's hello has gone, and the whole answer is there.
      pair.pipe.holdsBack = true
      #expect(try pair.client.finishConnecting() == .blocked(on: .readable))
      guard cut < pair.pipe.toClient.count else { break }
      pair.pipe.holdsBack = false
      pair.pipe.toClient = Array(pair.pipe.toClient.prefix(cut))
      pair.pipe.hasEnded = true
      #expect(throws: TransportFault.self, "cut at \(cut)") {
        for _ in 0..<10 where try pair.client.finishConnecting() == .finished { return }
      }
      cut += 1 + cut / 16
    }
    #expect(cut > 100)
  }

  @Test(
    "what is no TLS is said, with how it begins",
    arguments: [("-ERR unknown command\r\nmore", "-ERR unknown command"), ("HTTP/1.1 400 Bad", "HTTP/1.1 400 Bad")])
  func notTLS(answer: String, shown: String) throws {
    let pipe = MemoryTransport()
    pipe.toClient = Array(answer.utf8)
    let client = try TLSTransport(over: pipe, authority.client(), at: "127.0.0.1:6379")
    do throws(TransportFault) {
      _ = try client.finishConnecting()
      Issue.record("no fault")
    } catch {
      #expect(
        error.description == "bus.example (127.0.0.1:6379): what answers there does not speak TLS (it begins with "
          + "\"\(shown)\"); use a redis:// URL where the server has no TLS, or its TLS port")
    }
  }

  @Test("a server that only listens is asked about in the text of a timeout, until it says something")
  func activity() throws {
    let pipe = MemoryTransport()
    let client = try TLSTransport(over: pipe, authority.client(), at: "127.0.0.1:6379")
    #expect(client.activity == "connecting to")
    #expect(try client.finishConnecting() == .blocked(on: .readable))
    #expect(client.activity == "the TLS handshake (is that a TLS port?) with")
    pipe.toClient = [22, 3, 3]
    #expect(try client.finishConnecting() == .blocked(on: .readable))
    #expect(client.activity == "the TLS handshake with")
  }

  @Test("a change of keys is followed and answered, and the stream goes on")
  func keyUpdate() throws {
    let pair = try authority.pair(version: TLS1_3_VERSION)
    for round: UInt8 in 1...5 {
      pair.pipe.toClient += pair.server.seal([round]) + pair.server.updateKey() + pair.server.seal([round, round])
      #expect(try pair.readAll() == [round, round, round])
      #expect(try pair.write([round]) == .bytes(1))
    }
    #expect(pair.server.received == [1, 2, 3, 4, 5])
  }

  @Test("a server that asks for new keys for ever and takes no answer is left")
  func keyUpdateFlood() throws {
    let pair = try authority.pair(version: TLS1_3_VERSION)
    _ = try pair.readAll()
    pair.pipe.writeRoom = 0
    #expect(throws: TransportFault.self) {
      // More than every answer that is kept: 26 bytes each.
      for _ in 0..<20_000 {
        pair.pipe.toClient += pair.server.updateKey()
        _ = try pair.readAll()
      }
    }
  }

  @Test("a new handshake in the middle is refused")
  func renegotiation() throws {
    let pair = try authority.pair(version: TLS1_2_VERSION)
    _ = try pair.readAll()
    let before = pair.pipe.written.count
    pair.pipe.toClient += pair.server.renegotiate()
    _ = try? pair.readAll()
    // What goes back is an alert (no_renegotiation; type 21), not a new hello (type 22).
    #expect(pair.pipe.written.dropFirst(before).first == 21)
  }

  @Test("after the peer's goodbye comes the end, again and again; ours is sent on closing")
  func goodbyes() throws {
    let pair = try authority.pair()
    pair.pipe.toClient += pair.server.seal([1]) + pair.server.goodbye()
    var buffer = ByteBuffer(capacity: 64)
    #expect(try pair.client.read(into: &buffer, atLeast: 64) == .bytes(1))
    #expect(pair.client.holdsMore)
    #expect(try pair.client.read(into: &buffer, atLeast: 64) == .end)
    #expect(try pair.client.read(into: &buffer, atLeast: 64) == .end)
    #expect(!pair.server.hasHeardGoodbye)
    pair.client.close()
    pair.client.close()
    #expect(pair.server.hasHeardGoodbye)
    #expect(pair.pipe.isClosed)
    #expect(throws: TransportFault.closed) { try pair.client.read(into: &buffer, atLeast: 64) }
  }

  @Test("bytes count as written only when their ciphertext is gone, and none is sent twice")
  func backPressure() throws {
    let pair = try authority.pair()
    let message = SeededGenerator.fixed(1, count: 40_000)
    pair.pipe.writeRoom = 0
    var turns = 0
    var sent = 0
    while sent < message.count, turns < 10_000 {
      let rest = message[sent...]
      switch try pair.write(Array(rest)) {
      case .bytes(let count): sent += count
      case .blocked(on: .writable): pair.pipe.writeRoom = 999
      default: Issue.record("neither written nor blocked")
      }
      // Not a byte of plaintext is there that is not told as written, but for what waits for its rest.
      #expect(sent == 0 || pair.server.received.count >= sent)
      turns += 1
    }
    #expect(turns > 40)
    #expect(pair.server.received == message)
  }

  @Test("what does not fit into the reader's room is kept and said")
  func holdsMore() throws {
    let pair = try authority.pair()
    _ = try pair.readAll()
    let message = SeededGenerator.fixed(2, count: 100_000)
    pair.pipe.toClient += pair.server.seal(message)
    var got: [UInt8] = []
    var reads = 0
    for _ in 0..<10_000 where got.count < message.count {
      var buffer = ByteBuffer(capacity: 1000)
      guard case .bytes = try pair.client.read(into: &buffer, atLeast: 1000) else { continue }
      for index in 0..<buffer.count { got.append(buffer.readable[index]) }
      // As long as the descriptor has nothing, the transport must say that it does.
      if pair.pipe.toClient.isEmpty, got.count < message.count { #expect(pair.client.holdsMore) }
      reads += 1
    }
    #expect(got == message)
    var buffer = ByteBuffer(capacity: 1000)
    _ = try pair.client.read(into: &buffer, atLeast: 1000)
    #expect(!pair.client.holdsMore)
    #expect(pair.pipe.reads < reads, "a read of the socket for every read of the stream")
  }

  @Test("anything that is sent arrives whole and in order, however it is cut on its way", arguments: versions)
  func randomly(version: Int32) throws {
    var random = SeededGenerator()
    let pair = try authority.pair(version: version)
    var sent: [UInt8] = []
    var written: [UInt8] = []
    var got: [UInt8] = []
    for _ in 0..<25 {
      let down = random.bytes(Int.random(in: 1...30_000, using: &random))
      sent += down
      pair.pipe.toClient += pair.server.seal(down)
      pair.pipe.readChunk = Int.random(in: 1...40_000, using: &random)
      got += try pair.readAll(atLeast: Int.random(in: 1...70_000, using: &random))
      let up = random.bytes(Int.random(in: 1...100_000, using: &random))
      pair.pipe.writeChunk = Int.random(in: 1...80_000, using: &random)
      var count = 0
      for _ in 0..<1_000_000 where count < up.count {
        guard case .bytes(let more) = try pair.write(Array(up[count...])) else { continue }
        count += more
      }
      written += up
      #expect(got == sent && pair.server.received == written, "\(random)")
      guard got == sent, pair.server.received == written else { return }
    }
  }

  @Test("a byte that was changed on its way ends the connection")
  func tampered() throws {
    let pair = try authority.pair()
    _ = try pair.readAll()
    var record = pair.server.seal([1, 2, 3])
    record[record.count - 1] ^= 1
    pair.pipe.toClient += record
    #expect(throws: TransportFault.self) { try pair.readAll() }
    // And nothing is written any more.
    #expect(throws: TransportFault.self) { try pair.write([1]) }
  }

  @Test(
    "a server whose part of the handshake does not end is left, and keeps the loop no longer than one read of the socket"
  )
  func endlessHandshake() throws {
    /// Always has one more record of HelloRequests, which OpenSSL passes over without limit (RFC 5246 section 7.4.1.1).
    final class Flood: Transport {
      var reads = 0
      var rawDescriptor: Int32 { -1 }
      func finishConnecting() throws(TransportFault) -> ConnectingProgress { .finished }
      func read(into buffer: inout ByteBuffer, atLeast count: Int) throws(TransportFault) -> TransportProgress {
        reads += 1
        let record: [UInt8] = [22, 3, 3, 0x40, 0] + [UInt8](repeating: 0, count: 16384)
        buffer.append(contentsOf: record.span)
        return .bytes(record.count)
      }
      func write(_ bytes: borrowing Span<UInt8>) throws(TransportFault) -> TransportProgress { .bytes(bytes.count) }
      func close() {}
    }
    let flood = Flood()
    let client = try TLSTransport(over: flood, authority.client(), at: "127.0.0.1:6379")
    var fault: TransportFault?
    for turn in 1...1000 where fault == nil {
      do throws(TransportFault) {
        let progress = try client.finishConnecting()
        #expect(progress == .blocked(on: .readable) && flood.reads == turn)
      } catch {
        fault = error
      }
    }
    guard case .tls(let found) = try #require(fault) else {
      Issue.record("\(fault as Any)")
      return
    }
    #expect(found.description.contains("does not end") && flood.reads < 30)
  }

  @Test("what was opened before a fault of the way is the caller's")
  func opensBeforeTheFault() throws {
    let pair = try authority.pair()
    _ = try pair.readAll()
    let whole = pair.server.seal([1, 2, 3])
    var record = pair.server.seal([4, 5, 6])
    record[record.count - 1] ^= 1
    pair.pipe.toClient += whole + record
    pair.pipe.writeFault = .system(SystemError(code: 32, call: "send"))
    var buffer = ByteBuffer(capacity: 100)
    #expect(try pair.client.read(into: &buffer, atLeast: 100) == .bytes(3))
    var fault: TransportFault?
    do throws(TransportFault) { _ = try pair.client.read(into: &buffer, atLeast: 100) } catch { fault = error }
    guard case .tls? = fault else {
      Issue.record("\(fault as Any)")
      return
    }
  }

  @Test("what the peer said before it went can be read where its going was noticed by a write")
  func readsAfterFailedWrite() throws {
    let pair = try authority.pair()
    _ = try pair.readAll()
    pair.pipe.toClient += pair.server.seal([1, 2, 3]) + pair.server.seal([4])
    pair.pipe.writeFault = .system(SystemError(code: 104, call: "send"))
    #expect(throws: TransportFault.self) { try pair.write([9]) }
    #expect(pair.client.holdsMore)
    var buffer = ByteBuffer(capacity: 100)
    #expect(try pair.client.read(into: &buffer, atLeast: 100) == .bytes(4))
    #expect((0..<4).map { buffer.readable[$0] } == [1, 2, 3, 4])
    #expect(!pair.client.holdsMore)
  }
}

extension SeededGenerator {
  static func fixed(_ seed: UInt64, count: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    return generator.bytes(count)
  }
}
