internal import Bytes

extension Program {
  /// What a command line asks for.
  package enum Request: Sendable {
    case run(Arguments)
    /// The help or the version: print it on stdout and end well.
    case show(String)
  }

  /// Reads the words behind the program's name.
  ///
  /// Options stand anywhere before `--`, also before the command's name. `-` alone is an operand. A value that itself
  /// begins with `--` must follow `=`: a forgotten value is not to swallow the next option. An option with a value is
  /// refused when it is given twice (`--to a --to b` would reach only one of the two); a repeated flag is harmless.
  package func parse<Word: RandomAccessCollection<UInt8>>(
    _ words: some RandomAccessCollection<Word>
  ) throws(Failure) -> Request where Word.Index == Int {
    var given: [GivenOption] = []
    // The first operand, where the program has command words.
    var commandWord: String?
    let hasCommandWords = only == nil
    var operands: [[UInt8]] = []
    var isOperand = false
    var rest = words[...]
    while let word = rest.popFirst() {
      if !isOperand, word.elementsEqual("--".utf8) {
        isOperand = true
      } else if !isOperand, word.count > 1, word.first == UInt8(ascii: "-") {
        let (option, attached) = try option(Array(word))
        given.append(GivenOption(name: option.name, value: try value(of: option, attached, given, &rest)))
      } else if hasCommandWords, commandWord == nil {
        commandWord = String(decoding: word, as: UTF8.self)
      } else {
        operands.append(Array(word))
      }
    }
    return try request(given, commandWord, operands)
  }

  /// The option's value: what is attached to it, else the next of the words.
  private func value<Word: Collection<UInt8>, Words: Collection<Word>>(
    of option: Option, _ attached: [UInt8]?, _ given: [GivenOption], _ rest: inout Words
  ) throws(Failure) -> [UInt8]? where Words.SubSequence == Words {
    guard case .required(let placeholder) = option.value else {
      guard attached == nil else { throw usage("--\(option.name) takes no value") }
      return nil
    }
    guard !given.names(option) else { throw usage("--\(option.name) is given twice") }
    if let attached { return attached }
    guard let next = rest.popFirst() else { throw usage("--\(option.name) needs a value: \(placeholder)") }
    guard !next.starts(with: "--".utf8) else {
      throw usage(
        "--\(option.name) needs a value: \(placeholder)",
        whatToDo: "a value that begins with -- is written --\(option.name)=VALUE")
    }
    return Array(next)
  }

  private func request(
    _ given: [GivenOption], _ commandWord: String?, _ operands: [[UInt8]]
  ) throws(Failure) -> Request {
    if given.names(.version) { return .show(versionText) }
    let wantsHelp = given.names(.help)
    let command: Command
    if let only {
      command = only
    } else if commandWord == nil, wantsHelp {
      return .show(helpText)
    } else {
      command = try chosen(commandWord)
    }
    if wantsHelp { return .show(helpText(command)) }
    if !given.isEmpty {
      let known = command.allOptions
      for option in given where !known.contains(where: { $0.name == option.name }) {
        throw usage("\(title(command)) has no option --\(option.name)", of: command)
      }
    }
    guard operands.count >= command.operandCount.lowerBound else {
      throw usage("too few words: expected \(command.operands)", of: command)
    }
    guard operands.count <= command.operandCount.upperBound else {
      let extra = Self.quoted(operands[command.operandCount.upperBound])
      throw usage("\(extra) is one word too many", of: command)
    }
    return .run(Arguments(command: command.name, given: given, operands: operands))
  }

  private func chosen(_ word: String?) throws(Failure) -> Command {
    guard let word else {
      if let name = defaultCommand, let command = command(name) { return command }
      throw usage("no command", why: "expected one of \(commandNames.joined(separator: ", "))")
    }
    if let command = command(word) { return command }
    let near = Nearest.match(word, among: commandNames).map { "did you mean \($0)? " } ?? ""
    throw usage(
      "unknown command \(Self.quoted(Array(word.utf8)))",
      why: near + "expected one of \(commandNames.joined(separator: ", "))")
  }

  /// The option that `word` names, and what follows its first `=`.
  private func option(_ word: [UInt8]) throws(Failure) -> (Option, [UInt8]?) {
    let equals = word.firstIndex(of: UInt8(ascii: "="))
    let known = commands.flatMap(\.allOptions)
    if word.starts(with: "--".utf8) {
      let name = String(repairing: word.span.extracting(2..<(equals ?? word.count)))
      if let option = known.first(where: { $0.name == name }) {
        return (option, equals.map { Array(word[($0 + 1)...]) })
      }
      if let near = Nearest.match(name, among: known.map(\.name)) {
        throw unknownOption(word, why: "did you mean --\(near)?")
      }
    }
    throw unknownOption(word, why: nil)
  }

  private func unknownOption(_ word: [UInt8], why: String?) -> Failure {
    usage("unknown option \(Self.quoted(word))", why: why, whatToDo: optionAdvice)
  }

  private func usage(
    _ what: String, why: String? = nil, whatToDo: String? = nil, of command: Command? = nil
  ) -> Failure {
    Failure(
      .usage, what, why: why,
      whatToDo: whatToDo ?? "\(command.map { title($0) } ?? name) --help tells more")
  }

  /// A word of the command line as it is shown in a message.
  static func quoted(_ word: [UInt8]) -> String {
    "'" + DisplayText.cut(String(repairing: word.span), columns: 40) + "'"
  }
}
