internal import Bytes

/// What `RESPParser` takes at most. More is malformed: it costs the sender the connection and us no memory. Only a bulk
/// string that is too long is skipped, as its length says where the next value begins.
package struct RESPLimits: Sendable {
  /// Aggregates inside each other, attributes among them.
  package var depth = Limits.respDepth
  /// Values in one frame, those included that a count announces and that have not come.
  package var elements = Limits.respElements
  /// The bytes between the type byte and CR LF, those of one string with a length, and those of the whole frame.
  package var lineBytes = Limits.respLineBytes
  package var bulkBytes = Limits.respBulkBytes
  package var frameBytes = Limits.respFrameBytes
  /// The bytes of the longest bulk string that is skipped; where no more than `bulkBytes`, none is.
  package var skippedBytes = Limits.respSkippedBytes

  package init() {}
}

/// What became of the bytes given to `RESPParser.parse`.
package enum RESPOutcome: Equatable, BitwiseCopyable, Sendable {
  /// A frame is complete and is this many bytes long; read it with `frame(in:)`, then consume them.
  case value(byteCount: Int)
  /// Not complete, and certainly not with fewer than this many bytes more (at least 1). See `takeDiscardable` too.
  case needMore(atLeast: Int)
  case malformed(RESPFault)
}

/// Reads RESP2 and RESP3 frames from a growing run of bytes, in any pieces, and looks at each byte once.
///
///      frame's first byte      lineStart   position          bytes.count
///      │ values already read … │$│ digits … │ not looked at … │
///
/// All positions are relative to the frame's first byte, so the buffer may move between calls. Nesting is an explicit
/// stack. The node list and the stack keep their memory: once warm, a frame allocates nothing.
///
/// Attributes (`|`) are out-of-band data that no command of ours asks for: checked, then dropped. They count toward
/// the limits, not as elements of the value around them.
///
/// A bulk string that is too long is not kept: the caller takes its bytes out of the buffer as they come, and the frame
/// goes on behind them as if they had never been there.
///
///      frame's first byte           position                       bytes.count
///      │ … values … $5000000 CR LF │ to be discarded │ CR LF … │
///
/// Invariant: 0 <= lineStart <= position <= bytes.count while a value is not complete; seen <= announced.
package struct RESPParser: ~Copyable {
  private enum Phase { case type, line, bulk, oversized, complete }

  /// An aggregate whose children are still coming. `node` is where it stands in the list, or for an attribute how long
  /// the list was before it.
  struct Level: BitwiseCopyable {
    let node: Int
    var remaining: Int
    let isAttribute: Bool
  }

  private let limits: RESPLimits
  private var nodes = RESPList<RESPNode>(capacity: 16)
  private var levels: RESPList<Level>
  private var phase = Phase.type
  private var fault: RESPFault?

  private var kind = RESPKind.null
  private var position = 0
  private var lineStart = 0
  private var bulkEnd = 0
  /// The length of the oversized string, and how much of it is still to be discarded.
  private var oversizedLength = 0
  private var discardable = 0

  /// The values that the counts so far promise, the root included, and how many of them have begun.
  private var announced = 1
  private var seen = 0

  /// The bytes of lines looked at since `init`: bounded by the bytes that came plus one for each call (a CR whose LF
  /// had not come is looked at again). Shows that nothing is scanned twice.
  package private(set) var examinedBytes = 0

  package init(limits: RESPLimits = RESPLimits()) {
    self.limits = limits
    levels = RESPList(capacity: max(limits.depth, 1))
  }

  /// Forgets the frame, complete or not, and any fault: for a new connection. (After a complete frame `parse` begins
  /// the next by itself.)
  package mutating func reset() {
    nodes.truncate(to: 0)
    levels.truncate(to: 0)
    phase = .type
    fault = nil
    position = 0
    lineStart = 0
    announced = 1
    seen = 0
  }

  /// Goes on with the frame that `bytes` begins with.
  ///
  /// - Parameter bytes: all bytes since the frame's first but those that `takeDiscardable` gave; at least as many as at
  ///   the call before and those less, unless that one answered `value`. A fault is final until `reset()`.
  package mutating func parse(_ bytes: borrowing Span<UInt8>) -> RESPOutcome {
    if phase == .complete { reset() }
    if let fault { return .malformed(fault) }
    precondition(bytes.count >= position, "the bytes of a frame only grow")
    do {
      while phase != .complete {
        let lacking = try step(bytes)
        if lacking > 0 { return .needMore(atLeast: lacking) }
      }
      return .value(byteCount: position)
    } catch {
      fault = error
      return .malformed(error)
    }
  }

  /// After `needMore`: the bytes of an oversized string among the `byteCount` that `parse` was given, if there are any,
  /// counted from the frame's first. The caller removes them from the buffer and parses what is left; where they stay,
  /// the frame is never complete.
  package mutating func takeDiscardable(of byteCount: Int) -> Range<Int>? {
    guard phase == .oversized, discardable > 0, byteCount > position else { return nil }
    let count = min(discardable, byteCount - position)
    discardable -= count
    return position..<(position + count)
  }

  /// The frame that `parse` has just completed. Pass it straight on: a variable of it would keep the parser and the
  /// buffer borrowed to the end of its scope.
  ///
  /// - Parameter bytes: begins at the frame's first byte, as it did for `parse`.
  @_lifetime(borrow self, copy bytes)
  package borrowing func frame(in bytes: Span<UInt8>) -> RESPFrame {
    precondition(phase == .complete && bytes.count >= position, "no complete frame")
    return RESPFrame(nodes: nodes.span, bytes: bytes)
  }

  /// Takes one part of a value: its type byte, its line or its bulk. Answers how many bytes it lacks, or 0.
  @inline(__always)
  private mutating func step(_ bytes: borrowing Span<UInt8>) throws(RESPFault) -> Int {
    switch phase {
    case .type:
      guard position < bytes.count else { return lacking(0) }
      try beginValue(bytes[position])
      if kind.hasLength, let length = readLength(bytes) { try endLength(length) }
    case .line:
      let lacking = try findLineEnd(bytes)
      guard lacking == 0 else { return lacking }
      try endLine(bytes)
    case .bulk:
      guard bytes.count - bulkEnd >= 2 else { return lacking(bulkEnd + 2 - bytes.count) }
      try endBulk(bytes)
    case .oversized:
      let held = bytes.count - position
      guard discardable == 0 else { return lacking(max(discardable + 2 - held, 1)) }
      guard held >= 2 else { return lacking(2 - held) }
      try endOversized(bytes)
    case .complete: break
    }
    return 0
  }

  /// What is lacking at least: `count` bytes of this value, and for each further one a type byte, CR and LF.
  private func lacking(_ count: Int) -> Int { count + 3 * (announced - seen) }

  @inline(never)
  private func failure(_ reason: RESPFault.Reason) -> RESPFault {
    RESPFault(reason: reason, offset: phase == .type ? position : lineStart - 1)
  }
}

