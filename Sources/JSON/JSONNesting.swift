internal import Bytes

/// Which of the open brackets are objects, one bit each: the stack of a scanner that does not recurse.
///
/// Invariant: 0 <= depth <= Limits.jsonDepth <= capacity.
struct JSONNesting {
  static let capacity = 128

  // A 128-bit shift register: the innermost bracket is the lowest bit.
  private var low: UInt64 = 0
  private var high: UInt64 = 0
  /// The number of open brackets, with those the scanner's caller has opened.
  private(set) var depth: Int

  init(depth: Int) { self.depth = depth }

  var isObject: Bool { low & 1 == 1 }

  /// Opens a bracket; false where that would be one too many.
  mutating func push(object: Bool) -> Bool {
    guard depth < min(Limits.jsonDepth, Self.capacity) else { return false }
    depth &+= 1
    high = high &<< 1 | low &>> 63
    low = low &<< 1 | (object ? 1 : 0)
    return true
  }

  mutating func pop() {
    depth &-= 1
    low = low &>> 1 | high &<< 63
    high &>>= 1
  }
}
