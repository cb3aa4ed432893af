import Bytes
import RESP
import RedisLink
import Testing

/// An action with its payload as text.
private enum Seen: Equatable {
  case nothing
  case subscribed
  case message(String)
  case oversized(Int)
  case probe(String)
  case pong
  case failed(RedisFault)
}

private let names = BusNames(channel: "chat")
private let probes = "{chat}:probe"

/// Starts a subscriber of "chat" and shows what each frame of `text` makes it do.
private func play(_ protocolVersion: Int, _ text: String, inPiecesOf size: Int = 1 << 30) -> [Seen] {
  var machine = SubscriberMachine(names)
  var output = ByteBuffer(capacity: 64)
  machine.start(protocolVersion: protocolVersion, into: &output)
  return receive(text, &machine, inPiecesOf: size)
}

private func receive(_ text: String, _ machine: inout SubscriberMachine, inPiecesOf size: Int = 1 << 30) -> [Seen] {
  var seen: [Seen] = []
  var output = ByteBuffer(capacity: 64)
  serve(text, inPiecesOf: size) { frame, bytes in
    switch machine.receive(frame, into: &output) {
    case .none: seen.append(.nothing)
    case .subscribed: seen.append(.subscribed)
    case .message(let payload): seen.append(.message(String(repairing: bytes.extracting(payload))))
    case .oversized(let byteCount): seen.append(.oversized(byteCount))
    case .probe(let mark): seen.append(.probe(String(repairing: bytes.extracting(mark))))
    case .pong: seen.append(.pong)
    case .failed(let fault): seen.append(.failed(fault))
    }
  }
  return seen
}

private func confirmations(_ type: Character) -> String {
  pubsub(type, "subscribe", "chat", count: 1) + pubsub(type, "subscribe", probes, count: 2)
}

@Suite struct SubscriberMachineTests {
  @Test("all channels are subscribed with one command")
  func start() {
    var machine = SubscriberMachine(names)
    var output = ByteBuffer(capacity: 64)
    machine.start(protocolVersion: 3, into: &output)
    #expect(commands(in: &output) == ["SUBSCRIBE chat {chat}:probe"])
    #expect(machine.isSubscribed == false)
  }

