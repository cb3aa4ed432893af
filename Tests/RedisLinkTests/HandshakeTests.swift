import Bytes
import RESP
import RedisLink
import Testing

private let hello3 = "%3\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n+modules\r\n*0\r\n"

/// Plays a handshake: each command that is written gets the next of `answers`.
private func play(
  _ login: RedisLogin, _ answers: [String], inPiecesOf size: Int = 1 << 30
) -> (commands: [String], last: Handshake.Step) {
  var handshake = Handshake(login)
  var output = ByteBuffer(capacity: 64)
  handshake.start(into: &output)
  var sent = commands(in: &output)
  var last = Handshake.Step.waiting
  for answer in answers {
    serve(answer, inPiecesOf: size) { frame, _ in last = handshake.receive(frame, into: &output) }
    sent += commands(in: &output)
  }
  return (sent, last)
}

private func failure(_ step: Handshake.Step) -> RedisFault? {
  guard case .failed(let fault, _) = step else { return nil }
  return fault
}

@Suite struct HandshakeTests {
  let full = RedisLogin(user: "bus", password: "s3cret", database: 4, clientName: "clawd host")

  @Test("with RESP3 one HELLO logs in and names the connection, then the database is selected", arguments: [1, 7, 999])
  func resp3(size: Int) {
    let (commands, last) = play(full, [hello3, "+OK\r\n"], inPiecesOf: size)
    #expect(commands == ["HELLO 3 AUTH bus s3cret SETNAME clawd-host", "SELECT 4"])
    #expect(last == .ready(protocolVersion: 3))
  }

  @Test("database 0 is not selected, no credentials are not sent, no name is not set")
  func least() {
    let (commands, last) = play(RedisLogin(user: "", password: ""), [hello3])
    #expect(commands == ["HELLO 3"])
    #expect(last == .ready(protocolVersion: 3))
  }

  @Test("a password without a user is the default user's")
  func defaultUser() {
    #expect(play(RedisLogin(password: "p"), []).commands == ["HELLO 3 AUTH default p"])
    let unknown = "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'p' \r\n"
    #expect(play(RedisLogin(password: "p"), [unknown]).commands.last == "AUTH p")
  }

  @Test(
    "a server without RESP3 is asked in RESP2 instead",
    arguments: [
      "-NOPROTO unsupported protocol version\r\n",
      "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, \r\n",
      "-ERR unknown command 'hello'\r\n",
      "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'bus' 's3cret' \r\n",
    ])
  func fallback(refusal: String) {
    let (commands, last) = play(full, [refusal, "+OK\r\n", "+OK\r\n", "+OK\r\n"])
    #expect(commands.dropFirst() == ["AUTH bus s3cret", "CLIENT SETNAME clawd-host", "SELECT 4"])
    #expect(last == .ready(protocolVersion: 2))
  }

  @Test("a fallback without anything to say is ready at once")
  func shortFallback() {
    let (commands, last) = play(RedisLogin(), ["-NOPROTO sorry\r\n"])
    #expect(commands == ["HELLO 3"])
    #expect(last == .ready(protocolVersion: 2))
  }

  @Test("a HELLO that is answered in RESP2 is RESP2")
  func helloInRESP2() {
    let (_, last) = play(RedisLogin(), ["*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:2\r\n"])
    #expect(last == .ready(protocolVersion: 2))
  }

  @Test(
    "a login that is refused ends the handshake and never falls back",
    arguments: [
      "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
      "-NOAUTH HELLO must be called with the client already authenticated\r\n",
      "-NOPERM this user has no permissions to run the 'hello' command\r\n",
    ])
  func refusedLogin(refusal: String) throws {
    let (commands, last) = play(full, [refusal])
    #expect(commands.count == 1)
    let kind = try #require(failure(last)?.errorKind)
    #expect(kind.isConfigurationFault)
    #expect(kind.leastDelay >= 60_000_000_000)
  }

