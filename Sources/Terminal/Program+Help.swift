internal import Settings

extension Program {
  /// No line of a text is longer.
  private static let width = 80
  /// Where the explanations of options begin.
  private static let column = 22

  package var versionText: String { "\(name) \(ProgramVersion.text)\n" }

  /// The help of the program as a whole: its commands, or its one command.
  package var helpText: String {
    if let only { return helpText(only) }
    var text = Self.wrapped("\(name): \(summary)")
    text += "\nUsage: \(name) \(defaultCommand == nil ? "COMMAND" : "[COMMAND]") [OPTION]...\n\nCommands:\n"
    for command in commands {
      let note = command.name == defaultCommand ? " (the default)" : ""
      text += Self.entry(command.name ?? "", command.summary + note)
    }
    text += "\nOptions of all commands:\n"
    for option in Option.common { text += Self.entry(option.usage, option.help) }
    let codes = ExitCode.allCases.filter { code in commands.contains { $0.exitCodes().contains(code) } }
    text += Self.exitCodes(codes)
    text += "\n" + Self.wrapped("'\(name) COMMAND --help' tells more about a command.")
    return text
  }

  /// The help of one command.
  package func helpText(_ command: Command) -> String {
    var text = Self.wrapped("\(title(command)): \(command.summary)")
    let operands = command.operands.isEmpty ? "" : " " + command.operands
    text += "\nUsage: \(title(command)) [OPTION]...\(operands)\n"
    for paragraph in command.details() { text += "\n" + Self.wrapped(paragraph) }
    text += "\nOptions:\n"
    for option in command.allOptions { text += Self.entry(option.usage, option.help) }
    if !command.examples().isEmpty {
      text += "\nExamples:\n"
      for example in command.examples() {
        text += "  \(example.line)\n" + Self.wrapped(example.does, indent: 6)
      }
    }
    if !command.settings().isEmpty {
      text += "\nSettings (members of the JSON object in the configuration file):\n"
      for setting in command.settings() { text += Self.entry(setting.name, setting.explanation) }
    }
    return text + Self.exitCodes(command.exitCodes())
  }

  private static func exitCodes(_ codes: [ExitCode]) -> String {
    codes.reduce(into: "\nExit codes:\n") { $0 += entry(String($1.rawValue), $1.meaning, column: 7) }
  }

  /// The words that call a command.
  func title(_ command: Command) -> String {
    command.name.map { "\(name) \($0)" } ?? name
  }

  /// A term, and its explanation beside it, or below where the term is too long.
  private static func entry(_ term: String, _ explanation: String, column: Int = column) -> String {
    let explained = wrapped(explanation, indent: column)
    let lead = "  " + term
    guard lead.utf8.count + 2 <= column else { return lead + "\n" + explained }
    return lead + explained.dropFirst(lead.utf8.count)
  }

  /// `text` broken at blanks into lines of at most 80 columns; a longer word stands alone.
  private static func wrapped(_ text: String, indent: Int = 0) -> String {
    let margin = String(repeating: " ", count: indent)
    var result = ""
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, indent + DisplayText.columns(line) + 1 + DisplayText.columns(String(word)) > width {
        result += margin + line + "\n"
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return result + margin + line + "\n"
  }
}
