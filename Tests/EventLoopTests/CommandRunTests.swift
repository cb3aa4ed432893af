import Bytes
import EventLoop
import System
import Testing

@Suite("Running a command")
struct CommandRunTests {
  private func shell(_ script: String) -> CommandRequest { CommandRequest(["/bin/sh", "-c", script]) }

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test("what it wrote and how it ended is told, each output by itself")
  func outputs() throws {
    let outcome = try shell("echo out; echo err >&2; exit 3").run()
    #expect(outcome.ending == .process(.exited(3)))
    #expect(text(outcome.output) == "out\n")
    #expect(text(outcome.errors) == "err\n")
    #expect(!outcome.isCut && !outcome.succeeded)
  }

  @Test("exit code 0 alone is success, and death by a signal is told with its number")
  func endings() throws {
    #expect(try shell("exit 0").run().succeeded)
    #expect(try shell("kill -TERM $$").run().ending == .process(.signaled(15)))
  }

  @Test("arguments reach the program as they are, without a shell in between")
  func arguments() throws {
    let words = ["$HOME", "a b", "", "*", "'", "\n"]
    let outcome = try CommandRequest(["printf", "[%s]"] + words).run()
    #expect(text(outcome.output) == words.map { "[\($0)]" }.joined())
  }

  @Test("the input is there whole, and ends")
  func input() throws {
    var request = CommandRequest(["cksum"])
    request.input = [UInt8](repeating: 0x61, count: 300_000)
    let piped = try shell("head -c 300000 /dev/zero | tr '\\0' a | cksum").run()
    #expect(try request.run().output == piped.output)
    #expect(try text(CommandRequest(["wc", "-c"]).run().output) == "0\n")
  }

  @Test("a variable replaces the one of that name, and the others stay")
  func variables() throws {
    var request = shell("echo \"$PATH|$CLAWD_TEST_COUNT\"; env | grep -c '^PATH='")
    request.variables = ["PATH=/bin:/usr/bin", "CLAWD_TEST_COUNT=3"]
    #expect(try text(request.run().output) == "/bin:/usr/bin|3\n1\n")
    let home = try #require(Environment.process.text("PATH"))
    #expect(try text(shell("echo \"$PATH\"").run().output) == home + "\n")
  }

  @Test("no signal is blocked or ignored in it, and it has no descriptor of ours")
  func clean() throws {
    StandardStreams.ignoreBrokenPipes()
    let signals = try text(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2").run().output)
    let masks = signals.split(separator: "\n").compactMap { UInt64($0, radix: 16) }
    // Of the signals that a program can have; the C library keeps 32 and 33 to itself.
    #expect(masks.map { $0 & 0x7fff_ffff } == [0, 0])
    let pipe = try Pipe()
    let (reader, writer) = (pipe.reader.raw, pipe.writer.raw)
    let found = try shell("for n in \(reader) \(writer); do test -e /proc/self/fd/$n && echo $n; done").run()
    #expect(found.output.isEmpty)
    _ = consume pipe
  }

  @Test("at its deadline it is asked to end, with all that it started")
  func deadline() throws {
    var request = shell("sleep 1000 & echo $!; wait")
    request.deadline = .milliseconds(300)
    let outcome = try request.run()
    #expect(outcome.ending == .timedOut)
    let child = text(outcome.output).filter(\.isNumber)
    #expect(!child.isEmpty)
    // Gone, or about to be taken by init.
    let state = try shell(
      "for i in 1 2 3 4 5 6 7 8 9 10; do grep -qs '^State:.[RS]' /proc/\(child)/status || exit 0; sleep 0.1; done; exit 1"
    ).run()
    #expect(state.succeeded)
  }

  @Test("one that does not want to end is ended by force")
  func force() throws {
    var request = shell("trap '' TERM; echo began; while :; do sleep 0.05; done")
    request.deadline = .milliseconds(300)
    let outcome = try request.run()
    #expect(outcome.ending == .timedOut)
    #expect(text(outcome.output) == "began\n")
  }

  @Test("what it leaves running behind it is not waited for")
  func leftBehind() throws {
    var request = shell("sleep 3 & echo done")
    request.deadline = .seconds(600)
    let outcome = try request.run()
    #expect(outcome.succeeded && text(outcome.output) == "done\n")
  }

  @Test("more output than is kept neither stops the program nor grows the memory, and is told")
  func flood() throws {
    let outcome = try shell("head -c 3000000 /dev/zero; echo end >&2").run()
    #expect(outcome.succeeded && outcome.isCut)
    #expect(outcome.output.count == Limits.commandOutputBytes)
    #expect(text(outcome.errors) == "end\n")
  }

  @Test("one that cannot be started is a fault that names it, and text with a NUL is never cut")
  func missing() throws {
    for program in ["/nowhere/program", "no-such-program-here"] {
      guard case .failed(let fault) = try CommandRequest([program]).run().ending else {
        Issue.record("\(program) was started")
        continue
      }
      #expect(fault.isMissing && fault.subject == program)
    }
    guard case .failed(let fault) = try CommandRequest(["echo", "a\0b"]).run().ending else {
      Issue.record("started")
      return
    }
    #expect(fault.subject == "echo")
  }
}
