import Bytes
import RESP
import RedisLink
import System
import Testing

private let names = BusNames(channel: "chat")

/// A machine with a batch, what it writes, and what it is answered.
struct Commander: ~Copyable {
  var machine: CommanderMachine
  var batch = PublishBatch()
  var output = ByteBuffer(capacity: 64)
  var now = Instant(nanoseconds: 1)

  init(streamMaxLength: Int = 100, hiding secret: String? = nil) {
    machine = CommanderMachine(names, streamMaxLength: streamMaxLength, hiding: secret)
  }

  /// Puts objects into a new batch and publishes it.
  mutating func publish(_ objects: [String], isMarked: Bool = false, after: StreamID? = nil) {
    batch.removeAll()
    for text in objects { batch.append(Array(text.utf8).span) }
    let epoch = StreamEpoch(high: 1, low: 2)
    machine.publish(batch, isMarked: isMarked, after: after, epoch: epoch, at: now, into: &output)
  }

  mutating func fetch(_ request: StreamRequest) { machine.fetch(request, at: now, into: &output) }
  mutating func probe(_ method: ProbeMethod) { machine.probe(method, at: now, into: &output) }

  mutating func receive(_ text: String, inPiecesOf size: Int = 1 << 30) -> [CommanderMachine.Action] {
    var actions: [CommanderMachine.Action] = []
    serve(text, inPiecesOf: size) { frame, _ in
      actions.append(machine.receive(frame, batch, at: now, into: &output))
    }
    return actions
  }

  /// What it has written since this was last asked, as commands of words.
  mutating func written() -> [String] { commands(in: &output) }
}

/// An array of bulk strings, as a script answers.
func array(_ texts: String...) -> String { "*\(texts.count)\r\n" + texts.map(bulk).joined() }

