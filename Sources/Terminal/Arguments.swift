internal import Bytes
internal import System

/// What was given to a command.
package struct Arguments: Sendable {
  /// The command's name; nil in a program that has but one thing to do.
  package let command: String?
  /// The operands as the bytes they came in: a text that is not UTF-8 must be refused, not repaired. Read one as text
  /// with `text(ofOperand:called:)`.
  package let operands: [[UInt8]]
  private let given: [GivenOption]

  init(command: String?, given: [GivenOption], operands: [[UInt8]]) {
    self.command = command
    self.given = given
    self.operands = operands
  }

  /// Whether the option was given, with a value or without.
  package func has(_ option: Option) -> Bool { given.names(option) }

  /// The option's value; nil where the option was not given.
  ///
  /// - Throws: `usage` where it is empty or not UTF-8.
  package func text(_ option: Option) throws(Failure) -> String? {
    guard let bytes = given.value(of: option) else { return nil }
    guard !bytes.isEmpty else { throw Failure(.usage, "the value of --\(option.name) is empty") }
    guard UnicodeText.firstInvalid(bytes.span) == nil else {
      throw Failure(.usage, "the value of --\(option.name) is not valid UTF-8")
    }
    return String(repairing: bytes.span)
  }

  /// The option's value as a strict decimal; nil where the option was not given.
  ///
  /// - Throws: `usage` where it is anything else or outside `range`.
  package func integer(_ option: Option, in range: ClosedRange<UInt64>) throws(Failure) -> UInt64? {
    guard let bytes = given.value(of: option) else { return nil }
    guard let number = Decimal.unsigned(bytes.span), range.contains(number) else {
      throw Failure(
        .usage, "--\(option.name) cannot be \(Program.quoted(bytes))",
        why: "expected a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// The option's value, a time in seconds, whole or decimal, in nanoseconds; nil where the option was not given.
  ///
  /// - Parameter most: the longest, in seconds; 0 is the shortest.
  /// - Throws: `usage` where it is anything else or longer.
  package func duration(_ option: Option, atMost most: UInt64) throws(Failure) -> UInt64? {
    guard let bytes = given.value(of: option) else { return nil }
    guard let nanoseconds = Decimal.nanoseconds(ofSeconds: bytes.span), nanoseconds <= .seconds(most) else {
      throw Failure(
        .usage, "--\(option.name) cannot be \(Program.quoted(bytes))",
        why: "expected seconds from 0 to \(most), such as 30 or 0.5")
    }
    return nanoseconds
  }

  /// The operand as a strict decimal.
  ///
  /// - Parameter name: what the help calls it.
  /// - Precondition: there is such an operand (the parser has counted them).
  /// - Throws: `usage` where it is anything else or outside `range`.
  package func integer(
    ofOperand index: Int, called name: String, in range: ClosedRange<UInt64>
  ) throws(Failure) -> UInt64 {
    let operand = operands[index]
    guard let number = Decimal.unsigned(operand.span), range.contains(number) else {
      throw Failure(
        .usage, "\(name) cannot be \(Program.quoted(operand))",
        why: "expected a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// The operand as text.
  ///
  /// - Parameter name: what the help calls it.
  /// - Precondition: there is such an operand (the parser has counted them).
  /// - Throws: `badData` where it is not UTF-8.
  package func text(ofOperand index: Int, called name: String) throws(Failure) -> String {
    let operand = operands[index]
    guard let offset = UnicodeText.firstInvalid(operand.span) else { return String(repairing: operand.span) }
    throw Failure(.badData, "\(name) is not valid UTF-8", why: "at byte \(offset + 1)")
  }
}

/// An option as it stood on the command line.
struct GivenOption: Sendable {
  /// Without the dashes.
  let name: String
  /// nil for an option without a value.
  let value: [UInt8]?
}

extension [GivenOption] {
  func names(_ option: Option) -> Bool { contains { $0.name == option.name } }

  /// The last value counts; nil where the option was not given.
  func value(of option: Option) -> [UInt8]? { last { $0.name == option.name }?.value }
}
