import Settings
import Terminal
import Testing

@Suite struct OptionTests {
  private static let timeout = Option("timeout", "S", help: "wait at most S seconds")
  private static let max = Option("max", "N", help: "at most N messages")
  private static let json = Option(flag: "json", help: "as JSON")
  private static let wait = Option("wait", optionally: ["stored", "mirrored"], help: "until it is there")
  private static let to = Option("to", "AGENT", help: "for AGENT alone")

  private let queue = Program(
    "clawq", "reads messages",
    commands: [
      Command("get", "new messages", options: [max, json, timeout], exitCodes: [.success, .usage]),
      Command("status", "how things are", options: [json], exitCodes: [.success]),
      Command("ack", "mark read", operands: "SEQ", operandCount: 1...1, exitCodes: [.success]),
    ])
  private let sender = Program(
    "clawsend", "sends a message",
    commands: [
      Command(
        nil, "send a message", operands: "NAME TEXT...", operandCount: 2...Int.max, options: [to, json, wait],
        exitCodes: [.success])
    ], optionAdvice: "put -- before it, or use stdin")
  private let daemon = Program(
    "clawd", "the daemon",
    commands: [Command("run", "run", exitCodes: [.success]), Command("config", "show", exitCodes: [.success])],
    defaultCommand: "run")

  private func arguments(_ program: Program, _ words: String...) throws -> Arguments {
    guard case .run(let arguments) = try program.parse(words.map { Array($0.utf8) }) else {
      throw Failure(.success, "not a command to run")
    }
    return arguments
  }

  private func failure(_ program: Program, _ words: String...) -> Failure? {
    do throws(Failure) {
      _ = try program.parse(words.map { Array($0.utf8) })
      return nil
    } catch {
      return error
    }
  }

