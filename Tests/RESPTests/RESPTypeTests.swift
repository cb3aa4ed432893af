import Bytes
import RESP
import Testing

/// Each type of https://redis.io/docs/latest/develop/reference/protocol-spec/, in a spelling of our own.
private let vectors: [(String, Value)] = [
  ("+OK\r\n", .simple("OK")),
  ("+\r\n", .simple("")),
  ("+grüße 🌍\r\n", .simple("grüße 🌍")),
  ("-ERR no such thing\r\n", .error("ERR no such thing")),
  (":0\r\n", .integer(0)),
  (":+7\r\n", .integer(7)),
  (":+0\r\n", .integer(0)),
  (":-42\r\n", .integer(-42)),
  (":9223372036854775807\r\n", .integer(.max)),
  (":-9223372036854775808\r\n", .integer(.min)),
  ("$0\r\n\r\n", .bulk("")),
  ("$5\r\na\r\nb\n\r\n", .bulk("a\r\nb\n")),
  ("$-1\r\n", .null),
  ("*-1\r\n", .null),
  ("_\r\n", .null),
  ("*0\r\n", .array([])),
  ("*3\r\n:1\r\n$-1\r\n*1\r\n+x\r\n", .array([.integer(1), .null, .array([.simple("x")])])),
  ("#t\r\n", .boolean(true)),
  ("#f\r\n", .boolean(false)),
  (",1.25\r\n", .double("1.25")),
  (",10\r\n", .double("10")),
  (",+10.\r\n", .double("+10.")),
  (",-0.5e-7\r\n", .double("-0.5e-7")),
  (",1E+400\r\n", .double("1E+400")),
  (",inf\r\n", .double("inf")),
  (",-inf\r\n", .double("-inf")),
  (",nan\r\n", .double("nan")),
  ("(0\r\n", .bigNumber("0")),
  ("(+12\r\n", .bigNumber("+12")),
  ("(-170141183460469231731687303715884105728\r\n", .bigNumber("-170141183460469231731687303715884105728")),
  ("!8\r\nERR a\r\nb\r\n", .bulkError("ERR a\r\nb")),
  ("=9\r\nmkd:# one\r\n", .verbatim(format: "mkd", "# one")),
  ("=4\r\ntxt:\r\n", .verbatim(format: "txt", "")),
  ("%0\r\n", .map([])),
  ("%2\r\n+a\r\n:1\r\n_\r\n*0\r\n", .map([.simple("a"), .integer(1), .null, .array([])])),
  ("~2\r\n:1\r\n:1\r\n", .set([.integer(1), .integer(1)])),
  (">2\r\n+pong\r\n$0\r\n\r\n", .push([.simple("pong"), .bulk("")])),
  // An attribute describes the value behind it: before the frame, before an element, before a map's value, of another
  // attribute, empty, twice.
  ("|1\r\n+ttl\r\n:9\r\n$1\r\nv\r\n", .bulk("v")),
  ("*2\r\n:1\r\n|1\r\n+ttl\r\n*1\r\n:2\r\n:3\r\n", .array([.integer(1), .integer(3)])),
  ("%1\r\n+k\r\n|0\r\n|0\r\n+v\r\n", .map([.simple("k"), .simple("v")])),
  ("|1\r\n|1\r\n+x\r\n+y\r\n+k\r\n_\r\n~0\r\n", .set([])),
  ("|1\r\n+k\r\n+v\r\n>1\r\n+x\r\n", .push([.simple("x")])),
]

@Suite struct RESPTypeTests {
  @Test("every type is read, whole, byte by byte, and split in two at every boundary", arguments: vectors)
  func everyType(text: String, expected: Value) {
    let bytes = Array(text.utf8)
    let reading = Reading.value(expected, byteCount: bytes.count)
    #expect(readWhole(bytes) == reading)
    #expect(readDripped(bytes) == reading)
    for boundary in 0...bytes.count {
      var parser = RESPParser()
      #expect(parser.read(bytes, upTo: [boundary, bytes.count]) == reading, "split at \(boundary)")
    }
  }

  @Test("frames that come in one piece are read one after the other, and what is behind a frame is left alone")
  func batched() {
    let bytes = vectors.flatMap { Array($0.0.utf8) }
    var parser = RESPParser()
    var start = 0
    for (text, expected) in vectors {
      let reading = parser.read(Array(bytes[start...]), upTo: [bytes.count - start])
      #expect(reading == .value(expected, byteCount: text.utf8.count))
      start += text.utf8.count
    }
    #expect(start == bytes.count)
    #expect(parser.read([], upTo: [0]) == .unfinished)
  }

  @Test("an unfinished frame names the bytes that it certainly lacks")
  func hint() {
    var parser = RESPParser()
    func more(_ text: String) -> RESPOutcome {
      parser.reset()
      let bytes = Array(text.utf8)
      return parser.parse(bytes.span)
    }
    #expect(more("") == .needMore(atLeast: 3))
    #expect(more("+") == .needMore(atLeast: 2))
    #expect(more("+OK\r") == .needMore(atLeast: 1))
    #expect(more("$100\r\n") == .needMore(atLeast: 102))
    #expect(more("$4\r\nabcd\r") == .needMore(atLeast: 1))
    // A bulk of 10 with its CR LF, and two values of at least three bytes.
    #expect(more("*3\r\n$10\r\n") == .needMore(atLeast: 18))
    #expect(more("%2\r\n+a\r\n") == .needMore(atLeast: 9))
  }

  @Test("children are walked level by level, past whole subtrees")
  func children() {
    let bytes = Array("*3\r\n*2\r\n:1\r\n*1\r\n:2\r\n%1\r\n+k\r\n+v\r\n-ERR x\r\n".utf8)
    var parser = RESPParser()
    #expect(parser.parse(bytes.span) == .value(byteCount: bytes.count))
    let frame = parser.frame(in: bytes.span)
    #expect(frame.count == 9)
    var kinds: [RESPKind] = []
    var children = frame.children()
    while let child = children.next() { kinds.append(frame[child].kind) }
    #expect(kinds == [.array, .map, .simpleError])
    #expect(frame.root.integer == 3)
    var none = frame.children(of: 2)
    let isLeaf = none.next() == nil
    #expect(isLeaf)
  }

  @Test("an error reply is known as one, in both spellings, and only at the root")
  func errors() {
    for (text, isError) in [
      ("-ERR\r\n", true), ("!3\r\nERR\r\n", true), ("*1\r\n-ERR\r\n", false), ("+ERR\r\n", false),
    ] {
      let bytes = Array(text.utf8)
      var parser = RESPParser()
      #expect(parser.parse(bytes.span) == .value(byteCount: bytes.count))
      let found = parser.frame(in: bytes.span).isError
      #expect(found == isError, "\(text)")
    }
  }
}
