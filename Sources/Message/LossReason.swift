/// Why messages were lost. The raw values stand in the queue file: never change or reuse one.
package enum LossReason: UInt8, Sendable, CaseIterable {
  /// The queue file was full and this consumer had not read them.
  case overwritten = 1
  /// Redis had dropped them from the stream before they were fetched; as many as the gap in their numbers.
  case trimmed = 2
  /// Larger than a receiver allows.
  case tooLarge = 3
  /// Not a message.
  case invalid = 4
  /// The stream began anew.
  case reset = 5
  /// The queue file was made anew.
  case newQueue = 6
  /// As `trimmed`, where nothing tells how many there were.
  case trimmedUnknown = 7
  /// As `reset`, where nothing tells how many there were.
  case resetUnknown = 8

  /// Whether the record of such a loss says how many messages were lost. Where it does not, consumers are told 0, and
  /// the record occupies a sequence number all the same, which is that of nothing else.
  package var isCounted: Bool { self != .trimmedUnknown && self != .resetUnknown }

  /// The name that programs see.
  package var name: StaticString {
    switch self {
    case .overwritten: "overwritten"
    case .trimmed, .trimmedUnknown: "trimmed"
    case .tooLarge: "too_large"
    case .invalid: "invalid"
    case .reset, .resetUnknown: "reset"
    case .newQueue: "new_queue"
    }
  }
}
