import Bytes
import JSON
import TestSupport
import Testing

private func normalized(_ text: String) throws(JSONFault) -> String { try normalized(Array(text.utf8)) }

private func normalized(_ bytes: [UInt8]) throws(JSONFault) -> String {
  var output = ByteBuffer(capacity: 16)
  try JSON5.normalize(bytes.span, into: &output)
  return String(repairing: output.readable)
}

/// What the JSON string in `text` says.
private func decoded(_ text: String) throws -> String {
  let bytes = Array(text.utf8)
  let value = try JSONValue(scanning: bytes.span)
  #expect(value.kind == .string && value.range == 0..<bytes.count)
  return JSONString.decode(bytes.span.extracting(value.content))
}

@Suite("JSON5 made into JSON")
struct JSON5Tests {
  @Test(
    "objects and arrays: names without quotes, in single ones, one comma at the end",
    arguments: [
      ("{}", "{}"), ("[]", "[]"), ("{a:1}", #"{"a":1}"#), ("{a:1,}", #"{"a":1}"#), ("[1,]", "[1]"),
      ("[1,2,]", "[1,2]"), ("{'a b':[{},],\"c\":{d:[]}}", #"{"a b":[{}],"c":{"d":[]}}"#),
      ("{$_a1:null,_:true,$:false}", #"{"$_a1":null,"_":true,"$":false}"#),
      (#"{\u0061b\u0063:1}"#, #"{"\u0061b\u0063":1}"#), ("{\u{fc}n\u{ef}:1}", "{\"\u{fc}n\u{ef}\":1}"),
      ("{null:1,true:2,Infinity:3}", #"{"null":1,"true":2,"Infinity":3}"#), ("{a:1,a:2}", #"{"a":1,"a":2}"#),
      (" [ 1 , 2 ] ", "[1,2]"), ("{a\n:\n1}", #"{"a":1}"#),
    ])
  func containers(text: String, json: String) throws { #expect(try normalized(text) == json) }

  @Test(
    "strings of both quotes, and what a backslash does in them",
    arguments: [
      (#"'a'"#, "a"), (#"'say "hi"'"#, "say \"hi\""), (#""it's""#, "it's"), (#"'it\'s'"#, "it's"),
      (#"'\"'"#, "\""), (#"'\\'"#, "\\"), (#"'\b\f\n\r\t'"#, "\u{8}\u{c}\n\r\t"), (#"'\v\0'"#, "\u{b}\0"),
      (#"'\x41\x7f\xff'"#, "A\u{7f}\u{ff}"), (#"'\u00e9\uD83E\uDD9E'"#, "\u{e9}\u{1F99E}"),
      (#"'\A\C\/\D\C'"#, "AC/DC"), ("'a\\\nb'", "ab"), ("'a\\\r\nb'", "ab"), ("'a\\\rb'", "ab"),
      ("'a\\\u{2028}b\\\u{2029}c'", "abc"), ("'a\u{2028}b\u{2029}c'", "a\u{2028}b\u{2029}c"), ("'\t\u{1}'", "\t\u{1}"),
      ("'\\\t'", "\t"), ("'\\\u{1F99E}'", "\u{1F99E}"), ("'\u{4f60}\u{597d}'", "\u{4f60}\u{597d}"), ("''", ""),
      (#"'// no /* comment */'"#, "// no /* comment */"),
    ])
  func strings(text: String, meaning: String) throws { #expect(try decoded(try normalized(text)) == meaning) }

  @Test(
    "numbers with signs, points at either end, exponents and sixteen digits",
    arguments: [
      ("0", "0"), ("+1", "1"), ("-1", "-1"), (".5", "0.5"), ("5.", "5"), ("-.5e3", "-0.5e3"), ("1.5E+3", "1.5E+3"),
      ("1e-9", "1e-9"), ("5.e1", "5e1"), ("0x1F", "31"), ("-0Xff", "-255"),
      ("0xFFFFFFFFFFFFFFFF", "18446744073709551615"),
      ("0.0", "0.0"), ("-0", "-0"), ("Infinity", "null"), ("-Infinity", "null"), ("+NaN", "null"), ("[NaN]", "[null]"),
    ])
  func numbers(text: String, json: String) throws {
    #expect(try normalized(text) == json)
    let bytes = Array(json.utf8)
    _ = try JSONValue(scanning: bytes.span)
  }

  @Test("comments and every kind of white space may stand between all tokens, and change nothing")
  func space() throws {
    let spaces = [
      " ", "\t", "\n", "\u{b}", "\u{c}", "\r", "\r\n", "\u{a0}", "\u{feff}", "\u{2028}", "\u{2029}", "\u{1680}",
      "\u{2000}", "\u{200a}", "\u{202f}", "\u{205f}", "\u{3000}", "/**/", "/* a * / \n ** */", "// a\n", "// a\r",
      "// \u{fc}\u{2028}", "//\u{2029}",
    ]
    for space in spaces {
      let tokens = ["{", "a", ":", "[", "1", ",", "'x'", ",", "]", ",", "\u{fc}", ":", "null", ",", "}"]
      let text = space + tokens.joined(separator: space) + space
      #expect(try normalized(text) == "{\"a\":[1,\"x\"],\"\u{fc}\":null}", "\(Array(space.unicodeScalars))")
    }
    #expect(try normalized("1 // the end") == "1")
    #expect(try normalized("1/* the end */") == "1")
  }

  @Test(
    "what is not JSON5 is refused where it goes wrong",
    arguments: [
      ("", 0, JSONFault.Reason.empty), ("// only", 7, .empty), ("[1,,]", 3, .expectedValue), ("[,]", 1, .expectedValue),
      ("{,}", 1, .expectedName), ("{1:1}", 1, .expectedName), ("{a}", 2, .expectedColon), ("{a 1}", 3, .expectedColon),
      ("{a:}", 3, .expectedValue), ("{a:1 b:2}", 5, .expectedComma), ("[1}", 2, .expectedComma), ("[1", 2, .endsEarly),
      ("{a:", 3, .endsEarly), ("{", 1, .endsEarly), ("1 2", 2, .trailingBytes), ("{}}", 2, .trailingBytes),
      ("'a\nb'", 0, .unclosedString), ("'a", 0, .unclosedString), ("\"a'", 0, .unclosedString),
      ("/* a", 0, .unclosedComment),
      ("[1 /", 3, .expectedComma), ("010", 0, .invalidNumber), ("1e", 2, .endsEarly), ("1e+x", 3, .invalidNumber),
      (".", 1, .endsEarly), ("[.]", 2, .invalidNumber), ("[+]", 2, .invalidNumber), ("[0x]", 3, .invalidNumber),
      ("3in", 1, .invalidNumber),
      ("0x1g", 3, .invalidNumber), ("0x10000000000000000", 0, .invalidNumber), ("--1", 1, .invalidNumber),
      ("truer", 0, .expectedValue), ("nul", 0, .expectedValue), ("undefined", 0, .expectedValue),
      ("Infinit", 0, .invalidNumber),
      (#"'\1'"#, 1, .invalidEscape), (#"'\01'"#, 1, .invalidEscape), (#"'\xg0'"#, 1, .invalidEscape),
      (#"'\u12'"#, 1, .invalidEscape), (#"{\u0020:1}"#, 1, .invalidEscape), (#"{a\x:1}"#, 2, .invalidEscape),
      (#"'\"#, 2, .endsEarly),
    ])
  func refused(text: String, offset: Int, reason: JSONFault.Reason) {
    #expect(throws: JSONFault(offset: offset, reason: reason)) { try normalized(text) }
  }

  @Test("bytes that are not UTF-8 are refused in strings and names")
  func invalidUTF8() {
    for bytes: [UInt8] in [[0x27, 0xC3, 0x27], [0x27, 0xFF, 0x27], [0x7B, 0xE2, 0x28, 0x3A, 0x31, 0x7D]] {
      #expect(throws: JSONFault(offset: 1, reason: .invalidUTF8)) { try normalized(bytes) }
    }
  }

  @Test("nesting has the limit that JSON has here")
  func depth() throws {
    let deepest = String(repeating: "[", count: Limits.jsonDepth) + String(repeating: "]", count: Limits.jsonDepth)
    #expect(try normalized(deepest) == deepest)
    #expect(throws: JSONFault(offset: Limits.jsonDepth, reason: .tooDeep)) { try normalized("[" + deepest + "]") }
  }

  @Test("whatever is taken comes out as JSON, and JSON comes out as it went in; nothing traps")
  func random() throws {
    var generator = SeededGenerator()
    let pieces = [
      "{", "}", "[", "]", ",", ":", "a", "'b'", "\"c\"", "1", "0x1", ".5", "-", "/*", "*/", "//", "\n", "\\", "\\u0041",
      "null",
      "true", "Infinity", "\u{fc}", "\u{2028}", "'", "\"", " ",
    ]
    var taken = 0
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0..<12, using: &generator)).map { _ in pieces.randomElement(using: &generator)! }
        .joined()
      guard let json = try? normalized(text) else { continue }
      taken += 1
      let bytes = Array(json.utf8)
      _ = try JSONValue(scanning: bytes.span)
      #expect(try normalized(json) == json, "\(text) \(generator)")
    }
    #expect(taken > 100)
  }
}