@Suite struct CommanderMachineTests {
  @Test("replies are the outcomes of the commands in their order, a refusal among them, however the bytes are cut")
  func order() {
    for size in [1, 2, 7, 1 << 30] {
      var commander = Commander()
      commander.fetch(.length)
      commander.publish([object("a")])
      commander.fetch(.trim(to: 5))
      commander.probe(.ping)
      commander.fetch(.meta)
      let inFlight = commander.machine.inFlight
      #expect(inFlight == 5)
      let answers = ":7\r\n" + array("+1:5-0") + "-OOM full\r\n>2\r\n+invalidate\r\n_\r\n+PONG\r\n*2\r\n$-1\r\n_\r\n"
      #expect(
        commander.receive(answers, inPiecesOf: size) == [
          .fetched(.length), .published, .fetchRefused(.trim(to: 5), .storage), .none, .probed, .fetched(.meta),
        ])
      let left = (commander.machine.inFlight, commander.machine.inFlightBytes)
      #expect(left == (0, 0))
    }
  }

  @Test("10,000 requests are answered in their order, however many are in flight")
  func many() {
    var commander = Commander()
    var sent = 0
    var answered = 0
    while answered < 10_000 {
      // Uneven in both directions, so that the ring wraps and grows at every place.
      let more = min(10_000 - sent, 1 + (sent + answered) % 61)
      for _ in 0..<more {
        commander.fetch(.trim(to: UInt64(sent)))
        sent += 1
      }
      let count = min(sent - answered, 1 + answered % 47)
      let actions = commander.receive(String(repeating: ":1\r\n", count: count))
      #expect(actions == (0..<count).map { .fetched(.trim(to: UInt64(answered + $0))) })
      answered += count
    }
    #expect(commander.written().count == 10_000)
  }

  @Test("each request is the command that it stands for")
  func requests() {
    var commander = Commander()
    let id = StreamID(milliseconds: 12, sequence: 3)
    for request in [
      StreamRequest.meta, .page(from: id, count: 100), .newest(before: nil, count: 1), .newest(before: id, count: 7),
      .length, .trim(to: 7500),
    ] {
      commander.fetch(request)
    }
    #expect(
      commander.written() == [
        "HMGET {chat}:meta epoch seq", "XRANGE {chat}:stream 12-3 + COUNT 100", "XREVRANGE {chat}:stream + - COUNT 1",
        "XREVRANGE {chat}:stream (12-3 - COUNT 7", "XLEN {chat}:stream", "XTRIM {chat}:stream MAXLEN = 7500",
      ])
  }

  @Test("an answer that a request cannot have is a fault")
  func strangeAnswers() {
    let page = StreamRequest.page(from: .zero, count: 9)
    for (request, text) in [
      (StreamRequest.length, "-1"), (.length, ":-1"), (.trim(to: 1), "+OK"), (.meta, "*0"),
      (.meta, "*3\r\n_\r\n_\r\n_"),
      (.meta, "*2\r\n_\r\n:1"), (.meta, "*2\r\n_\r\n*0"), (.meta, "_"), (.meta, "%1\r\n_\r\n_"), (page, ":0"),
      (page, "+x"), (.newest(before: nil, count: 1), "%0"),
    ] where text != "-1" {
      var commander = Commander()
      commander.fetch(request)
      #expect(commander.receive(text + "\r\n") == [.failed(.violation(.badAnswer))], "\(request) \(text)")
    }
  }

  @Test("the epoch and number of the meta hash are read strictly: what is none is as good as missing")
  func meta() {
    let epoch = String(repeating: "0a", count: 16)
    let known = StreamEpoch(high: 0x0a0a_0a0a_0a0a_0a0a, low: 0x0a0a_0a0a_0a0a_0a0a)
    for (first, second, expected) in [
      (bulk(epoch), bulk("17"), StreamMeta(epoch: known, number: 17)),
      (bulk(epoch), bulk("9007199254740992"), StreamMeta(epoch: known, number: 1 << 53)),
      (bulk(epoch.uppercased()), bulk("9007199254740993"), StreamMeta(epoch: nil, number: nil)),
      (bulk(epoch + "0"), bulk("1e+14"), StreamMeta(epoch: nil, number: nil)),
      ("$-1\r\n", "_\r\n", StreamMeta(epoch: nil, number: nil)),
      (bulk(""), bulk("-1"), StreamMeta(epoch: nil, number: nil)),
    ] {
      let log = LinkLog()
      serve("*2\r\n" + first + second) { frame, _ in
        if let meta = StreamMeta(frame) { log.fetched(meta: meta) }
      }
      let other = LinkLog()
      other.fetched(meta: expected)
      #expect(log.answers == other.answers)
    }
  }

  @Test("after a disconnect nothing is in flight, and the next connection begins clean")
  func reset() {
    var commander = Commander()
    for _ in 0..<3 { commander.fetch(.length) }
    #expect(commander.receive(":1\r\n:1\r\n").count == 2)
    commander.publish([object("x")])
    commander.machine.reset()
    let left = (commander.machine.inFlight, commander.machine.inFlightBytes)
    #expect(left == (0, 0))
    #expect(commander.machine.waitsSince == nil)
    commander.publish([object("y")])
    #expect(commander.receive(array("+1:5-0")) == [.published])
  }

  @Test("a probe has its answer in its turn")
  func probes() {
    var commander = Commander()
    for (method, answer) in [
      (ProbeMethod.publish, ":3\r\n"), (.ping, "+PONG\r\n"), (.markedScript, "+x\r\n"), (.script, "$1\r\n:\r\n"),
    ] {
      commander.probe(method)
      #expect(commander.receive(answer) == [.probed], "\(method)")
      commander.probe(method)
      #expect(commander.receive("-LOADING x\r\n") == [.probeRefused(.notReady)], "\(method)")
    }
    // The kind of the answer must be the command's.
    commander.probe(.publish)
    #expect(commander.receive("+PONG\r\n") == [.failed(.violation(.unexpectedReply))])
  }

  @Test("what has waited longest for its answer is known, with its name and since when")
  func waiting() {
    var commander = Commander()
    commander.now = Instant(nanoseconds: 3)
    commander.probe(.ping)
    commander.now = Instant(nanoseconds: 5)
    commander.publish([object("x")])
    commander.fetch(.page(from: .zero, count: 1))
    var waits = (commander.machine.waitsSince, commander.machine.waitsFor)
    #expect(waits == (Instant(nanoseconds: 3), "PING"))
    _ = commander.receive("+PONG\r\n")
    waits = (commander.machine.waitsSince, commander.machine.waitsFor)
    #expect(waits == (Instant(nanoseconds: 5), "EVALSHA"))
    _ = commander.receive(array("+1:5-0"))
    #expect(commander.machine.waitsFor == "XRANGE")
    _ = commander.receive("*0\r\n")
    #expect(commander.machine.waitsSince == nil)
  }

  @Test("a reply too many, or of another kind, is a fault and answers nobody")
  func outOfStep() {
    for text in ["+OK\r\n", ":1\r\n", "$1\r\n1\r\n", "*0\r\n", "_\r\n", ",1\r\n"] {
      var commander = Commander()
      commander.publish([object("x")])
      #expect(commander.receive(text) == [.failed(.violation(.unexpectedReply))], "\(text)")
    }
    var idle = Commander()
    #expect(idle.receive(":1\r\n") == [.failed(.violation(.unexpectedReply))])
  }

  @Test("an error that comes unasked is no message's outcome")
  func unasked() {
    var commander = Commander()
    #expect(commander.receive("-LOADING x\r\n") == [.failed(.refused(.notReady))])
    commander.publish([object("x")])
    #expect(commander.receive("-ERR max number of clients reached\r\n") == [.failed(.refused(.tooManyClients))])
  }
}
