package import Settings

/// An option of a command: `--name`, `--name VALUE` or `--name=VALUE`.
package struct Option: Equatable, Sendable {
  /// Whether the option takes a value.
  package enum Value: Equatable, Sendable {
    /// A flag: given or not.
    case none
    /// With the placeholder that the help shows.
    case required(String)
  }

  /// Without the dashes.
  package let name: String
  package let value: Value
  /// What it does, on one line without a full stop, however long; the help wraps it.
  package let help: String

  /// An option without a value.
  ///
  /// - Parameter name: without the dashes.
  package init(flag name: String, help: String) {
    self.init(name, .none, help)
  }

  /// An option with a value.
  ///
  /// - Parameters:
  ///   - name: without the dashes.
  ///   - placeholder: what stands for the value in the help: `DIR`.
  package init(_ name: String, _ placeholder: String, help: String) {
    self.init(name, .required(placeholder), help)
  }

  private init(_ name: String, _ value: Value, _ help: String) {
    self.name = name
    self.value = value
    self.help = help
  }

  /// As the help shows it.
  var usage: String {
    switch value {
    case .none: "--\(name)"
    case .required(let placeholder): "--\(name) \(placeholder)"
    }
  }
}

extension Option {
  /// Where the queue, the cursors and the outbox are.
  package static let stateDir = Option(
    "state-dir", "DIR",
    help: "the state folder (else $OPENCLAW_BUS_STATE_DIR, $XDG_STATE_HOME/openclaw-bus, ~/.local/state/openclaw-bus)")
  /// The configuration file.
  package static let config = Option(
    "config", "FILE", help: "the configuration (else $OPENCLAW_BUS_CONFIG, ~/.openclaw-bus-config.json)")
  /// Answered by the parser, in every command.
  package static let help = Option(flag: "help", help: "show this and exit")
  /// Answered by the parser, in every command.
  package static let version = Option(flag: "version", help: "show the version and exit")

  /// What every command takes.
  static let common = [stateDir, config, help, version]
}

/// A command line of the help with what it does.
package struct Example: Sendable {
  /// As it is typed.
  package let line: String
  /// A few words, without a full stop.
  package let does: String

  /// The line, and what it does.
  package init(_ line: String, _ does: String) {
    self.line = line
    self.does = does
  }
}

/// One thing that a program does, as its parser and its help know it.
package struct Command: Sendable {
  /// The word that chooses it; nil where the program does this one thing.
  package let name: String?
  /// One line, without a full stop.
  package let summary: String
  /// How the help writes the operands: `NAME TEXT...`.
  package let operands: String
  /// How many operands the parser lets through.
  package let operandCount: ClosedRange<Int>
  /// Its own options; the common ones are added.
  package let options: [Option]
  /// Paragraphs for the help.
  package let details: [String]
  /// What the help ends with.
  package let examples: [Example]
  /// What of the configuration the help explains.
  package let settings: [Setting]
  /// Those the command can end with, in the order of the help.
  package let exitCodes: [ExitCode]

  /// A command that takes no operand and only the common options, unless more is said.
  package init(
    _ name: String?, _ summary: String, operands: String = "", operandCount: ClosedRange<Int> = 0...0,
    options: [Option] = [], details: [String] = [], examples: [Example] = [],
    settings: [Setting] = [], exitCodes: [ExitCode]
  ) {
    self.name = name
    self.summary = summary
    self.operands = operands
    self.operandCount = operandCount
    self.options = options
    self.details = details
    self.examples = examples
    self.settings = settings
    self.exitCodes = exitCodes
  }

  var allOptions: [Option] { options + Option.common }
}

/// A program: several commands, or one without a name.
package struct Program: Sendable {
  /// What it is called on the command line.
  package let name: String
  /// One line, without a full stop.
  package let summary: String
  /// At least one, in the order of the help.
  package let commands: [Command]
  /// The command that is meant where none is named.
  package let defaultCommand: String?
  /// What helps who gave an unknown option, where not the help: one that takes texts says how a dash gets into one.
  package let optionAdvice: String?

  /// - Precondition: there is a command; names are unique; an option that several commands have takes the same
  ///   value in all of them.
  package init(
    _ name: String, _ summary: String, commands: [Command], defaultCommand: String? = nil, optionAdvice: String? = nil
  ) {
    precondition(!commands.isEmpty, "a program without a command")
    precondition(commands.count == 1 || commands.allSatisfy { $0.name != nil }, "a command without a name")
    var arities: [String: Option.Value] = [:]
    for option in commands.flatMap(\.allOptions) {
      let known = arities.updateValue(option.value, forKey: option.name)
      precondition(known == nil || known == option.value, "two options of one name take different values")
    }
    self.name = name
    self.summary = summary
    self.commands = commands
    self.defaultCommand = defaultCommand
    self.optionAdvice = optionAdvice
  }

  /// The one command of a program without command words.
  var only: Command? { commands.first.flatMap { $0.name == nil ? $0 : nil } }

  var commandNames: [String] { commands.compactMap(\.name) }

  func command(_ name: String) -> Command? { commands.first { $0.name == name } }
}
