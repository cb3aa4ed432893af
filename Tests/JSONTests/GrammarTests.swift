import Bytes
import JSON
import Testing

/// The kind of the value that `text` is, or why it is none.
func scan(_ text: String) -> Result<JSONKind, JSONFault> { scan(Array(text.utf8)) }

func scan(_ bytes: [UInt8]) -> Result<JSONKind, JSONFault> {
  do throws(JSONFault) {
    return .success(try JSONValue(scanning: bytes.span).kind)
  } catch {
    return .failure(error)
  }
}

@Suite("The grammar of RFC 8259")
struct GrammarTests {
  @Test(
    "every production is accepted and its kind told",
    arguments: [
      // Section 3: values, also alone (section 2: a JSON text is any value).
      ("true", .true), ("false", .false), ("null", .null),
      // Section 2: white space around every token.
      (" \t\r\n1 \t\r\n", .number), ("\n[ \t1\r,\n2 ]\n", .array), (" { \"a\"\t:\n1\r, \"b\" : 2 } ", .object),
      // Section 4: objects.
      ("{}", .object), ("{ }", .object), (#"{"":0}"#, .object), (#"{"a":{"b":{}}}"#, .object),
      (#"{"a":1,"a":2}"#, .object), (#"{"a\"b":[],"\u0000":null}"#, .object),
      // Section 5: arrays.
      ("[]", .array), ("[\n]", .array), ("[[],[[]],{}]", .array), (#"[1,"a",true,false,null,{"x":[]}]"#, .array),
      // Section 6: numbers.
      ("0", .number), ("-0", .number), ("7", .number), ("-10", .number), ("1234567890", .number),
      ("0.0", .number), ("-0.10", .number), ("10.25", .number), ("0e0", .number), ("1E5", .number),
      ("1e+05", .number), ("1e-5", .number), ("-12.50E-007", .number), ("1e999999", .number),
      ("123456789012345678901234567890123456789", .number),
      // Section 7: strings.
      (#""""#, .string), (#""a""#, .string), (#""\"\\\/\b\f\n\r\t""#, .string), (#""\u0000\u001F\uabCD""#, .string),
      (#""\ud83d\ude00""#, .string), (#""\ud800""#, .string), ("\"/\"", .string), ("\"\u{7F}\"", .string),
      ("\"\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}\"", .string),
      ("\"\u{2028}\u{2029}\u{FEFF}\"", .string),
    ] as [(String, JSONKind)])
  func accepts(_ text: String, _ kind: JSONKind) {
    #expect(scan(text) == .success(kind))
    #expect(ReferenceGrammar.accepts(Array(text.utf8)))
  }

  @Test(
    "what the grammar does not have is refused, with the place and the reason",
    arguments: [
      ("", 0, .empty), (" \n", 2, .empty), ("\u{FEFF}{}", 0, .byteOrderMark), (" \u{FEFF}1", 1, .expectedValue),
      ("nul", 0, .expectedValue), ("True", 0, .expectedValue), ("NaN", 0, .expectedValue),
      ("Infinity", 0, .expectedValue), ("undefined", 0, .expectedValue), ("'a'", 0, .expectedValue),
      ("truex", 4, .trailingBytes), ("1 2", 2, .trailingBytes), ("{}}", 2, .trailingBytes), ("[]\0", 2, .trailingBytes),
      ("\u{0C}1", 0, .expectedValue), ("\u{A0}1", 0, .expectedValue), ("// x\n1", 0, .expectedValue),
      ("{", 1, .endsEarly), ("{a:1}", 1, .expectedName), ("{1:1}", 1, .expectedName), ("{\"a\"}", 4, .expectedColon),
      ("{\"a\" 1}", 5, .expectedColon), ("{\"a\":}", 5, .expectedValue), ("{\"a\":1,}", 7, .expectedName),
      ("{,}", 1, .expectedName), ("{\"a\":1 \"b\":2}", 7, .expectedComma), ("{\"a\":1]", 6, .expectedComma),
      ("{\"a\":1", 6, .endsEarly), ("{\"a\"", 4, .endsEarly), ("{\"a\":", 5, .endsEarly), ("{\"a", 1, .unclosedString),
      ("[", 1, .endsEarly), ("[1,]", 3, .expectedValue), ("[,1]", 1, .expectedValue), ("[1 2]", 3, .expectedComma),
      ("[1}", 2, .expectedComma), ("[1", 2, .endsEarly), ("]", 0, .expectedValue), ("[1,,2]", 3, .expectedValue),
      ("-", 1, .endsEarly), ("+1", 0, .expectedValue), ("--1", 1, .invalidNumber), ("01", 1, .invalidNumber),
      ("-01", 2, .invalidNumber), ("00", 1, .invalidNumber), ("1.", 2, .endsEarly), ("1.]", 2, .invalidNumber),
      (".5", 0, .expectedValue), ("-.5", 1, .invalidNumber), ("1e", 2, .endsEarly), ("1e+", 3, .endsEarly),
      ("1e.5", 2, .invalidNumber), ("1.e5", 2, .invalidNumber), ("1e5.", 3, .trailingBytes),
      ("0x10", 1, .trailingBytes), ("1_000", 1, .trailingBytes), ("[1e+-5]", 4, .invalidNumber),
      ("\"", 0, .unclosedString), (" \"abc", 1, .unclosedString), ("\"abc\\\"", 0, .unclosedString),
      ("\"\\", 2, .endsEarly), ("\"a\\x\"", 2, .invalidEscape), ("\"\\'\"", 1, .invalidEscape),
      ("\"\\U0041\"", 1, .invalidEscape), ("\"\\u004\"", 1, .invalidEscape), ("\"\\u00g0\"", 1, .invalidEscape),
      ("\"\\u+041\"", 1, .invalidEscape), ("\"\\u12", 1, .invalidEscape), ("\"a\nb\"", 2, .controlCharacter),
      ("\"\t\"", 1, .controlCharacter), ("\"12345678\0\"", 9, .controlCharacter),
      ("\"\u{1F}\"", 1, .controlCharacter),
    ] as [(String, Int, JSONFault.Reason)])
  func refuses(_ text: String, _ offset: Int, _ reason: JSONFault.Reason) {
    #expect(scan(text) == .failure(JSONFault(offset: offset, reason: reason)))
    #expect(!ReferenceGrammar.accepts(Array(text.utf8)))
  }

  @Test(
    "a string that is not UTF-8 is refused at the first bad byte (RFC 3629)",
    arguments: [
      [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
      [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80],
      [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF],
    ] as [[UInt8]])
  func refusesBadUTF8(_ bad: [UInt8]) {
    // At every alignment, so that the wide loop and the narrow one both meet it.
    for lead in 0..<17 {
      let bytes = Array("[\"".utf8) + [UInt8](repeating: UInt8(ascii: "a"), count: lead) + bad + Array("\"]".utf8)
      #expect(scan(bytes) == .failure(JSONFault(offset: 2 + lead, reason: .invalidUTF8)))
    }
    #expect(scan(bad) == .failure(JSONFault(offset: 0, reason: .expectedValue)))
  }

  @Test("each byte inside a string is judged alike wherever it stands")
  func everyByteAtEveryAlignment() {
    for byte in UInt8.min...UInt8.max {
      for lead in 0..<17 {
        let filler = [UInt8](repeating: UInt8(ascii: "z"), count: lead)
        for tail in [0, 12] {
          let bytes: [UInt8] =
            [0x22] + filler + [byte] + [UInt8](repeating: UInt8(ascii: "z"), count: tail) + [0x22]
          let accepted = (try? scan(bytes).get()) != nil
          #expect(accepted == ReferenceGrammar.accepts(bytes), "byte \(byte) after \(lead)")
        }
      }
    }
  }

  @Test("every reason has a text of its own")
  func texts() {
    let texts = Set(JSONFault.Reason.allCases.map(\.text))
    #expect(texts.count == JSONFault.Reason.allCases.count)
    #expect("\(JSONFault(offset: 17, reason: .unclosedString))" == "a string is not closed (at byte 17)")
  }
}
