import Bytes
import RESP
import Testing

private let malformed: [(String, RESPFault.Reason, Int)] = [
  // No type begins so.
  ("x", .unknownType(UInt8(ascii: "x")), 0),
  ("\r\n", .unknownType(13), 0),
  (" +OK\r\n", .unknownType(32), 0),
  ("*2\r\n:1\r\nPING\r\n", .unknownType(UInt8(ascii: "P")), 8),
  // Lines end with CR LF and hold neither.
  ("+a\rb\r\n", .bareCarriageReturn, 0),
  ("+a\r\r\n", .bareCarriageReturn, 0),
  ("-a\nb\r\n", .bareLineFeed, 0),
  (":1\n", .bareLineFeed, 0),
  // Lengths and counts.
  ("$\r\n", .badLength, 0),
  ("$+1\r\n", .badLength, 0),
  ("$01\r\n", .badLength, 0),
  ("$-0\r\n", .badLength, 0),
  ("$-2\r\n", .badLength, 0),
  ("$ 1\r\n", .badLength, 0),
  ("$1 \r\n", .badLength, 0),
  ("$1x\r\n", .badLength, 0),
  ("$0x1\r\n", .badLength, 0),
  ("*-2\r\n", .badLength, 0),
  ("*+1\r\n", .badLength, 0),
  ("*\r\n", .badLength, 0),
  ("%-1\r\n", .badLength, 0),
  ("~-1\r\n", .badLength, 0),
  (">-1\r\n", .badLength, 0),
  ("|-1\r\n", .badLength, 0),
  ("!-1\r\n", .badLength, 0),
  ("=-1\r\n", .badLength, 0),
  ("$18446744073709551616\r\n", .badLength, 0),
  ("$18446744073709551615\r\n", .bulkTooLong, 0),
  ("$9223372036854775807\r\n", .bulkTooLong, 0),
  ("$536870913\r\n", .bulkTooLong, 0),
  ("!4194561\r\n", .bulkTooLong, 0),
  ("=4194561\r\n", .bulkTooLong, 0),
  ("!9223372036854775807\r\n", .bulkTooLong, 0),
  ("=9223372036854775800\r\n", .bulkTooLong, 0),
  ("%4611686018427387904\r\n", .tooManyElements, 0),
  ("|9223372036854775807\r\n", .tooManyElements, 0),
  ("*9223372036854775807\r\n", .tooManyElements, 0),
  ("*2147483648\r\n", .tooManyElements, 0),
  // Numbers and words.
  (":\r\n", .badInteger, 0),
  (":+\r\n", .badInteger, 0),
  (":-\r\n", .badInteger, 0),
  (":-0\r\n", .badInteger, 0),
  (":+-1\r\n", .badInteger, 0),
  (":007\r\n", .badInteger, 0),
  (":1.0\r\n", .badInteger, 0),
  (":9223372036854775808\r\n", .badInteger, 0),
  (":-9223372036854775809\r\n", .badInteger, 0),
  (":99999999999999999999999999\r\n", .badInteger, 0),
  (",\r\n", .badDouble, 0),
  (",.5\r\n", .badDouble, 0),
  (",1e\r\n", .badDouble, 0),
  (",1e+\r\n", .badDouble, 0),
  (",1.2.3\r\n", .badDouble, 0),
  (",0x1p3\r\n", .badDouble, 0),
  (",infinity\r\n", .badDouble, 0),
  (",INF\r\n", .badDouble, 0),
  (",+inf\r\n", .badDouble, 0),
  (",1 \r\n", .badDouble, 0),
  ("(\r\n", .badBigNumber, 0),
  ("(-\r\n", .badBigNumber, 0),
  ("(-0\r\n", .badBigNumber, 0),
  ("(00\r\n", .badBigNumber, 0),
  ("(1a\r\n", .badBigNumber, 0),
  ("#\r\n", .badBoolean, 0),
  ("#T\r\n", .badBoolean, 0),
  ("#true\r\n", .badBoolean, 0),
  ("_x\r\n", .badNull, 0),
  ("=3\r\ntxt\r\n", .badVerbatim, 0),
  ("=5\r\ntxt;x\r\n", .badVerbatim, 0),
  // A string is as long as it says.
  ("$3\r\nabcd\r\n", .missingTerminator, 0),
  ("$3\r\nab\r\n:", .missingTerminator, 0),
  ("$3\r\nabc\n\r", .missingTerminator, 0),
  ("*1\r\n$1\r\nabc", .missingTerminator, 4),
  // Streamed types.
  ("$?\r\n", .streamed, 0),
  ("*?\r\n", .streamed, 0),
  ("%?\r\n", .streamed, 0),
  (">?\r\n", .streamed, 0),
  (";4\r\n", .streamed, 0),
  (".\r\n", .streamed, 0),
  // A push stands at the top alone.
  ("*1\r\n>1\r\n+x\r\n", .nestedPush, 4),
  ("|1\r\n+k\r\n>1\r\n+x\r\n", .nestedPush, 8),
]

