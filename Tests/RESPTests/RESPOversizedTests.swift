import Bytes
import RESP
import Testing

private let limits: RESPLimits = {
  var limits = RESPLimits()
  limits.bulkBytes = 4
  limits.skippedBytes = 40
  return limits
}()

/// What came of a run of bytes that a buffer was given piece by piece, as a connection does it.
private struct Course {
  var frames: [Value] = []
  var fault: RESPFault?
  /// The most bytes that were in the buffer when the parser waited for more.
  var mostWaiting = 0
  var left = 0

  private static func content(_ input: borrowing ByteBuffer) -> [UInt8] {
    let readable = input.readable
    return readable.indices.map { readable[$0] }
  }

  /// - Parameter ends: where the pieces end, ascending; the last at the end of `bytes`.
  init(_ bytes: [UInt8], _ ends: some Sequence<Int>, limits: RESPLimits = limits) {
    var parser = RESPParser(limits: limits)
    var input = ByteBuffer(capacity: 16)
    var start = 0
    for end in ends {
      input.append(contentsOf: bytes.span.extracting(start..<end))
      start = end
      serving: while true {
        switch parser.parse(input.readable) {
        case .needMore(let lacking):
          if let range = parser.takeDiscardable(of: input.count) {
            input.remove(range)
            continue
          }
          mostWaiting = max(mostWaiting, input.count)
          if lacking > max(bytes.count - end, 0), end < bytes.count { frames.append(.error("overstated \(lacking)")) }
          break serving
        case .malformed(let fault):
          self.fault = fault
          return
        case .value(let byteCount):
          let held = Self.content(input)
          frames.append(value(parser.frame(in: input.readable), in: held))
          input.consume(byteCount)
        }
      }
    }
    left = input.count
  }
}

/// `bytes` whole, byte by byte, and split in two at every boundary.
private func courses(of bytes: [UInt8], limits: RESPLimits = limits) -> [Course] {
  [Course(bytes, [bytes.count], limits: limits), Course(bytes, 1...bytes.count, limits: limits)]
    + bytes.indices.map { Course(bytes, [$0, bytes.count], limits: limits) }
}

@Suite("Oversized bulk strings")
struct RESPOversizedTests {
  @Test(
    "one is skipped and leaves its length, what stands around it is whole, however it is cut",
    arguments: [
      [.oversized(5)], [.oversized(40)], [.bulk("abcd"), .oversized(17), .bulk("abcd")],
      [.oversized(5), .oversized(6), .oversized(7), .simple("x")],
      [.push([.bulk("a"), .bulk("b"), .oversized(30)]), .push([.bulk("a"), .bulk("b"), .bulk("c")])],
      [.array([.oversized(9), .array([.oversized(11), .integer(3), .array([.oversized(40)])]), .bulk("end")])],
      [.map([.bulk("k"), .oversized(8), .oversized(9), .bulk("v")]), .set([.oversized(5)])],
    ] as [[Value]])
  func skipped(values: [Value]) {
    for course in courses(of: values.flatMap(\.encoded)) {
      #expect(course.frames == values)
      #expect(course.fault == nil && course.left == 0)
    }
  }

  @Test("one among the entries of an attribute goes with it")
  func inAttribute() {
    let value = Value.attributed([.bulk("k"), .oversized(20)], .integer(1))
    for course in courses(of: value.encoded) { #expect(course.frames == [.integer(1)]) }
  }

  @Test("the longest string that is kept is kept, the longest that is skipped is skipped, one byte more is refused")
  func bounds() {
    #expect(Course(Value.bulk("abcd").encoded, [10]).frames == [.bulk("abcd")])
    for bytes in [Array("$41\r\n".utf8), Array("*2\r\n:1\r\n$41\r\n".utf8)] {
      for course in courses(of: bytes) {
        #expect(course.fault?.reason == .bulkTooLong && course.frames == [])
        #expect(course.fault?.offset == bytes.count - 5)
      }
    }
  }

  @Test(
    "one that does not end where its length says is malformed", arguments: ["abcdefgh\r\n", "abcde\rx", "abcde\n\r"])
  func terminator(text: String) {
    for course in courses(of: Array("*2\r\n:1\r\n$5\r\n\(text)".utf8)) {
      #expect(course.fault?.reason == .missingTerminator && course.fault?.offset == 8 && course.frames == [])
    }
  }

  @Test("what is skipped does not count toward the frame's bytes, what is kept does")
  func frameBytes() {
    var limits = limits
    let value = Value.array([.oversized(40), .oversized(40), .bulk("abcd")])
    // *3, twice $40 with its two line ends, $4 and its text.
    limits.frameBytes = 4 + 2 * 7 + 10
    for course in courses(of: value.encoded, limits: limits) { #expect(course.frames == [value]) }
    limits.frameBytes -= 1
    for course in courses(of: value.encoded, limits: limits) { #expect(course.fault?.reason == .frameTooLong) }
    limits.frameBytes = 10
    for course in courses(of: value.encoded, limits: limits) { #expect(course.fault?.reason == .frameTooLong) }
  }

  @Test("each is an element of its frame")
  func elements() {
    var limits = limits
    limits.elements = 3
    let fits = Value.array([.oversized(5), .oversized(5)])
    #expect(Course(fits.encoded, [fits.encoded.count], limits: limits).frames == [fits])
    let over = Value.array([.oversized(5), .oversized(5), .oversized(5)])
    #expect(Course(over.encoded, [over.encoded.count], limits: limits).fault?.reason == .tooManyElements)
  }

  @Test("5 MB in pieces are never held, and nothing but their header is looked at")
  func memory() {
    let bytes = Value.push([.bulk("message"), .oversized(5_000_000)]).encoded
    let ends = Array(stride(from: 1_000, to: bytes.count, by: 1_000)) + [bytes.count]
    let course = Course(bytes, ends, limits: RESPLimits())
    #expect(course.frames == [.push([.bulk("message"), .oversized(5_000_000)])])
    #expect(course.mostWaiting < 64)
  }

  @Test("no byte begins a skipped string: the kind is not on the wire")
  func everyType() {
    let types = Set("+-:$*_#,(!=%~>|".utf8)
    for byte in UInt8.min...UInt8.max where !types.contains(byte) {
      #expect(Course([byte, 0x31, 13, 10], [4]).fault != nil, "\(byte)")
    }
  }

  @Test("a reset in the middle of one forgets it")
  func reset() {
    var parser = RESPParser(limits: limits)
    let begun = Array("$20\r\nabc".utf8)
    #expect(parser.parse(begun.span) == .needMore(atLeast: 19))
    #expect(parser.takeDiscardable(of: begun.count) == 5..<8)
    #expect(parser.takeDiscardable(of: 5) == nil)
    parser.reset()
    #expect(parser.takeDiscardable(of: begun.count) == nil)
    #expect(parser.read(Array("+OK\r\n".utf8), upTo: [5]) == .value(.simple("OK"), byteCount: 5))
  }
}
