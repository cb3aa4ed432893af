import Bytes
import RESP
import RedisLink
import System
import Testing

extension CommanderMachine {
  /// Publishes `payload` to "chat".
  fileprivate mutating func publish(_ token: UInt64, _ payload: String, into output: inout ByteBuffer) {
    let channel = Array("chat".utf8)
    let payload = Array(payload.utf8)
    publish(
      token: token, channel: channel.span, payload: payload.span, at: Instant(nanoseconds: token), into: &output)
  }

  fileprivate mutating func receive(_ text: String, inPiecesOf size: Int = 1 << 30) -> [Action] {
    var actions: [Action] = []
    serve(text, inPiecesOf: size) { frame, _ in actions.append(receive(frame)) }
    return actions
  }
}

@Suite struct CommanderMachineTests {
  @Test("replies are the outcomes of the commands in their order, a refusal among them")
  func order() {
    var machine = CommanderMachine()
    var output = ByteBuffer(capacity: 64)
    for token in 10...13 as ClosedRange<UInt64> { machine.publish(token, "m\(token)", into: &output) }
    #expect(commands(in: &output) == (10...13).map { "PUBLISH chat m\($0)" })
    #expect(machine.inFlight == 4)
    #expect(machine.inFlightBytes == 12)
    let answers = ":2\r\n-NOPERM no\r\n>2\r\n+invalidate\r\n_\r\n:0\r\n-OOM full\r\n"
    #expect(
      machine.receive(answers, inPiecesOf: 1) == [
        .published(token: 10, receivers: 2), .refused(token: 11, .permission), .none,
        .published(token: 12, receivers: 0), .refused(token: 13, .storage),
      ])
    #expect(machine.inFlight == 0)
    #expect(machine.inFlightBytes == 0)
  }

  @Test("10,000 messages go through a full pipeline, each with its own outcome")
  func many() {
    var machine = CommanderMachine()
    var output = ByteBuffer(capacity: 64)
    var sent: UInt64 = 0
    var answered: UInt64 = 0
    while answered < 10_000 {
      while sent < 10_000, machine.canPublish(8) {
        machine.publish(sent, "message!", into: &output)
        sent += 1
      }
      #expect(machine.inFlight <= Limits.publishBatchMessages)
      // Uneven answers, so that the ring wraps at every place.
      let count = min(sent - answered, 1 + answered % 61)
      let actions = machine.receive(String(repeating: ":1\r\n", count: Int(count)))
      #expect(actions == (0..<count).map { .published(token: answered + $0, receivers: 1) })
      answered += count
    }
    #expect(commands(in: &output).count == 10_000)
  }

  @Test("the pipeline is full at 64 messages")
  func messageCap() {
    var machine = CommanderMachine()
    var output = ByteBuffer(capacity: 64)
    for token in 0..<UInt64(Limits.publishBatchMessages) {
      #expect(machine.canPublish(1) == true)
      machine.publish(token, "x", into: &output)
    }
    #expect(machine.canPublish(0) == false)
    #expect(machine.receive(":0\r\n").count == 1)
    #expect(machine.canPublish(1) == true)
  }

  @Test("the pipeline is full at its bytes, but a larger message may go alone")
  func byteCap() {
    var machine = CommanderMachine(messages: 8, bytes: 10)
    var output = ByteBuffer(capacity: 64)
    machine.publish(1, "123456", into: &output)
    #expect(machine.canPublish(4) == true)
    #expect(machine.canPublish(5) == false)
    #expect(machine.receive(":0\r\n") == [.published(token: 1, receivers: 0)])
    #expect(machine.canPublish(1_000) == true)
    machine.publish(2, String(repeating: "x", count: 1_000), into: &output)
    #expect(machine.canPublish(0) == false)
    #expect(machine.receive(":0\r\n") == [.published(token: 2, receivers: 0)])
    #expect(machine.canPublish(10) == true)
  }

  @Test("after a disconnect nothing is in flight, and the next connection begins clean")
  func reset() {
    var machine = CommanderMachine(messages: 4, bytes: 100)
    var output = ByteBuffer(capacity: 64)
    for token in 1...3 as ClosedRange<UInt64> { machine.publish(token, "x", into: &output) }
    #expect(machine.receive(":1\r\n:1\r\n").count == 2)
    for token in 4...6 as ClosedRange<UInt64> { machine.publish(token, "x", into: &output) }
    machine.reset()
    #expect(machine.inFlight == 0 && machine.inFlightBytes == 0)
    #expect(machine.waitsSince == nil)
    machine.publish(7, "x", into: &output)
    #expect(machine.receive(":9\r\n") == [.published(token: 7, receivers: 9)])
  }

  @Test("a probe has its answer in its turn, and a full pipeline has room for it")
  func probes() {
    var machine = CommanderMachine(messages: 2, bytes: 100)
    var output = ByteBuffer(capacity: 64)
    let names = BusNames(channel: "chat")
    machine.publish(1, "x", into: &output)
    machine.publish(2, "x", into: &output)
    machine.probe(.script, names, at: Instant(nanoseconds: 3), into: &output)
    #expect(machine.inFlight == 3)
    #expect(machine.receive(":1\r\n-OOM full\r\n$1\r\n:\r\n").suffix(2) == [.refused(token: 2, .storage), .probed])
    for (method, answer) in [(ProbeMethod.publish, ":3\r\n"), (.ping, "+PONG\r\n"), (.markedScript, "+x\r\n")] {
      machine.probe(method, names, at: Instant(nanoseconds: 4), into: &output)
      #expect(machine.receive(answer) == [.probed], "\(method)")
      machine.probe(method, names, at: Instant(nanoseconds: 5), into: &output)
      #expect(machine.receive("-LOADING x\r\n") == [.probeRefused(.notReady)], "\(method)")
    }
    // The kind of the answer must be the command's.
    machine.probe(.publish, names, at: Instant(nanoseconds: 6), into: &output)
    #expect(machine.receive("+PONG\r\n") == [.failed(.violation(.unexpectedReply))])
  }

  @Test("what has waited longest for its answer is known, with its name and since when")
  func waiting() {
    var machine = CommanderMachine()
    var output = ByteBuffer(capacity: 64)
    machine.probe(.ping, BusNames(channel: "chat"), at: Instant(nanoseconds: 3), into: &output)
    machine.publish(5, "x", into: &output)
    #expect(machine.waitsSince == Instant(nanoseconds: 3) && machine.waitsFor == "PING")
    _ = machine.receive("+PONG\r\n")
    #expect(machine.waitsSince == Instant(nanoseconds: 5) && machine.waitsFor == "PUBLISH")
    _ = machine.receive(":1\r\n")
    #expect(machine.waitsSince == nil)
  }

  @Test("a reply too many, or of another kind, is a fault and answers nobody")
  func outOfStep() {
    for text in ["+OK\r\n", ":-1\r\n", "$1\r\n1\r\n", "*0\r\n", "_\r\n", ",1\r\n"] {
      var machine = CommanderMachine()
      var output = ByteBuffer(capacity: 64)
      machine.publish(1, "x", into: &output)
      #expect(machine.receive(text) == [.failed(.violation(.unexpectedReply))], "\(text)")
    }
    var idle = CommanderMachine()
    #expect(idle.receive(":1\r\n") == [.failed(.violation(.unexpectedReply))])
  }

  @Test("an error that comes unasked is no message's outcome")
  func unasked() {
    var machine = CommanderMachine()
    #expect(machine.receive("-LOADING x\r\n") == [.failed(.refused(.notReady))])
    var output = ByteBuffer(capacity: 64)
    machine.publish(1, "x", into: &output)
    #expect(machine.receive("-ERR max number of clients reached\r\n") == [.failed(.refused(.tooManyClients))])
  }
}