@Suite struct RESPFaultTests {
  @Test("what is not RESP is refused with its reason and place, however it is cut", arguments: malformed)
  func refused(text: String, reason: RESPFault.Reason, offset: Int) {
    let bytes = Array(text.utf8)
    let reading = Reading.malformed(reason, offset: offset)
    #expect(readWhole(bytes) == reading)
    #expect(readDripped(bytes) == reading)
    for boundary in 0...bytes.count {
      var parser = RESPParser()
      #expect(parser.read(bytes, upTo: [boundary, bytes.count]) == reading, "split at \(boundary)")
    }
  }

  @Test("a fault is final until the parser is reset")
  func sticky() {
    var parser = RESPParser()
    #expect(parser.read(Array("x".utf8), upTo: [1]) == parser.read(Array("+OK\r\n".utf8), upTo: [5]))
    parser.reset()
    #expect(parser.read(Array("+OK\r\n".utf8), upTo: [5]) == .value(.simple("OK"), byteCount: 5))
  }

  @Test("the longest line is taken, one byte more is not")
  func lineLimit() {
    var limits = RESPLimits()
    limits.lineBytes = 8
    let fits = Array("+12345678\r\n".utf8)
    let tooLong = Array("+123456789\r\n".utf8)
    for read in [readWhole, readDripped] {
      #expect(read(fits, limits) == .value(.simple("12345678"), byteCount: 11))
      #expect(read(tooLong, limits) == .malformed(.lineTooLong, offset: 0))
    }
    // Refused before its end has come.
    #expect(readWhole(Array("+123456789".utf8), limits: limits) == .malformed(.lineTooLong, offset: 0))
  }

  @Test("the longest string and frame are taken, one byte more is refused by its length alone")
  func bulkAndFrameLimit() {
    var limits = RESPLimits()
    limits.bulkBytes = 4
    limits.skippedBytes = 4
    limits.frameBytes = 24
    #expect(readWhole(Array("$4\r\nabcd\r\n".utf8), limits: limits) == .value(.bulk("abcd"), byteCount: 10))
    #expect(readWhole(Array("$5\r\n".utf8), limits: limits) == .malformed(.bulkTooLong, offset: 0))
    let full = Array("*2\r\n$4\r\nabcd\r\n$4\r\nabcd\r\n".utf8)
    #expect(full.count == 24)
    #expect(readDripped(full, limits: limits) == .value(.array([.bulk("abcd"), .bulk("abcd")]), byteCount: 24))
    limits.frameBytes = 23
    #expect(readDripped(full, limits: limits) == .malformed(.frameTooLong, offset: 14))
    let over = Array("*3\r\n$4\r\nabcd\r\n+a\r\n$4\r\n".utf8)
    #expect(readDripped(over, limits: limits) == .malformed(.frameTooLong, offset: 18))
  }

  @Test("32 levels are taken, 33 are not, whether arrays, maps, sets or attributes nest")
  func depthLimit() {
    for (header, before) in [("*1\r\n", ""), ("%1\r\n", "+k\r\n"), ("~1\r\n", ""), ("|1\r\n", "")] {
      let level = header + before
      // An attribute's key is the next attribute; the innermost is completed, then each value and described value.
      let tail = header.hasPrefix("|") ? String(repeating: "+x\r\n", count: 2 * 32 + 1) : "+x\r\n"
      let fits = Array((String(repeating: level, count: 32) + tail).utf8)
      guard case .value(_, fits.count) = readDripped(fits) else {
        Issue.record("32 levels of \(header)")
        continue
      }
      let deep = Array(String(repeating: level, count: 33).utf8)
      let offset = 32 * level.utf8.count
      #expect(readDripped(deep) == .malformed(.tooDeep, offset: offset), "\(header)")
    }
  }

  @Test("the elements of a frame are counted as they are announced, at every level and in attributes")
  func elementLimit() {
    var limits = RESPLimits()
    limits.elements = 5
    func reason(_ text: String) -> RESPFault.Reason? {
      guard case .malformed(let reason, _) = readDripped(Array(text.utf8), limits: limits) else { return nil }
      return reason
    }
    #expect(readWhole(Array("*4\r\n_\r\n_\r\n_\r\n_\r\n".utf8), limits: limits) != .unfinished)
    #expect(reason("*4\r\n_\r\n_\r\n_\r\n_\r\n") == nil)
    #expect(reason("*5\r\n") == .tooManyElements)
    #expect(reason("%2\r\n") == nil)
    #expect(reason("%3\r\n") == .tooManyElements)
    #expect(reason("*3\r\n*1\r\n") == nil)
    #expect(reason("*3\r\n*2\r\n") == .tooManyElements)
    // Empty attributes without end are elements too.
    #expect(reason(String(repeating: "|0\r\n", count: 4)) == nil)
    #expect(reason(String(repeating: "|0\r\n", count: 5)) == .tooManyElements)
    #expect(reason("|1\r\n|1\r\n") == .tooManyElements)
  }
}
