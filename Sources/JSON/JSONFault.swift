/// Why bytes are not the JSON that was asked for, and where.
package struct JSONFault: Error, Equatable, Sendable, CustomStringConvertible {
  /// Where in the scanned bytes, from 0: the first byte that cannot be, the opening quote of a string that is not
  /// closed, or the count of bytes where they end too early.
  package let offset: Int
  package let reason: Reason

  package init(offset: Int, reason: Reason) {
    self.offset = offset
    self.reason = reason
  }

  package enum Reason: UInt8, Sendable, CaseIterable {
    case empty
    case byteOrderMark
    case endsEarly
    case expectedValue
    case expectedName
    case expectedColon
    case expectedComma
    case unclosedString
    case unclosedComment
    case controlCharacter
    case invalidEscape
    case invalidUTF8
    case invalidNumber
    case tooDeep
    case trailingBytes
    case notObject
    case notArray

    /// Plain English, to follow "not valid JSON: ".
    package var text: String {
      switch self {
      case .empty: "there is no value"
      case .byteOrderMark: "a byte order mark stands before the value"
      case .endsEarly: "the text ends before the value is complete"
      case .expectedValue: "a value is expected"
      case .expectedName: "a member name in double quotes is expected"
      case .expectedColon: "a colon is expected after a member name"
      case .expectedComma: "a comma or the closing bracket is expected"
      case .unclosedString: "a string is not closed"
      case .unclosedComment: "a comment is not closed"
      case .controlCharacter: "a control character in a string is not escaped"
      case .invalidEscape: "an escape in a string is not one that JSON knows"
      case .invalidUTF8: "a string is not valid UTF-8"
      case .invalidNumber: "a number is not written as JSON requires"
      case .tooDeep: "objects and arrays are nested too deeply"
      case .trailingBytes: "something follows the value"
      case .notObject: "the value is not an object"
      case .notArray: "the value is not an array"
      }
    }
  }

  /// For example: a string is not closed (at byte 17).
  package var description: String { "\(reason.text) (at byte \(offset))" }
}
