internal import Bytes
internal import System

/// What was given to a command.
package struct Arguments: Sendable {
  /// The command's name; nil in a program that has but one thing to do.
  package let command: String?
  /// The operands as the bytes they came in: a text that is not UTF-8 must be refused, not repaired. Read one as text
  /// with `text(ofOperand:called:)`.
  package let operands: [[UInt8]]
  private let given: GivenOptions

  init(command: String?, given: GivenOptions, operands: [[UInt8]]) {
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
    guard let value = given.value(of: option) else { return nil }
    guard !value.text.isEmpty else { throw Failure(.usage, "the value of --\(option.name) is empty") }
    guard value.isUTF8 else { throw Failure(.usage, "the value of --\(option.name) is not valid UTF-8") }
    return value.text
  }

  /// The option's value as a strict decimal; nil where the option was not given.
  ///
  /// - Throws: `usage` where it is anything else or outside `range`.
  package func integer(_ option: Option, in range: ClosedRange<UInt64>) throws(Failure) -> UInt64? {
    guard let value = given.value(of: option) else { return nil }
    guard let number = Decimal.unsigned(value.text.utf8.span), range.contains(number) else {
      throw Failure(
        .usage, "--\(option.name) cannot be \(Program.quoted(value.text))",
        why: "expected a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// The option's value, a time in seconds, whole or decimal, in nanoseconds; nil where the option was not given.
  ///
  /// - Parameter most: the longest, in seconds; 0 is the shortest.
  /// - Throws: `usage` where it is anything else or longer.
  package func duration(_ option: Option, atMost most: UInt64) throws(Failure) -> UInt64? {
    guard let value = given.value(of: option) else { return nil }
    guard let nanoseconds = Decimal.nanoseconds(ofSeconds: value.text.utf8.span), nanoseconds <= .seconds(most) else {
      throw Failure(
        .usage, "--\(option.name) cannot be \(Program.quoted(value.text))",
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
        .usage, "\(name) cannot be \(Program.quoted(String(decoding: operand, as: UTF8.self)))",
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

/// A word of the command line, or a part of it, as text.
struct GivenText: Sendable {
  /// What is not UTF-8 became U+FFFD.
  let text: String
  /// Whether nothing had to.
  let isUTF8: Bool

  init(_ bytes: some Collection<UInt8>) {
    // Without storage the standard library asks the runtime for conformances, which looks through all there are.
    text =
      bytes.withContiguousStorageIfAvailable { unsafe String(repairing: $0.span) }
      ?? String(decoding: bytes, as: UTF8.self)
    isUTF8 = text.utf8.elementsEqual(bytes)
  }
}

/// The options as they stood on the command line.
///
/// A list, each with the one before it: the runtime would have to make the type of an array of them, which is dear in a
/// program that ends at once.
struct GivenOptions: Sendable {
  private final class Item: Sendable {
    /// Without the dashes.
    let name: String
    /// nil for an option without a value.
    let value: GivenText?
    let previous: Item?

    init(_ name: String, _ value: GivenText?, after previous: Item?) {
      self.name = name
      self.value = value
      self.previous = previous
    }
  }

  private var last: Item?

  mutating func append(_ option: Option, _ value: GivenText?) { last = Item(option.name, value, after: last) }

  func names(_ option: Option) -> Bool { latest { $0.name == option.name } != nil }

  /// The last value counts; nil where the option was not given.
  func value(of option: Option) -> GivenText? { latest { $0.name == option.name }?.value }

  /// The name of the first that is none of a command's options; nil where there is none. Asks for the command's own
  /// only where one is no common one.
  func firstUnknown(to command: Command) -> String? {
    guard latest(where: { !Option.isCommon($0.name) }) != nil else { return nil }
    let known = command.options()
    var unknown: String?
    _ = latest { item in
      if !Option.isCommon(item.name), !known.contains(where: { $0.name == item.name }) { unknown = item.name }
      return false
    }
    return unknown
  }

  private func latest(where isWanted: (Item) -> Bool) -> Item? {
    var next = last
    while let item = next {
      if isWanted(item) { return item }
      next = item.previous
    }
    return nil
  }
}
