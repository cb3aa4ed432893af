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

  /// Whether the record of such a loss says how many messages were lost. Where it does not, it occupies a sequence
  /// number all the same, which is that of nothing else, so that readers are told of it exactly once.
  package var isCounted: Bool { self != .trimmedUnknown && self != .resetUnknown }

  /// How many messages readers are told were lost by what occupies so many sequence numbers; 0: nobody knows.
  package func told(_ numbers: UInt64) -> UInt64 { isCounted ? numbers : 0 }

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
