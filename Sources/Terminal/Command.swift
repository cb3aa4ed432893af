package import Settings

/// An option of a command: `--name`, `--name VALUE` or `--name=VALUE`.
package struct Option: Equatable, Sendable {
  /// Whether the option takes a value.
  package enum Value: Equatable, Sendable {
    /// A flag: given or not.
    case none
    /// With the placeholder that the help shows.
    case required(String)
    /// One of these words, or none; given by `=` alone.
    case optional([String])
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

  /// An option with a value that may be left out: `--name` or `--name=WORD`.
  ///
  /// - Parameters:
  ///   - name: without the dashes.
  ///   - words: the values there are.
  package init(_ name: String, optionally words: [String], help: String) {
    self.init(name, .optional(words), help)
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
    case .optional(let words): "--\(name)[=\(words.joined(separator: "|"))]"
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
  static var common: [Option] { [stateDir, config, help, version] }

  /// Whether one of `common` has the name. No comparison with nil: the runtime would have to make the type of two
  /// optional options.
  static func isCommon(_ name: String) -> Bool {
    if case .some = common(name) { true } else { false }
  }

  /// The one of `common` that has the name, found without making the array.
  static func common(_ name: String) -> Option? {
    switch name {
    case stateDir.name: stateDir
    case config.name: config
    case help.name: help
    case version.name: version
    default: nil
    }
  }
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
///
/// What only the help and a command line with options ask for is a closure: building these tables at every start was a
/// quarter of the time that `clawq check` took.
@usableFromInline
package struct Command {
  /// The word that chooses it; nil where the program does this one thing.
  package let name: String?
  /// One line, without a full stop.
  package let summary: String
  /// How the help writes the operands: `NAME TEXT...`.
  package let operands: String
  /// How many operands the parser lets through.
  package let operandCount: ClosedRange<Int>
  /// Its own options; the common ones are added.
  package let options: () -> [Option]
  /// Paragraphs for the help.
  package let details: () -> [String]
  /// What the help ends with.
  package let examples: () -> [Example]
  /// What of the configuration the help explains.
  package let settings: () -> [Setting]
  /// Those the command can end with, in the order of the help.
  package let exitCodes: () -> [ExitCode]

  /// A command that takes no operand and only the common options, unless more is said.
  package init(
    _ name: String?, _ summary: String, operands: String = "", operandCount: ClosedRange<Int> = 0...0,
    options: @escaping @autoclosure () -> [Option] = [], details: @escaping @autoclosure () -> [String] = [],
    examples: @escaping @autoclosure () -> [Example] = [], settings: @escaping @autoclosure () -> [Setting] = [],
    exitCodes: @escaping @autoclosure () -> [ExitCode]
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

  var allOptions: [Option] { options() + Option.common }
}

/// A program: several commands, or one without a name.
@usableFromInline
package struct Program {
  /// What it is called on the command line.
  package let name: String
  /// One line, without a full stop.
  package let summary: String
  /// The command that is meant where none is named.
  package let defaultCommand: String?
  /// What helps who gave an unknown option, where not the help: one that takes texts says how a dash gets into one.
  package let optionAdvice: String?
  /// At least one.
  private let commandCount: Int
  private let command: (Int) -> Command

  /// - Parameter commands: in the order of the help. Inline and inlined, because the runtime would have to make the type
  ///   of an array of them at every start.
  /// - Precondition: there is a command; names are unique; an option that several commands have takes the same
  ///   value in all of them.
  @inlinable
  package init<let count: Int>(
    _ name: String, _ summary: String, commands: InlineArray<count, Command>, defaultCommand: String? = nil,
    optionAdvice: String? = nil
  ) {
    self.init(name, summary, defaultCommand, optionAdvice, count) { commands[$0] }
  }

  @usableFromInline
  init(
    _ name: String, _ summary: String, _ defaultCommand: String?, _ optionAdvice: String?, _ commandCount: Int,
    _ command: @escaping (Int) -> Command
  ) {
    precondition(commandCount > 0, "a program without a command")
    self.name = name
    self.summary = summary
    self.defaultCommand = defaultCommand
    self.optionAdvice = optionAdvice
    self.commandCount = commandCount
    self.command = command
    assert(contradiction == nil, contradiction ?? "")
  }

  /// What the commands say against each other; nil where they say nothing, as the parser expects.
  private var contradiction: String? {
    guard commandCount == 1 || commands.allSatisfy({ $0.name != nil }) else { return "a command without a name" }
    var arities: [String: Option.Value] = [:]
    for option in commands.flatMap(\.allOptions) {
      let known = arities.updateValue(option.value, forKey: option.name)
      if let known, known != option.value { return "two options --\(option.name) take different values" }
    }
    return nil
  }

  /// All of them, in the order of the help.
  var commands: [Command] { (0..<commandCount).map(command) }

  /// The one command of a program without command words.
  var only: Command? {
    let first = command(0)
    return first.name == nil ? first : nil
  }

  var commandNames: [String] { commands.compactMap(\.name) }

  func command(_ name: String) -> Command? {
    for index in 0..<commandCount {
      let candidate = command(index)
      if candidate.name == name { return candidate }
    }
    return nil
  }
}