  @Test(
    "confirmations and messages are read in RESP2 and RESP3, in any pieces",
    arguments: [(2, "*" as Character), (3, ">")], [1, 2, 13, 4_096])
  func messages(version: (Int, Character), size: Int) {
    let (protocolVersion, type) = version
    let text =
      confirmations(type) + pubsub(type, "message", "chat", "hello\r\n🌍") + pubsub(type, "message", probes, "a:1")
      + pubsub(type, "message", probes, "")
    #expect(
      play(protocolVersion, text, inPiecesOf: size)
        == [.nothing, .subscribed, .message("hello\r\n🌍"), .probe("a:1"), .probe("")])
  }

  @Test(
    "a message too long to be kept is told with its channel and size, between its neighbours",
    arguments: [(2, "*" as Character), (3, ">")], [65_536, 1 << 30])
  func oversized(version: (Int, Character), size: Int) {
    let (protocolVersion, type) = version
    let longer = String(repeating: "x", count: Limits.respBulkBytes + 1)
    let text =
      confirmations(type) + pubsub(type, "message", "chat", "before") + pubsub(type, "message", "chat", longer)
      + pubsub(type, "message", "elsewhere", longer) + pubsub(type, "message", "chat", "after")
    #expect(
      play(protocolVersion, text, inPiecesOf: size)
        == [
          .nothing, .subscribed, .message("before"), .oversized(longer.utf8.count), .nothing,
          .message("after"),
        ])
  }

  @Test("an oversized string anywhere but in a message's place for its text is a fault")
  func oversizedElsewhere() {
    let longer = bulk(String(repeating: "x", count: Limits.respBulkBytes + 1))
    for text in [
      ">3\r\n\(longer)+chat\r\n+x\r\n", ">3\r\n+message\r\n\(longer)+x\r\n", ">3\r\n+subscribe\r\n+chat\r\n\(longer)",
    ] {
      #expect(play(3, text) == [.failed(.violation(.badPush))])
    }
    #expect(play(3, longer) == [.failed(.violation(.unexpectedReply))])
  }

  @Test("a message that comes while another channel is not confirmed is delivered")
  func earlyMessage() {
    let text =
      pubsub(">", "subscribe", "chat", count: 1) + pubsub(">", "message", "chat", "x")
      + pubsub(">", "subscribe", probes, count: 2)
    #expect(play(3, text) == [.nothing, .message("x"), .subscribed])
  }

  @Test("subscribed is said once, however often a channel is confirmed")
  func repeatedConfirmation() {
    let twice = pubsub(">", "subscribe", "chat", count: 1) + pubsub(">", "subscribe", "chat", count: 1)
    #expect(play(3, twice) == [.nothing, .nothing])
    #expect(play(3, confirmations(">") + twice) == [.nothing, .subscribed, .nothing, .nothing])
  }

  @Test("10,000 messages come out in order, whole and in pieces")
  func many() {
    let text =
      confirmations(">") + (0..<10_000).map { pubsub(">", "message", "chat", "message \($0)") }.joined()
    let expected = [.nothing, .subscribed] + (0..<10_000).map { Seen.message("message \($0)") }
    #expect(play(3, text) == expected)
    #expect(play(3, text, inPiecesOf: 17) == expected)
  }

  @Test("after a new start every channel must be confirmed again")
  func resubscribe() {
    var machine = SubscriberMachine(names)
    var output = ByteBuffer(capacity: 64)
    machine.start(protocolVersion: 3, into: &output)
    #expect(receive(confirmations(">"), &machine).last == .subscribed)
    #expect(machine.isSubscribed == true)
    output.removeAll()
    machine.start(protocolVersion: 2, into: &output)
    #expect(machine.isSubscribed == false)
    #expect(commands(in: &output) == ["SUBSCRIBE chat {chat}:probe"])
    #expect(receive(confirmations("*"), &machine) == [.nothing, .subscribed])
  }

  @Test("a refused subscription says why")
  func refused() {
    #expect(play(3, "-NOAUTH x\r\n") == [.failed(.refused(.authentication))])
    #expect(play(2, "-LOADING Redis is loading\r\n") == [.failed(.refused(.notReady))])
  }

  @Test(
    "where the probes are not permitted the bus alone is subscribed; where that is not, it is refused",
    arguments: [(2, "*" as Character), (3, ">")])
  func withoutProbes(version: (Int, Character)) {
    let (protocolVersion, type) = version
    var machine = SubscriberMachine(names)
    var output = ByteBuffer(capacity: 64)
    machine.start(protocolVersion: protocolVersion, into: &output)
    output.removeAll()
    func play(_ text: String) -> [SubscriberMachine.Action] {
      var actions: [SubscriberMachine.Action] = []
      serve(text) { frame, _ in actions.append(machine.receive(frame, into: &output)) }
      return actions
    }
    var hearsProbes = machine.hearsProbes
    #expect(hearsProbes)
    #expect(play("-NOPERM no channel\r\n") == [.none])
    #expect(commands(in: &output) == ["SUBSCRIBE chat"])
    hearsProbes = machine.hearsProbes
    let isSubscribed = machine.isSubscribed
    #expect(!hearsProbes && !isSubscribed)
    #expect(play(pubsub(type, "subscribe", "chat", count: 1)) == [.subscribed])
    #expect(play("-NOPERM no channel\r\n") == [.failed(.refused(.permission))])

    machine.start(protocolVersion: protocolVersion, into: &output)
    hearsProbes = machine.hearsProbes
    #expect(hearsProbes, "rights may have changed")
    #expect(play("-NOPERM no channel\r\n-NOPERM no channel\r\n") == [.none, .failed(.refused(.permission))])
  }

  @Test("PING is answered in both protocols, by an error too; what nobody asked for is a fault")
  func pings() {
    for (version, answer) in [(3, "+PONG\r\n"), (2, "*2\r\n$4\r\npong\r\n$0\r\n\r\n"), (3, "-LOADING x\r\n")] {
      var machine = SubscriberMachine(names)
      var output = ByteBuffer(capacity: 64)
      machine.start(protocolVersion: version, into: &output)
      _ = receive(confirmations(version == 3 ? ">" : "*"), &machine)
      output.removeAll()
      machine.ping(into: &output)
      #expect(commands(in: &output) == ["PING"])
      #expect(receive(answer, &machine) == [.pong])
      let again = receive(answer, &machine)
      #expect(version == 2 ? again == [.nothing] : again != [.pong], "\(answer)")
    }
  }

  @Test("pushes that are not ours are passed over", arguments: [(2, "*" as Character), (3, ">")])
  func foreign(protocolVersion: Int, type: Character) {
    let text =
      pubsub(type, "message", "elsewhere", "x") + "\(type)4\r\n+pmessage\r\n+*\r\n+chat\r\n+x\r\n"
      + pubsub(type, "psubscribe", "*", count: 3) + "\(type)2\r\n+pong\r\n$0\r\n\r\n"
      + pubsub(type, "subscribe", "elsewhere", count: 3) + pubsub(type, "unsubscribe", "elsewhere", count: 2)
      + "\(type)3\r\n+unsubscribe\r\n$-1\r\n:0\r\n" + "\(type)2\r\n+invalidate\r\n*1\r\n*1\r\n+k\r\n"
    #expect(play(protocolVersion, text) == Array(repeating: .nothing, count: 8))
  }

  @Test("the end of one of our subscriptions is a fault")
  func unsubscribed() {
    #expect(play(3, pubsub(">", "unsubscribe", "chat", count: 0)) == [.failed(.violation(.unsubscribed))])
    #expect(play(2, pubsub("*", "unsubscribe", probes, count: 0)) == [.failed(.violation(.unsubscribed))])
  }

  @Test("a reply that nothing asked for is a fault; in RESP3 an array is a reply")
  func strayReplies() {
    for text in ["+OK\r\n", ":1\r\n", "$-1\r\n", "%0\r\n", pubsub("*", "message", "chat", "x")] {
      #expect(play(3, text) == [.failed(.violation(.unexpectedReply))], "\(text)")
    }
    #expect(play(2, "+PONG\r\n") == [.failed(.violation(.unexpectedReply))])
  }

  @Test(
    "a message or confirmation that is not whole is a fault",
    arguments: [
      ">0\r\n", ">1\r\n:1\r\n", ">1\r\n*0\r\n", ">1\r\n+message\r\n", ">2\r\n+message\r\n+chat\r\n",
      ">4\r\n+message\r\n+chat\r\n+x\r\n+y\r\n", ">3\r\n+message\r\n+chat\r\n:1\r\n", ">3\r\n+message\r\n_\r\n+x\r\n",
      ">3\r\n+message\r\n+chat\r\n*1\r\n+x\r\n", ">2\r\n+message\r\n*1\r\n+chat\r\n",
      ">3\r\n+subscribe\r\n+chat\r\n+1\r\n",
      ">2\r\n+subscribe\r\n+chat\r\n", ">1\r\n+unsubscribe\r\n",
    ])
  func incomplete(text: String) {
    #expect(play(3, text) == [.failed(.violation(.badPush))])
  }
}
