package import JSON

/// Why bytes are not a message.
package enum MessageFault: Error, Equatable, Sendable, CustomStringConvertible {
  case notJSON(JSONFault)
  /// Valid JSON, but another kind of value.
  case notObject
  case missing(Required)
  /// There, but not a string.
  case notString(Required)

  /// The members that every message has.
  package enum Required: String, Sendable {
    case from
    case text
  }

  /// Plain English, to follow "not a message: ".
  package var description: String {
    switch self {
    case .notJSON(let fault): "it is not valid JSON: \(fault)"
    case .notObject: "it is JSON, but not an object"
    case .missing(let member): "it has no member \"\(member.rawValue)\""
    case .notString(let member): "its member \"\(member.rawValue)\" is not a string"
    }
  }

  /// What a scanner's refusal of `bytes` means here.
  init(_ fault: JSONFault, of bytes: borrowing Span<UInt8>) {
    guard fault.reason == .notObject else {
      self = .notJSON(fault)
      return
    }
    // The scanner looked at the first byte only.
    do throws(JSONFault) {
      _ = try JSONValue(scanning: bytes)
      self = .notObject
    } catch {
      self = .notJSON(error)
    }
  }
}