// The parts of a value.
extension RESPParser {
  @inline(__always)
  private mutating func beginValue(_ type: UInt8) throws(RESPFault) {
    guard let kind = RESPKind(rawValue: UInt16(type)) else {
      // `;` is a chunk of a streamed string, `.` the end of a streamed aggregate.
      let isStreamed = type == UInt8(ascii: ";") || type == UInt8(ascii: ".")
      throw failure(isStreamed ? .streamed : .unknownType(type))
    }
    if kind == .push && !levels.isEmpty { throw failure(.nestedPush) }
    self.kind = kind
    seen += 1
    position += 1
    lineStart = position
    phase = .line
  }

  /// Reads a length and its CR LF where they are all there and ordinary: one to seven digits, which is more than any
  /// limit of ours has. Else answers nil, with `position` as far as it looked: the line goes on from there, and says
  /// what is lacking or wrong.
  @inline(__always)
  private mutating func readLength(_ bytes: borrowing Span<UInt8>) -> UInt64? {
    let end = min(bytes.count, lineStart + min(7, limits.lineBytes))
    var index = lineStart
    var value: UInt64 = 0
    while index < end {
      let digit = bytes[index] &- UInt8(ascii: "0")
      guard digit <= 9 else { break }
      value = value &* 10 &+ UInt64(digit)
      index &+= 1
    }
    examinedBytes &+= index &- lineStart
    position = index
    guard index > lineStart, bytes.count &- index >= 2, bytes[index] == UInt8(ascii: "\r"),
      bytes[index &+ 1] == UInt8(ascii: "\n"), bytes[lineStart] != UInt8(ascii: "0") || index == lineStart &+ 1
    else { return nil }
    position = index &+ 2
    return value
  }

  /// Moves `position` to the line's CR, or as far as the bytes reach; answers how many bytes are lacking, or 0.
  private mutating func findLineEnd(_ bytes: borrowing Span<UInt8>) throws(RESPFault) -> Int {
    // The scan ends one byte behind the longest line, however much has come.
    let end = min(bytes.count, lineStart + limits.lineBytes + 1)
    let first = position
    var index = first
    while index < end {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n") { break }
      index += 1
    }
    examinedBytes &+= index - first + 1
    position = index
    guard index - lineStart <= limits.lineBytes else { throw failure(.lineTooLong) }
    guard index < bytes.count else { return lacking(2) }
    guard bytes[index] == UInt8(ascii: "\r") else { throw failure(.bareLineFeed) }
    guard bytes.count - index >= 2 else { return lacking(1) }
    guard bytes[index + 1] == UInt8(ascii: "\n") else { throw failure(.bareCarriageReturn) }
    return 0
  }

