import Bytes
import RESP
import RedisLink
import Testing

private func kind(_ error: String) -> RedisErrorKind? {
  var kind: RedisErrorKind?
  serve("-\(error)\r\n") { frame, _ in kind = RedisErrorKind(of: frame) }
  return kind
}

@Suite struct RedisErrorTests {
  @Test(
    "every error of the reaction table is known",
    arguments: [
      ("NOAUTH Authentication required.", RedisErrorKind.authentication),
      ("WRONGPASS invalid username-password pair", .authentication),
      ("ERR invalid password", .authentication),
      ("ERR Client sent AUTH, but no password is set", .authentication),
      ("ERR AUTH <password> called without any password configured for the default user.", .authentication),
      ("NOPERM this user has no permissions to access the channel used as argument", .permission),
      ("DENIED Redis is running in protected mode", .configuration),
      ("ERR DB index is out of range", .configuration),
      ("NOPROTO unsupported protocol version", .noHello),
      ("ERR unknown command 'hello', with args beginning with: '3' ", .noHello),
      ("LOADING Redis is loading the dataset in memory", .notReady),
      ("MASTERDOWN Link with MASTER is down", .notReady),
      ("BUSY Redis is busy running a script.", .notReady),
      ("TRYAGAIN Multiple keys request during rehashing of slot", .notReady),
      ("CLUSTERDOWN The cluster is down", .notReady),
      ("READONLY You can't write against a read only replica.", .readOnly),
      // As Redis 6.2 wraps what a script's command was refused with.
      (
        "ERR Error running script (call to f_01): @user_script:1: @user_script: 1: -READONLY You can't write.",
        .readOnly
      ),
      ("ERR Error running script (call to f_01): @user_script:3: -OOM command not allowed", .storage),
      ("ERR Error running script (call to f_01): @user_script:3: @user_script: 3: attempt to index nil", .other),
      ("ERR The user executing the script can't run this command or subcommand script: 01", .permission),
      ("OOM command not allowed when used memory > 'maxmemory'.", .storage),
      ("NOREPLICAS Not enough good replicas to write.", .storage),
      ("MISCONF Redis is configured to save RDB snapshots", .storage),
      ("ERR max number of clients reached", .tooManyClients),
      ("ERR max requests limit exceeded. Limit: 500000, Usage: 500000.", .requestLimit),
      ("ERR max daily request limit exceeded. Limit: 10000, Usage: 10000.", .requestLimit),
      // As Redis 6.2 gives it to a script that asked with `pcall`.
      ("@user_script: 41: -OOM command not allowed when used memory > 'maxmemory'.", .storage),
      ("ERR The user executing the script can't publish to the channel mentioned in the command", .permission),
      ("ERR ACL failure in script: User u has no permissions to run the 'xadd' command", .permission),
      ("NOSCRIPT No matching script. Please use EVAL.", .noScript),
      ("ERR Protocol error: invalid bulk length", .tooLarge),
      ("ERR string exceeds maximum allowed size (proto-max-bulk-len)", .tooLarge),
      ("ERR max request size exceeded. Limit: 10485760 bytes, Actual: 10485761 bytes", .tooLarge),
      ("ERR max single record size exceeded. Limit: 1 bytes, Actual: 2 bytes", .storage),
      ("ERR DB capacity quota exceeded", .storage),
      ("OOM", .storage),
      ("ERR syntax error", .other),
      ("", .other),
      // Whole words: these are other codes. And a code counts only as the first word.
      ("BUSYGROUP Consumer Group name already exists", .other),
      ("ERR the word LOADING is not the code", .other),
      // Another command unknown is not HELLO unknown, and what a message says decides nothing.
      ("ERR unknown command 'FOO', with args beginning with: 'hello' ", .other),
      ("ERR unknown command 'PUBLISH', with args beginning with: 'c' 'max requests limit' ", .other),
    ])
  func table(text: String, expected: RedisErrorKind) {
    #expect(kind(text) == expected)
  }

  @Test("a bulk error means what a simple one means")
  func bulkError() {
    var kind: RedisErrorKind?
    serve("!11\r\nLOADING x\r\n\r\n") { frame, _ in kind = RedisErrorKind(of: frame) }
    #expect(kind == .notReady)
  }

  @Test("a shown text does not name the script that an error came from")
  func script() {
    let place = " script: 8d35015bb5b6ec03a42b7fe423c46c4d3679d70a, on @user_script:24."
    for (text, expected) in [
      ("WRONGTYPE Operation\(place)", "WRONGTYPE Operation"), (place, ""),
      (", on @user_script:1.", ", on @user_script:1."),
    ] {
      var shown: String?
      serve("-\(text)\r\n") { frame, _ in shown = RedisErrorText.shown(frame) }
      #expect(shown == expected)
    }
  }

  @Test("a shown text is one short line without control characters")
  func shown() {
    var text = ""
    serve("!14\r\nERR a\r\nb\u{1B}[31mc\r\n") { frame, _ in text = RedisErrorText.shown(frame) }
    #expect(text == "ERR ab[31mc")
    serve("-\(String(repeating: "x", count: 5_000))\r\n") { frame, _ in text = RedisErrorText.shown(frame) }
    #expect(text.utf8.count == 200)
  }
}
