import Bytes
import JSON
import TestSupport
import Testing

func decode(_ content: String) -> String { JSONString.decode(Array(content.utf8).span) }

/// Whether the string token with this content stands for `text`.
func means(_ content: String, _ text: String) -> Bool {
  JSONString.equal(Array(content.utf8).span, Array(text.utf8).span)
}

func contents(of buffer: borrowing ByteBuffer) -> [UInt8] {
  (0..<buffer.count).map { buffer.readable[$0] }
}

func encode(_ text: String) -> String {
  var buffer = ByteBuffer(capacity: 16)
  buffer.append(jsonString: text)
  return String(repairing: buffer.readable)
}

@Suite("Strings")
struct StringTests {
  @Test(
    "escapes are decoded (RFC 8259 section 7)",
    arguments: [
      ("", ""), ("plain", "plain"), (#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{C}\n\r\t"), (#"\u0041\u00e9\u20AC"#, "Aé€"),
      (#"a\u0000b"#, "a\0b"), (#"\ud83d\ude00"#, "😀"), (#"\uDBFF\uDFFF"#, "\u{10FFFF}"),
      (#"\ud800\udc00"#, "\u{10000}"),
      (#"x\uFEFFy\ufffd"#, "x\u{FEFF}y\u{FFFD}"), ("你好😀", "你好😀"), (#"你\n好"#, "你\n好"), (#"\\u0041"#, #"\u0041"#),
    ])
  func decodes(_ content: String, _ text: String) {
    #expect(scan("\"\(content)\"") == .success(.string))
    #expect(Array(decode(content).unicodeScalars) == Array(text.unicodeScalars))
    var buffer = ByteBuffer(capacity: 1)
    JSONString.append(Array(content.utf8).span, to: &buffer)
    #expect(contents(of: buffer) == Array(text.utf8))
    #expect(means(content, text))
    #expect(!means(content, text + "x"))
    #expect(!means(content + "x", text))
  }

  @Test(
    "a lone half of a surrogate pair becomes U+FFFD, and what follows it is kept",
    arguments: [
      (#"\ud800"#, "\u{FFFD}"), (#"\udc00"#, "\u{FFFD}"), (#"\ud83dx"#, "\u{FFFD}x"), (#"\ud83d\n"#, "\u{FFFD}\n"),
      (#"\ud83d\u0041"#, "\u{FFFD}A"), (#"\ude00\ud83d"#, "\u{FFFD}\u{FFFD}"), (#"\ud83d\ud83d\ude00"#, "\u{FFFD}😀"),
    ])
  func loneSurrogates(_ content: String, _ text: String) {
    #expect(scan("\"\(content)\"") == .success(.string))
    #expect(decode(content) == text)
  }

  @Test(
    "content that no scanner has seen does not trap",
    arguments: [#"\"#, #"\u"#, #"\u12"#, #"\x"#, #"\ud83d\u"#, #"\ud83d\"#])
  func unseenContent(_ content: String) {
    #expect(decode(content).unicodeScalars.contains("\u{FFFD}"))
  }

  @Test(
    "the writer escapes what must be, and every control character, and nothing else",
    arguments: [
      ("", #""""#), ("a/b", #""a/b""#), ("\"\\", #""\"\\""#), ("\u{8}\t\n\u{C}\r", #""\b\t\n\f\r""#),
      ("\0\u{1F} \u{1B}[0m", #""\u0000\u001f \u001b[0m""#), ("\u{7F}", #""\u007f""#),
      ("\u{80}\u{85}\u{9F}\u{A0}", "\"\\u0080\\u0085\\u009f\u{A0}\""), ("é你😀\u{10FFFF}", "\"é你😀\u{10FFFF}\""),
      ("مرحبا\u{202E}", "\"مرحبا\u{202E}\""), ("e\u{301}", "\"e\u{301}\""),
    ])
  func encodes(_ text: String, _ json: String) {
    // Bytes, not canonical equivalence.
    #expect(Array(encode(text).utf8) == Array(json.utf8))
  }

  @Test("any text comes back as it was, and its JSON holds no control character")
  func roundTrip() throws {
    var generator = SeededGenerator()
    for _ in 0..<2_000 {
      let text = generator.text(upTo: 60)
      let json = Array(encode(text).utf8)
      let value = try JSONValue(scanning: json.span)
      let decoded = JSONString.decode(json.span.extracting(value.content))
      #expect(Array(decoded.utf8) == Array(text.utf8), "seed \(generator.seed)")
      let scalars = String(decoding: json, as: UTF8.self).unicodeScalars
      #expect(!scalars.contains { $0.properties.generalCategory == .control }, "seed \(generator.seed)")
    }
  }

  @Test("each scalar of all seventeen planes comes back as it was")
  func everyScalar() throws {
    for plane: UInt32 in 0...16 {
      var scalars = String.UnicodeScalarView()
      for low: UInt32 in 0...0xFFFF {
        if let scalar = Unicode.Scalar(plane << 16 | low) { scalars.append(scalar) }
      }
      let text = String(scalars)
      let json = Array(encode(text).utf8)
      let value = try JSONValue(scanning: json.span)
      let decoded = JSONString.decode(json.span.extracting(value.content))
      #expect(decoded.utf8.elementsEqual(text.utf8), "plane \(plane)")
    }
  }

  @Test("bytes that are not UTF-8 are refused at the first bad one, and nothing is appended")
  func refusesBadUTF8() throws {
    for (bad, offset) in [
      ([0xFF], 0), ([0x61, 0xC2], 1), ([0x61, 0x0A, 0xED, 0xA0, 0x80, 0x62], 2), ([0xC2, 0x80, 0xC0, 0x80], 2),
      ([UInt8](repeating: 0x61, count: 100) + [0x80], 100),
    ] as [([UInt8], Int)] {
      var buffer = ByteBuffer(capacity: 4)
      buffer.append("before")
      #expect(throws: InvalidUTF8(offset: offset)) { try buffer.append(jsonString: bad.span) }
      #expect(contents(of: buffer) == Array("before".utf8))
    }
  }
}
