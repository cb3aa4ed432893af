internal import Bytes

/// What a value is, told by its first byte.
package enum JSONKind: UInt8, BitwiseCopyable, Sendable {
  case object
  case array
  case string
  case number
  case `true`
  case `false`
  case null
}

/// Where a value stands in the bytes that were scanned. It holds no bytes: slice the same span with `range`.
package struct JSONValue: Equatable, BitwiseCopyable, Sendable {
  /// The offset of the first byte (a string's opening quote).
  package let start: Int
  /// The offset behind the last byte (behind a string's closing quote).
  package let end: Int
  package let kind: JSONKind
  /// Whether it is a string with a backslash in it; without one the content is the text itself.
  package let hasEscapes: Bool

  /// No value: it is nowhere, and no scanner gives it.
  package static var absent: JSONValue { JSONValue(start: 0, end: 0, kind: .null, hasEscapes: false) }
  package var isAbsent: Bool { end == 0 }

  /// The whole token.
  package var range: Range<Int> { start..<end }
  /// What stands between a string's quotes, still escaped; the whole token of anything else.
  package var content: Range<Int> { kind == .string ? (start + 1)..<(end - 1) : start..<end }
}

/// One member of an object: `"name": value`. Its offsets count from the start of the scanned bytes.
package struct JSONMember: Equatable, Sendable {
  /// The offset of the name's opening quote.
  package let start: Int
  /// The offset behind the name's closing quote.
  package let nameEnd: Int
  /// Whether the name has a backslash in it.
  package let nameHasEscapes: Bool
  package let value: JSONValue

  /// What stands between the name's quotes, still escaped.
  package var name: Range<Int> { (start + 1)..<(nameEnd - 1) }
  /// The member from its name's opening quote to the end of its value.
  package var range: Range<Int> { start..<value.end }

  /// Whether the name, decoded, is `name`.
  ///
  /// - Parameter bytes: what was scanned.
  package func isNamed(_ name: StaticString, in bytes: borrowing Span<UInt8>) -> Bool {
    let content = bytes.extracting(self.name)
    return nameHasEscapes ? JSONString.equal(content, name) : Bytes.equal(content, name)
  }
}
