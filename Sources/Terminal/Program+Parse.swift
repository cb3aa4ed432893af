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
  /// begins with `--` must follow `=`: a forgotten value is not to swallow the next option. So must every value that may
  /// be left out: whatever follows such an option is a word of its own. An option with a value is
  /// refused when it is given twice (`--to a --to b` would reach only one of the two); a repeated flag is harmless.
  package func parse<Word: RandomAccessCollection<UInt8>>(
    _ words: some RandomAccessCollection<Word>
  ) throws(Failure) -> Request where Word.Index == Int {
    var given = GivenOptions()
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
        let (option, attached) = try option(word, after: commandWord)
        given.append(option, try value(of: option, attached, given, &rest))
      } else if hasCommandWords, commandWord == nil {
        commandWord = GivenText(word).text
      } else {
        operands.append(Array(word))
      }
    }
    return try request(given, commandWord, operands)
  }

  /// The option's value: what is attached to it, else the next of the words.
  private func value<Word: Collection<UInt8>, Words: Collection<Word>>(
    of option: Option, _ attached: GivenText?, _ given: GivenOptions, _ rest: inout Words
  ) throws(Failure) -> GivenText? where Words.SubSequence == Words {
    let placeholder: String
    switch option.value {
    case .required(let text): placeholder = text
    case .optional(let choices): return try choice(of: option, among: choices, attached, given, rest.first)
    case .none:
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
    return GivenText(next)
  }

  /// The value of an option that may have one, which only `=` gives it. One of its values as the next word was meant to
  /// be it, and is not to end up in somebody's message.
  private func choice<Word: Collection<UInt8>>(
    of option: Option, among choices: [String], _ attached: GivenText?, _ given: GivenOptions, _ next: Word?
  ) throws(Failure) -> GivenText? {
    guard !given.names(option) else { throw usage("--\(option.name) is given twice") }
    guard let attached else {
      guard let next, let meant = choices.first(where: { next.elementsEqual($0.utf8) }) else { return nil }
      throw usage(
        "--\(option.name) takes its value by =", whatToDo: "write --\(option.name)=\(meant), or put -- before the text")
    }
    guard choices.contains(attached.text) else {
      throw usage(
        "--\(option.name) cannot be \(Self.quoted(attached.text))",
        why: "expected one of \(choices.joined(separator: ", "))")
    }
    return attached
  }

  private func request(
    _ given: GivenOptions, _ commandWord: String?, _ operands: [[UInt8]]
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
    if let unknown = given.firstUnknown(to: command) {
      throw usage("\(title(command)) has no option --\(unknown)", of: command)
    }
    guard operands.count >= command.operandCount.lowerBound else {
      throw usage("too few words: expected \(command.operands)", of: command)
    }
    guard operands.count <= command.operandCount.upperBound else {
      let extra = Self.quoted(String(decoding: operands[command.operandCount.upperBound], as: UTF8.self))
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
      "unknown command \(Self.quoted(word))",
      why: near + "expected one of \(commandNames.joined(separator: ", "))")
  }

  /// The option that `word` names, and what follows its first `=`.
  private func option<Word: Collection<UInt8>>(
    _ word: Word, after commandWord: String?
  ) throws(Failure) -> (Option, GivenText?) {
    let equals = word.firstIndex(of: UInt8(ascii: "="))
    guard word.starts(with: "--".utf8) else { throw unknownOption(GivenText(word), why: nil) }
    let name = GivenText(word[..<(equals ?? word.endIndex)].dropFirst(2)).text
    let attached = equals.map { GivenText(word[$0...].dropFirst()) }
    if let option = Option.common(name) { return (option, attached) }
    // The command's own first: what all commands take is a large table, which is only made where it is needed.
    if let command = commandWord.flatMap({ command($0) }),
      let option = command.options().first(where: { $0.name == name })
    {
      return (option, attached)
    }
    let known = commands.flatMap { $0.options() }
    if let option = known.first(where: { $0.name == name }) { return (option, attached) }
    let near = Nearest.match(name, among: (known + Option.common).map(\.name))
    throw unknownOption(GivenText(word), why: near.map { "did you mean --\($0)?" })
  }

  private func unknownOption(_ word: GivenText, why: String?) -> Failure {
    usage("unknown option \(Self.quoted(word.text))", why: why, whatToDo: optionAdvice)
  }

  private func usage(
    _ what: String, why: String? = nil, whatToDo: String? = nil, of command: Command? = nil
  ) -> Failure {
    Failure(
      .usage, what, why: why,
      whatToDo: whatToDo ?? "\(command.map { title($0) } ?? name) --help tells more")
  }

  /// A word of the command line as it is shown in a message.
  static func quoted(_ word: String) -> String { "'" + DisplayText.cut(word, columns: 40) + "'" }
}
