import Bytes
import RedisLink
import Testing

private let denied = "-NOPERM this user has no permissions to run the '%' command\r\n"

private func denial(_ command: String) -> String {
  denied.split(separator: "%", omittingEmptySubsequences: false).joined(separator: command)
}

@Suite("Publishing a batch")
struct PublishTests {
  let objects = [object("a"), object("b"), object("c")]

  @Test("is one call of the script by its name, with the stream, its limit, an epoch and every object")
  func call() {
    var commander = Commander(streamMaxLength: 7500)
    commander.publish(objects, after: StreamID(milliseconds: 8, sequence: 1))
    let call = commander.written().first ?? ""
    let words = call.split(separator: " ", omittingEmptySubsequences: false)
    #expect(words.prefix(2).first == "EVALSHA" && words[1].count == 40)
    let expected =
      ["2", "{chat}:stream", "{chat}:meta", "chat", "00000000000000010000000000000002", "7500", "8-1"] + objects
    #expect(words.dropFirst(2).map(String.init) == expected)
    commander.publish([objects[0]])
    #expect(commander.written().first?.hasSuffix(" 7500  \(objects[0])") == true, "without an `after`")
  }

  @Test("has an outcome for each object, however the answer is cut")
  func outcomes() {
    let ids = (1...9).map { StreamID(milliseconds: $0, sequence: 0) }
    for size in [1, 2, 3, 1 << 30] {
      var commander = Commander()
      commander.publish(objects)
      let error = "NOPERM no: channel"
      let answer = array("+100000000000000:1-0", "=2-0", "!100000000000001:3-0:\(error)")
      #expect(commander.receive(answer, inPiecesOf: size) == [.published])
      #expect(
        commander.machine.outcomes == [
          .stored(number: 100_000_000_000_000, ids[0], announced: true, text: ""), .found(ids[1]),
          .stored(number: 100_000_000_000_001, ids[2], announced: false, text: error),
        ])
      commander.publish(objects)
      #expect(commander.receive(array("+1:1-0", "-OOM full")) == [.published])
      let expected: [PublishOutcome] = [
        .stored(number: 1, ids[0], announced: true, text: ""), .refused(.storage, text: "OOM full"), .notTried,
      ]
      #expect(commander.machine.outcomes == expected)
    }
  }

  @Test("takes an answer that is not the script's for a fault")
  func malformed() {
    for answer in [
      array(), array("+1:1-0"), array("+1:1-0", "+2:2-0"), array("+1:1-0", "+2:2-0", "+3:3-0", "+4:4-0"),
      array("-OOM", "+1:1-0"), array("-OOM", "-OOM"), array("", "", ""), array("+1:1-0", "+2:2-0", "?"),
      array("+1:1-0", "+2:2-0", "+03:3-0"), array("+1:1-0", "+2:2-0", "+3:3"), array("+1:1-0", "+2:2-0", "+3"),
      array("+1:1-0", "+2:2-0", "+0:3-0"), array("+1:1-0", "+2:2-0", "+9007199254740993:3-0"),
      array("+1:1-0", "+2:2-0", "!3:3-0"), array("=1", "=2-0", "=3-0"), "*3\r\n+x\r\n:1\r\n:2\r\n",
      "*3\r\n*1\r\n+x\r\n+y\r\n+z\r\n", "%1\r\n+=1-0\r\n+=2-0\r\n",
    ] {
      var commander = Commander()
      commander.publish(objects)
      #expect(commander.receive(answer) == [.failed(.violation(.unexpectedReply))], "\(answer)")
    }
  }

  @Test("sends the script's text at once where the server has forgotten it, and the name again the next time")
  func noScript() {
    var commander = Commander()
    commander.publish(objects)
    _ = commander.written()
    #expect(commander.receive("-NOSCRIPT No matching script. Please use EVAL.\r\n") == [.none])
    let calls = commander.written()
    #expect(calls.count == 1 && calls[0].hasPrefix("EVAL local ") && calls[0].hasSuffix(objects.joined(separator: " ")))
    #expect(commander.receive(array("+1:1-0", "+2:2-0", "+3:3-0")) == [.published])
    commander.publish(objects)
    #expect(commander.written().first?.hasPrefix("EVALSHA ") == true)
    _ = commander.receive("-NOSCRIPT x\r\n")
    // What is no answer to it is no loop either.
    #expect(commander.receive("-NOSCRIPT x\r\n") == [.publishRefused(.noScript)])
  }

  @Test("marks the script for servers that know the mark, and for no others")
  func marked() {
    var commander = Commander()
    commander.publish(objects, isMarked: true)
    _ = commander.receive("-NOSCRIPT x\r\n")
    let calls = commander.written()
    #expect(calls.last?.hasPrefix("EVAL #!lua flags=allow-key-locking\nlocal ") == true)
    _ = commander.receive(array("+1:1-0", "+2:2-0", "+3:3-0"))
    commander.publish(objects)
    let other = commander.written().first ?? ""
    #expect(calls[0].prefix(48) != other.prefix(48), "they are two scripts")
  }

  @Test("of which nothing was stored is refused as a whole")
  func refused() {
    var commander = Commander()
    for (error, kind) in [
      (
        "OOM command not allowed when used memory > 'maxmemory'. script: 01, on @user_script:3.", RedisErrorKind.storage
      ),
      ("NOPERM this user has no permissions to access one of the keys used as arguments", .permission),
      ("NOPERM User u has no permissions to access the '{evaluation}:stream' key", .permission),
      ("ERR The user executing the script can't run this command or subcommand script: 01", .permission),
      ("ERR ACL failure in script: User u has no permissions to run the 'hmget' command", .permission),
      ("ERR max request size exceeded. Limit: 1048576 bytes, Actual: 1048577 bytes", .tooLarge),
      ("ERR Protocol error: invalid bulk length", .tooLarge), ("ERR DB capacity quota exceeded", .storage),
    ] {
      commander.publish(objects)
      #expect(commander.receive("-\(error)\r\n") == [.publishRefused(kind)], "\(error)")
    }
    #expect(commander.written().allSatisfy { $0.hasPrefix("EVALSHA ") })
  }

  @Test("reads what Redis 6.2 puts around the error of a command inside a script")
  func wrapped() {
    var commander = Commander()
    commander.publish(objects)
    _ = commander.receive(array("-@user_script: 41: -OOM command not allowed when used memory > 'maxmemory'."))
    guard case .refused(let kind, _) = commander.machine.outcomes[0] else {
      Issue.record("not refused")
      return
    }
    #expect(kind == .storage)
  }

  @Test("keeps a secret that an error repeats to itself")
  func hides() {
    var commander = Commander(hiding: "hunter2")
    commander.publish([object("a"), object("b")])
    _ = commander.receive(array("!1:1-0:ERR hunter2", "-ERR hunter2"))
    let said = "\(commander.machine.outcomes)"
    #expect(said.contains("withheld") && !said.contains("hunter2"))
  }
}