  private func texts(_ arguments: Arguments) -> [String] {
    arguments.operands.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test("options stand anywhere before --, also before the command, with a blank or an equals sign")
  func places() throws {
    for words in [["--max", "5", "get"], ["get", "--max", "5"], ["--max=5", "get"], ["get", "--max=5", "--"]] {
      guard case .run(let arguments) = try queue.parse(words.map { Array($0.utf8) }) else { continue }
      #expect(arguments.command == "get")
      #expect(try arguments.integer(Self.max, in: 1...10) == 5)
      #expect(!arguments.has(Self.json))
    }
    let sent = try arguments(sender, "elon", "--json", "hello", "--to", "buffett", "world")
    #expect(texts(sent) == ["elon", "hello", "world"])
    #expect(sent.has(Self.json))
    #expect(try sent.text(Self.to) == "buffett")
  }

  @Test("behind -- everything is an operand, and so is a lone -")
  func operands() throws {
    #expect(texts(try arguments(sender, "elon", "--", "--json", "-x", "--", "")) == ["elon", "--json", "-x", "--", ""])
    #expect(texts(try arguments(sender, "elon", "-")) == ["elon", "-"])
    #expect(!(try arguments(sender, "elon", "--", "--json")).has(Self.json))
  }

  @Test("a value keeps every equals sign behind the first, and may begin with -- there")
  func equalsSigns() throws {
    #expect(try arguments(sender, "--to=a=b=", "e", "t").text(Self.to) == "a=b=")
    #expect(try arguments(sender, "--to=--x", "e", "t").text(Self.to) == "--x")
    #expect(try arguments(sender, "--to", "-x", "e", "t").text(Self.to) == "-x")
  }

  @Test("a word with a dash that is no option is refused, with both ways to send it as text")
  func unknown() throws {
    for word in ["-5", "-h", "--nosuch", "---", "-\u{1b}[2J"] {
      let failure = try #require(self.failure(sender, "elon", word))
      #expect(failure.exitCode == .usage)
      #expect(failure.line.contains(" -- "))
      #expect(failure.line.contains("stdin"))
      #expect(!failure.line.contains("\u{1b}"))
    }
    #expect(failure(queue, "get", "-5")?.line.contains("--help") == true, "one that takes no text says nothing of it")
    #expect(failure(queue, "get", "--jsn")?.line.contains("--json?") == true)
    #expect(failure(queue, "get", "--timout=3")?.line.contains("--timeout?") == true)
    #expect(failure(queue, "get", "--config-file")?.exitCode == .usage)
  }

  @Test("an option of another command is refused by name")
  func foreign() throws {
    #expect(failure(queue, "status", "--max", "5")?.line.contains("clawq status has no option --max") == true)
    #expect(failure(queue, "--max", "5", "status")?.exitCode == .usage)
  }

  @Test("a missing value, a value for a flag and a value given twice are refused")
  func values() {
    for words in [
      ["get", "--max"], ["get", "--max", "--json"], ["get", "--json=yes"], ["get", "--json="],
      ["get", "--max", "1", "--max", "1"], ["get", "--max=1", "--max=2"], ["get", "--help=me"],
    ] {
      #expect(throws: Failure.self, "\(words)") { try queue.parse(words.map { Array($0.utf8) }) }
    }
    #expect(throws: Never.self) { try arguments(queue, "get", "--json", "--json") }
  }

  @Test("a value that may be left out is given by = alone, and is one of those there are")
  func optional() throws {
    for words in [["--wait", "e", "t"], ["e", "--wait", "t"], ["e", "t", "--wait"]] {
      guard case .run(let arguments) = try sender.parse(words.map { Array($0.utf8) }) else { continue }
      #expect(arguments.has(Self.wait))
      #expect(try arguments.text(Self.wait) == nil)
      #expect(texts(arguments) == ["e", "t"])
    }
    #expect(try arguments(sender, "--wait=mirrored", "e", "t").text(Self.wait) == "mirrored")
    #expect(!(try arguments(sender, "e", "t").has(Self.wait)))
    for word in ["--wait=", "--wait=Stored", "--wait=stored ", "--wait=stored=", "--wait=x"] {
      #expect(failure(sender, "e", "t", word)?.line.contains("expected one of stored, mirrored") == true, "\(word)")
    }
    #expect(failure(sender, "--wait", "--wait=stored", "e", "t")?.line.contains("twice") == true)
  }

  @Test("a value that should have followed = does not become a part of a message")
  func strayValue() throws {
    for words in [["--wait", "stored", "e", "t"], ["e", "t", "--wait", "mirrored"]] {
      let failure = try #require(throws: Failure.self) { try sender.parse(words.map { Array($0.utf8) }) }
      #expect(failure.exitCode == .usage && failure.line.contains("--wait=") && failure.line.contains(" -- "))
    }
    #expect(texts(try arguments(sender, "e", "--wait", "--", "stored")) == ["e", "stored"])
    #expect(texts(try arguments(sender, "e", "--wait=stored", "stored")) == ["e", "stored"])
  }

  @Test("times are seconds, whole or decimal, within their bound")
  func durations() throws {
    func duration(_ text: String) throws -> UInt64? {
      try arguments(queue, "get", "--timeout", text).duration(Self.timeout, atMost: 60)
    }
    #expect(try duration("0") == 0)
    #expect(try duration("0.25") == 250_000_000)
    #expect(try duration("60") == 60_000_000_000)
    #expect(try arguments(queue, "get").duration(Self.timeout, atMost: 60) == nil)
    for text in ["60.000000001", "61", "-1", "x", "1m"] {
      #expect(throws: Failure.self, "\(text)") { try duration(text) }
    }
  }

  @Test("numbers are strict decimals within their range")
  func numbers() throws {
    for text in ["0", "11", "+5", "-5", "05", " 5", "5 ", "5x", "", "0x5", "1e1", "٥", "99999999999999999999999"] {
      let arguments = try arguments(queue, "get", "--max=\(text)")
      #expect(throws: Failure.self, "\(text)") { try arguments.integer(Self.max, in: 1...10) }
    }
    #expect(try arguments(queue, "get", "--max=10").integer(Self.max, in: 1...10) == 10)
    #expect(try arguments(queue, "get").integer(Self.max, in: 1...10) == nil)
  }

  @Test("a mistyped command is answered with the nearest and all")
  func commands() throws {
    let line = try #require(failure(queue, "gte")).line
    #expect(line.contains("did you mean get?"))
    #expect(line.contains("get, status, ack"))
    #expect(failure(queue)?.exitCode == .usage)
    #expect(failure(queue)?.line.contains("get, status, ack") == true)
    #expect(failure(queue, "GET")?.exitCode == .usage)
    #expect(failure(queue, "")?.exitCode == .usage)
    #expect(failure(queue, "get\0")?.exitCode == .usage)
  }

  @Test("a program with a default command runs it when none is named")
  func defaultCommand() throws {
    #expect(try arguments(daemon).command == "run")
    #expect(try arguments(daemon, "--config", "x").command == "run")
    #expect(try arguments(daemon, "config").command == "config")
    #expect(failure(daemon, "runn")?.exitCode == .usage)
  }

  @Test("too few and too many words are refused")
  func counts() {
    #expect(failure(sender, "elon")?.exitCode == .usage)
    #expect(failure(queue, "ack")?.line.contains("SEQ") == true)
    #expect(failure(queue, "ack", "1", "2")?.line.contains("'2'") == true)
    #expect(failure(queue, "get", "extra")?.exitCode == .usage)
  }

  @Test("what is not UTF-8 comes through as bytes, and is refused where a text is asked for")
  func invalidUTF8() throws {
    let bad: [UInt8] = [0x66, 0xFF, 0xC0]
    guard case .run(let sent) = try sender.parse([Array("elon".utf8), bad, Array("--to=".utf8) + bad]) else { return }
    #expect(sent.operands[1] == bad)
    #expect(throws: Failure.self) { try sent.text(ofOperand: 1, called: "TEXT") }
    #expect(try sent.text(ofOperand: 0, called: "NAME") == "elon")
    #expect(throws: Failure.self) { try sent.text(Self.to) }
    #expect(throws: Failure.self) { try sender.parse([[0x2D, 0x2D, 0xFF]]) }
    #expect(throws: Failure.self) { try queue.parse([[0xFF]]) }
  }

  @Test("a huge word is refused with a short message")
  func huge() throws {
    let word = String(repeating: "x", count: 1 << 20)
    for words in [["--" + word], [word], ["get", word], ["get", "--max=" + word]] {
      do throws(Failure) {
        guard case .run(let arguments) = try queue.parse(words.map { Array($0.utf8) }) else { continue }
        _ = try arguments.integer(Self.max, in: 1...5)
        Issue.record("accepted")
      } catch {
        #expect(error.line.utf8.count < 300)
      }
    }
  }

  @Test("--help and --version are answered on stdout, for the program and for each command")
  func help() throws {
    func shown(_ program: Program, _ words: String...) throws -> String {
      guard case .show(let text) = try program.parse(words.map { Array($0.utf8) }) else { return "" }
      return text
    }
    #expect(try shown(queue, "--version").hasPrefix("clawq "))
    #expect(try shown(queue, "get", "--version").hasPrefix("clawq "))
    let whole = try shown(queue, "--help")
    for word in ["clawq", "get", "status", "ack", "--state-dir", "--config", "Usage:"] { #expect(whole.contains(word)) }
    let get = try shown(queue, "get", "--help")
    for word in ["clawq get", "--max N", "--json", "at most N messages", "Exit codes:", "64"] {
      #expect(get.contains(word))
    }
    #expect(try shown(queue, "--help", "get") == get)
    #expect(try shown(sender, "--help").contains("NAME TEXT..."))
    #expect(try shown(sender, "--help").contains("  --wait[=stored|mirrored]\n"))
    #expect(try shown(daemon, "--help").contains("(the default)"))
    #expect(try shown(queue, "ack", "--help").contains("SEQ"))
    #expect(failure(queue, "gte", "--help")?.exitCode == .usage)
    // Behind -- it is a text like any other.
    #expect(texts(try arguments(sender, "elon", "--", "--help")) == ["elon", "--help"])
  }

  @Test("no line of a help is wider than 80 columns, however long its texts are")
  func width() {
    let long = String(repeating: "many words ", count: 40)
    let command = Command(
      "x", long, operands: "A B", operandCount: 0...2,
      options: [
        Option("an-option-of-much-length", "WITH-A-VALUE", help: long), Option("short", "S", help: long),
        Option(flag: "exactly-sixteen-w", help: long),
      ],
      details: [long, long], examples: [Example("x", long)],
      settings: Setting.all, exitCodes: ExitCode.allCases)
    let program = Program("program", long, commands: [command])
    for text in [program.helpText, program.helpText(command)] {
      for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
      #expect(text.hasSuffix("\n"))
    }
    for setting in Setting.all { #expect(program.helpText(command).contains("  " + setting.name)) }
  }
}
