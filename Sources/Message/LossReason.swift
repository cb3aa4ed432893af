/// Why messages were lost. The raw values stand in the queue file: never change or reuse one.
package enum LossReason: UInt8, Sendable, CaseIterable {
  /// The queue file was full and this consumer had not read them.
  case overwritten = 1
  /// Redis had dropped them from the stream before they were fetched.
  case trimmed = 2
  /// Larger than a receiver allows.
  case tooLarge = 3
  /// Not a message.
  case invalid = 4
  /// The stream began anew.
  case reset = 5
  /// The queue file was made anew.
  case newQueue = 6

  /// The name that programs see.
  package var name: StaticString {
    switch self {
    case .overwritten: "overwritten"
    case .trimmed: "trimmed"
    case .tooLarge: "too_large"
    case .invalid: "invalid"
    case .reset: "reset"
    case .newQueue: "new_queue"
    }
  }
}