  private mutating func endLine(_ bytes: borrowing Span<UInt8>) throws(RESPFault) {
    let range = lineStart..<position
    let line = bytes.extracting(range)
    position += 2
    guard position <= limits.frameBytes else { throw failure(.frameTooLong) }
    switch kind {
    case .simpleString, .simpleError: endLeaf(range)
    case .integer:
      guard let value = RESPNumber.integer(line) else { throw failure(.badInteger) }
      endLeaf(range, value)
    case .null:
      guard line.isEmpty else { throw failure(.badNull) }
      endLeaf(range)
    case .boolean:
      guard equal(line, "t") || equal(line, "f") else { throw failure(.badBoolean) }
      endLeaf(range, line[0] == UInt8(ascii: "t") ? 1 : 0)
    case .double:
      guard RESPNumber.isDouble(line) else { throw failure(.badDouble) }
      endLeaf(range)
    case .bigNumber:
      guard RESPNumber.isBigNumber(line) else { throw failure(.badBigNumber) }
      endLeaf(range)
    case .bulkString where equal(line, "-1"), .array where equal(line, "-1"):
      kind = .null
      endLeaf(position..<position)
    case .bulkString, .oversizedString, .bulkError, .verbatimString, .array, .set, .push, .map, .attribute:
      if equal(line, "?") { throw failure(.streamed) }
      guard let length = Decimal.unsigned(line) else { throw failure(.badLength) }
      try endLength(length)
    }
  }

  /// A length or count has been read, and `position` is behind its line. It is compared with its limit before anything
  /// is done with it.
  @inline(__always)
  private mutating func endLength(_ length: UInt64) throws(RESPFault) {
    guard position <= limits.frameBytes else { throw failure(.frameTooLong) }
    switch kind {
    case .array, .set, .push, .map, .attribute:
      guard length <= UInt64(limits.elements) else { throw failure(.tooManyElements) }
      // Twice a number that the limit holds cannot overflow.
      try beginAggregate(kind == .map || kind == .attribute ? 2 * Int(length) : Int(length))
    default:
      if length <= UInt64(limits.bulkBytes) { try beginBulk(length: Int(length)) } else { try beginOversized(length) }
    }
  }

  @inline(__always)
  private mutating func beginBulk(length: Int) throws(RESPFault) {
    // A verbatim string begins with three bytes of format and a colon.
    if kind == .verbatimString && length < 4 { throw failure(.badVerbatim) }
    bulkEnd = position + length
    guard bulkEnd + 2 <= limits.frameBytes else { throw failure(.frameTooLong) }
    phase = .bulk
  }

  @inline(__always)
  private mutating func endBulk(_ bytes: borrowing Span<UInt8>) throws(RESPFault) {
    guard bytes[bulkEnd] == UInt8(ascii: "\r"), bytes[bulkEnd + 1] == UInt8(ascii: "\n") else {
      throw failure(.missingTerminator)
    }
    var start = position
    if kind == .verbatimString {
      guard bytes[start + 3] == UInt8(ascii: ":") else { throw failure(.badVerbatim) }
      start += 4
    }
    position = bulkEnd + 2
    endLeaf(start..<bulkEnd)
  }

  /// Errors and verbatim strings are never that long: no Redis command answers so.
  @inline(never)
  private mutating func beginOversized(_ length: UInt64) throws(RESPFault) {
    guard kind == .bulkString, length <= UInt64(limits.skippedBytes) else { throw failure(.bulkTooLong) }
    guard position + 2 <= limits.frameBytes else { throw failure(.frameTooLong) }
    oversizedLength = Int(length)
    discardable = oversizedLength
    phase = .oversized
  }

  @inline(never)
  private mutating func endOversized(_ bytes: borrowing Span<UInt8>) throws(RESPFault) {
    guard bytes[position] == UInt8(ascii: "\r"), bytes[position + 1] == UInt8(ascii: "\n") else {
      throw failure(.missingTerminator)
    }
    kind = .oversizedString
    let payload = position..<position
    position += 2
    endLeaf(payload, Int64(oversizedLength))
  }

  private mutating func beginAggregate(_ count: Int) throws(RESPFault) {
    guard levels.count < limits.depth else { throw failure(.tooDeep) }
    // The value that an attribute stands before was promised already; the attribute itself was not.
    let isAttribute = kind == .attribute
    announced += isAttribute ? count + 1 : count
    guard announced <= limits.elements else { throw failure(.tooManyElements) }
    let node = nodes.count
    if !isAttribute {
      nodes.append(RESPNode(kind: kind, payload: position..<position, integer: Int64(count), next: node + 1))
    }
    phase = .type
    if count > 0 {
      levels.append(Level(node: node, remaining: count, isAttribute: isAttribute))
    } else if !isAttribute {
      endValue()
    }
  }

  private mutating func endLeaf(_ payload: Range<Int>, _ integer: Int64 = 0) {
    nodes.append(RESPNode(kind: kind, payload: payload, integer: integer, next: nodes.count + 1))
    endValue()
  }

  /// A value is complete: so is every aggregate that it was the last of.
  private mutating func endValue() {
    phase = .type
    while !levels.isEmpty {
      let innermost = levels.count - 1
      var level = levels[innermost]
      if level.remaining > 1 {
        level.remaining -= 1
        levels[innermost] = level
        return
      }
      levels.truncate(to: innermost)
      if level.isAttribute {
        // The value that it describes is still to come, at the same place.
        nodes.truncate(to: level.node)
        return
      }
      var node = nodes[level.node]
      node.next = nodes.count
      nodes[level.node] = node
    }
    phase = .complete
  }
}
