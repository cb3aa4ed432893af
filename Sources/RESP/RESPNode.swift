/// The types of RESP2 and RESP3, each with the byte it begins with
/// (https://redis.io/docs/latest/develop/reference/protocol-spec/).
@usableFromInline
package enum RESPKind: UInt16, BitwiseCopyable, Sendable {
  case simpleString = 0x2B  // +
  case simpleError = 0x2D  // -
  case integer = 0x3A  // :
  case bulkString = 0x24  // $
  case array = 0x2A  // *
  case null = 0x5F  // _   and RESP2's `$-1` and `*-1`
  case boolean = 0x23  // #
  case double = 0x2C  // ,
  case bigNumber = 0x28  // (
  case bulkError = 0x21  // !
  case verbatimString = 0x3D  // =
  case map = 0x25  // %
  case set = 0x7E  // ~
  case push = 0x3E  // >
  /// Checked and dropped by the parser: no node of a frame has this kind.
  case attribute = 0x7C  // |
  /// A bulk string longer than is kept: its bytes were skipped. No type byte has this value.
  case oversizedString = 0x124

  /// A text: simple, bulk or verbatim string, and there to be read.
  @inlinable package var isString: Bool { self == .bulkString || self == .simpleString || self == .verbatimString }
  package var isError: Bool { self == .simpleError || self == .bulkError }

  /// Whether its line is a length or a count.
  var hasLength: Bool {
    switch self {
    case .bulkString, .oversizedString, .bulkError, .verbatimString, .array, .set, .push, .map, .attribute: true
    case .simpleString, .simpleError, .integer, .null, .boolean, .double, .bigNumber: false
    }
  }
}

/// One value of a frame. Nodes stand in preorder in one flat list:
///
///     *2 ─┬─ :1          index   0      1      2      3      4
///         └─ *2 ─┬─ +a   node   *2     :1     *2     +a     +b
///                └─ +b   next    5      2      5      4      5
///
/// Invariant: index < next <= the number of nodes; the subtree of a node is index..<next.
@usableFromInline
package struct RESPNode: BitwiseCopyable, Sendable {
  @usableFromInline package let kind: RESPKind
  /// An integer's value, a boolean's 0 or 1, the number of children of an aggregate (two for each entry of a map), the
  /// number of bytes of an oversized string; else 0.
  @usableFromInline package let integer: Int64
  /// The index of the first node behind this one's subtree.
  @usableFromInline package internal(set) var next: Int

  @usableFromInline let start: Int
  @usableFromInline let end: Int

  /// The bytes of the value relative to the frame's first byte: a string's or error's text (a verbatim string's
  /// without its `txt:`), a number as written. Empty for an aggregate, a null and an oversized string.
  @inlinable package var payload: Range<Int> { start..<end }

  init(kind: RESPKind, payload: Range<Int>, integer: Int64 = 0, next: Int) {
    self.kind = kind
    self.integer = integer
    self.next = next
    start = payload.lowerBound
    end = payload.upperBound
  }
}