  @Test("in RESP2 a refused AUTH or SELECT ends the handshake as a configuration fault, whatever its words")
  func refusedInRESP2() {
    let noproto = "-NOPROTO x\r\n"
    for (answers, kind) in [
      (["-WRONGPASS x\r\n"], RedisErrorKind.authentication),
      (["-ERR invalid password\r\n"], .authentication),
      (["-ERR wrong number of arguments for 'auth' command\r\n"], .authentication),
      (["+OK\r\n", "-NOAUTH Authentication required.\r\n"], .authentication),
      (["+OK\r\n", "+OK\r\n", "-ERR DB index is out of range\r\n"], .configuration),
      (["+OK\r\n", "+OK\r\n", "-ERR something new\r\n"], .configuration),
    ] {
      #expect(failure(play(full, [noproto] + answers).last) == .refused(kind), "\(answers)")
    }
  }

  @Test("a refused name matters to nobody")
  func refusedName() {
    let answers = ["-NOPROTO x\r\n", "+OK\r\n", "-NOPERM no right to run 'client|setname'\r\n", "+OK\r\n"]
    let (commands, last) = play(full, answers)
    #expect(commands.last == "SELECT 4")
    #expect(last == .ready(protocolVersion: 2))
  }

  @Test("an error that comes unasked, before any answer, is the answer")
  func tooManyClients() {
    let last = play(full, ["-ERR max number of clients reached\r\n"]).last
    #expect(last == .failed(.refused(.tooManyClients), text: "ERR max number of clients reached"))
  }

  @Test("pushes between the answers are passed over")
  func pushes() {
    let push = ">2\r\n+invalidate\r\n*0\r\n"
    let (commands, last) = play(full, [push, hello3, push, "+OK\r\n"])
    #expect(commands.count == 2)
    #expect(last == .ready(protocolVersion: 3))
  }

  @Test("answers that no Redis gives are faults")
  func violations() {
    for answer in [
      "+OK\r\n", ":3\r\n", "%0\r\n", "%1\r\n+proto\r\n:4\r\n", "%1\r\n+proto\r\n+3\r\n", "*1\r\n+proto\r\n", "_\r\n",
    ] {
      #expect(failure(play(RedisLogin(), [answer]).last) == .violation(.badHello), "\(answer)")
    }
    for answer in [":1\r\n", "+QUEUED\r\n", "$-1\r\n", hello3] {
      #expect(failure(play(full, [hello3, answer]).last) == .violation(.unexpectedReply), "\(answer)")
    }
    #expect(failure(play(RedisLogin(), [hello3, "+OK\r\n"]).last) == .violation(.unexpectedReply))
  }

  @Test("a second start on a new connection begins from the beginning, with RESP3")
  func restart() {
    var handshake = Handshake(RedisLogin())
    var output = ByteBuffer(capacity: 64)
    var last = Handshake.Step.waiting
    handshake.start(into: &output)
    serve("-NOPROTO x\r\n") { frame, _ in last = handshake.receive(frame, into: &output) }
    #expect(last == .ready(protocolVersion: 2))
    output.removeAll()
    handshake.start(into: &output)
    #expect(commands(in: &output) == ["HELLO 3"])
    serve(hello3) { frame, _ in last = handshake.receive(frame, into: &output) }
    #expect(last == .ready(protocolVersion: 3))
  }

  @Test("a client name is printable ASCII without blanks, at most 64 bytes")
  func clientName() {
    #expect(RedisLogin(clientName: "a b\r\nc\u{7F}é").clientName == "a-b--c---")
    #expect(RedisLogin(clientName: String(repeating: "x", count: 100)).clientName.utf8.count == 64)
  }

  @Test("the password is in no description and no error, whatever the server repeats")
  func secrecy() {
    var shown = [String(describing: full), String(reflecting: full)]
    dump(full, to: &shown[0])
    for refusal in [
      "-ERR unknown command 'FOO', with args beginning with: 's3cret' \r\n",
      "-WRONGPASS user bus has no password s3cret\r\n",
    ] {
      shown.append("\(play(full, [refusal]).last)")
    }
    for text in shown { #expect(!text.contains("s3cret")) }
    #expect(
      play(full, ["-ERR unknown command 'FOO', with args beginning with: 's3cret' \r\n"]).last
        == .failed(.refused(.other), text: "ERR unknown command 'FOO'"))
  }
}
