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
  package func parse(_ words: [[UInt8]]) throws(Failure) -> Request {
    var values: [String: [UInt8]?] = [:]
    var operands: [[UInt8]] = []
    var index = 0
    while index < words.count {
      let word = words[index]
      index += 1
      if word == Array("--".utf8) {
        operands += words[index...]
        break
      }
      guard word.count > 1, word[0] == UInt8(ascii: "-") else {
        operands.append(word)
        continue
      }
      let (option, attached) = try option(word)
      guard option.value == .none || values[option.name] == nil else {
        throw usage("--\(option.name) is given twice")
      }
      switch (option.value, attached) {
      case (.none, nil):
        values[option.name] = .some(nil)
      case (.none, .some):
        throw usage("--\(option.name) takes no value")
      case (.required, .some(let value)):
        values[option.name] = .some(value)
      case (.required(let placeholder), nil):
        guard index < words.count else { throw usage("--\(option.name) needs a value: \(placeholder)") }
        guard !words[index].starts(with: Array("--".utf8)) else {
          throw usage(
            "--\(option.name) needs a value: \(placeholder)",
            whatToDo: "a value that begins with -- is written --\(option.name)=VALUE")
        }
        values[option.name] = .some(words[index])
        index += 1
      }
    }
    return try request(values, operands)
  }

  private func request(_ values: [String: [UInt8]?], _ given: [[UInt8]]) throws(Failure) -> Request {
    if values[Option.version.name] != nil { return .show(versionText) }
    let wantsHelp = values[Option.help.name] != nil
    var operands = given
    let command: Command
    if let only {
      command = only
    } else if operands.isEmpty, wantsHelp {
      return .show(helpText)
    } else {
      command = try chosen(operands.isEmpty ? nil : operands.removeFirst())
    }
    if wantsHelp { return .show(helpText(command)) }
    for name in values.keys.sorted() where !command.allOptions.contains(where: { $0.name == name }) {
      throw usage("\(title(command)) has no option --\(name)", of: command)
    }
    guard operands.count >= command.operandCount.lowerBound else {
      throw usage("too few words: expected \(command.operands)", of: command)
    }
    guard operands.count <= command.operandCount.upperBound else {
      let extra = Self.quoted(operands[command.operandCount.upperBound])
      throw usage("\(extra) is one word too many", of: command)
    }
    return .run(Arguments(command: command.name, values: values, operands: operands))
  }

  private func chosen(_ word: [UInt8]?) throws(Failure) -> Command {
    guard let word else {
      if let name = defaultCommand, let command = command(name) { return command }
      throw usage("no command", why: "expected one of \(commandNames.joined(separator: ", "))")
    }
    let name = String(repairing: word.span)
    if let command = command(name) { return command }
    let near = Nearest.match(name, among: commandNames).map { "did you mean \($0)? " } ?? ""
    throw usage(
      "unknown command \(Self.quoted(word))", why: near + "expected one of \(commandNames.joined(separator: ", "))")
  }

  /// The option that `word` names, and what follows its first `=`.
  private func option(_ word: [UInt8]) throws(Failure) -> (Option, [UInt8]?) {
    let equals = word.firstIndex(of: UInt8(ascii: "="))
    let known = commands.flatMap(\.allOptions)
    if word.starts(with: Array("--".utf8)) {
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