@Suite("Publishing where scripts are not permitted")
struct PublishWithoutScriptTests {
  let objects = [object("a"), object("b"), object("c")]

  private func id(_ milliseconds: UInt64) -> StreamID { StreamID(milliseconds: milliseconds, sequence: 0) }

  /// A machine that has found out that it may use neither EVALSHA nor EVAL, with its first XADD written.
  private func denied() -> Commander {
    var commander = Commander(streamMaxLength: 7)
    commander.publish(objects)
    #expect(commander.receive(denial("evalsha")) == [.none])
    #expect(commander.written().last?.hasPrefix("EVAL local ") == true, "the other may be permitted")
    #expect(commander.receive(denial("eval")) == [.goesWithoutScript])
    return commander
  }

  @Test(
    "stores an object, and announces it only when it is stored, together with storing the next")
  func sequence() {
    var commander = denied()
    #expect(commander.written() == ["XADD {chat}:stream MAXLEN ~ 7 * m \(objects[0])"])
    #expect(commander.receive(bulk("5-0")) == [.none])
    #expect(
      commander.written() == ["PUBLISH chat \(objects[0])", "XADD {chat}:stream MAXLEN ~ 7 * m \(objects[1])"])
    #expect(commander.receive(":2\r\n" + bulk("6-0")) == [.none, .none])
    #expect(
      commander.written() == ["PUBLISH chat \(objects[1])", "XADD {chat}:stream MAXLEN ~ 7 * m \(objects[2])"])
    #expect(commander.receive("-NOPERM no channel\r\n" + bulk("7-0")) == [.none, .none])
    #expect(commander.written() == ["PUBLISH chat \(objects[2])"])
    #expect(commander.receive(":0\r\n") == [.published])
    #expect(
      commander.machine.outcomes == [
        .stored(number: 0, id(5), announced: true, text: ""),
        .stored(number: 0, id(6), announced: false, text: "NOPERM no channel"),
        .stored(number: 0, id(7), announced: true, text: ""),
      ])
    let left = (commander.machine.inFlight, commander.machine.inFlightBytes)
    #expect(left == (0, 0))
  }

  @Test("stops at the first object that is refused, and announces nothing that is not stored")
  func refused() {
    var commander = denied()
    _ = commander.receive(bulk("5-0"))
    _ = commander.written()
    #expect(commander.receive(":1\r\n-OOM full\r\n") == [.none, .published])
    #expect(commander.written() == [])
    #expect(Array(commander.machine.outcomes.dropFirst()) == [.refused(.storage, text: "OOM full"), .notTried])
  }

  @Test("does not ask again on this connection, and asks anew on the next")
  func remembered() {
    var commander = denied()
    _ = commander.receive("-OOM full\r\n")
    _ = commander.written()
    commander.publish([objects[2]])
    #expect(commander.written() == ["XADD {chat}:stream MAXLEN ~ 7 * m \(objects[2])"])
    commander.machine.reset()
    commander.publish([objects[2]])
    #expect(commander.written().first?.hasPrefix("EVALSHA ") == true)
  }

  @Test("is not where EVAL alone is permitted, nor where a server does not know the one or the other")
  func otherServers() {
    var commander = Commander()
    commander.publish([objects[0]])
    #expect(commander.receive(denial("evalsha")) == [.none])
    #expect(commander.receive(array("+1:1-0")) == [.published])
    _ = commander.written()
    commander.publish([objects[0]])
    #expect(commander.written().first?.hasPrefix("EVAL local ") == true)

    var old = Commander()
    old.publish([objects[0]])
    let unknown = "-ERR unknown command `EVALSHA`, with args beginning with: `x`\r\n"
    #expect(old.receive(unknown + "-ERR unknown command 'eval'\r\n") == [.none, .goesWithoutScript])
    #expect(old.written().last?.hasPrefix("XADD ") == true)
  }

  @Test("takes an answer to XADD or PUBLISH that is none for a fault")
  func malformed() {
    for answer in ["+OK\r\n", ":1\r\n", "_\r\n", "+5\r\n", "+5-0-0\r\n"] {
      var commander = denied()
      #expect(commander.receive(answer) == [.failed(.violation(.unexpectedReply))], "\(answer)")
    }
    var commander = denied()
    #expect(commander.receive("+5-0\r\n+OK\r\n") == [.none, .failed(.violation(.unexpectedReply))])
  }
}

@Suite struct PublishBatchTests {
  @Test("a batch is full at 64 messages")
  func messageCap() {
    var batch = PublishBatch()
    for _ in 0..<Limits.publishBatchMessages {
      let takes = batch.canTake(2)
      #expect(takes)
      batch.append(Array("{}".utf8).span)
    }
    let takes = batch.canTake(0)
    #expect(!takes)
  }

  @Test("a batch is full at its bytes, but a larger message may go alone")
  func byteCap() {
    var batch = PublishBatch()
    func large(_ count: Int) -> [UInt8] { Array(repeating: UInt8(ascii: "}"), count: count) }
    batch.append(large(Limits.publishBatchBytes - 10).span)
    var takes = (batch.canTake(10), batch.canTake(11))
    #expect(takes == (true, false))
    batch.append(large(10).span)
    takes = (batch.canTake(0), batch.canTake(1))
    #expect(takes == (true, false))
    batch.removeAll()
    takes = (batch.canTake(2 * Limits.publishBatchBytes), batch.isEmpty)
    #expect(takes == (true, true))
    batch.append(large(2 * Limits.publishBatchBytes).span)
    takes = (batch.canTake(0), batch.byteCount == 2 * Limits.publishBatchBytes)
    #expect(takes == (false, true))
  }
}
