import Bytes
import JSON
import TestSupport
import Testing

func compact(_ json: [UInt8]) -> [UInt8] {
  var buffer = ByteBuffer(capacity: 1)
  buffer.appendCompact(json.span)
  return contents(of: buffer)
}

@Suite("Writing")
struct WriterTests {
  @Test("commas stand between members and elements and nowhere else")
  func commas() {
    var buffer = ByteBuffer(capacity: 8)
    var json = JSONWriter()
    json.beginObject(&buffer)
    json.name("a", &buffer)
    json.value(UInt64.max, &buffer)
    json.name("b", &buffer)
    json.beginArray(&buffer)
    json.value(Int64.min, &buffer)
    json.value(true, &buffer)
    json.value(false, &buffer)
    json.null(&buffer)
    json.beginObject(&buffer)
    json.endObject(&buffer)
    json.beginArray(&buffer)
    json.endArray(&buffer)
    json.value("x\n", &buffer)
    json.endArray(&buffer)
    json.name("c", &buffer)
    json.token("0.5", &buffer)
    json.name("d", &buffer)
    json.compact(Array("[ 1 , 2 ]".utf8).span, &buffer)
    json.name("e", &buffer)
    json.plain("x", &buffer)
    json.name("f", &buffer)
    json.plain({ $0.append("y") }, &buffer)
    json.endObject(&buffer)
    let expected =
      #"{"a":18446744073709551615,"b":[-9223372036854775808,true,false,null,{},[],"x\n"],"c":0.5,"d":[1,2],"e":"x","f":"y"}"#
    #expect(String(repairing: buffer.readable) == expected)
  }

  @Test(
    "microseconds are written as seconds with six decimals",
    arguments: [
      (0, "0.000000"), (1, "0.000001"), (999_999, "0.999999"), (1_000_000, "1.000000"),
      (1_790_000_000_123_456, "1790000000.123456"), (.max, "18446744073709.551615"),
    ] as [(UInt64, String)])
  func seconds(_ microseconds: UInt64, _ text: String) {
    var buffer = ByteBuffer(capacity: 8)
    var json = JSONWriter()
    json.value(microseconds: microseconds, &buffer)
    #expect(String(repairing: buffer.readable) == text)
  }

  @Test(
    "compact JSON is one line: white space goes outside strings, terminal controls inside are escaped",
    arguments: [
      ("1", "1"), (" [ 1 ,\n2\t]\r\n", "[1,2]"), (#"{ "a b" : " c\n d " }"#, #"{"a b":" c\n d "}"#),
      (#"[ "\" , " , "\\" , 1 ]"#, #"["\" , ","\\",1]"#), ("[\"\u{7F}\"]", #"["\u007f"]"#),
      ("[\"a\u{85}\u{9B}b\"]", #"["a\u0085\u009bb"]"#), ("[\"\u{A0}\u{BF}\u{C2}é你😀\"]", "[\"\u{A0}\u{BF}\u{C2}é你😀\"]"),
      ("{\"\u{9B}\": 1}", #"{"\u009b":1}"#), ("\"\u{80}\"", #""\u0080""#), ("[1.50E+3, -0]", "[1.50E+3,-0]"),
    ])
  func compacts(_ json: String, _ line: String) {
    #expect(scan(json) == .success((try? scan(line).get()) ?? .null))
    #expect(compact(Array(json.utf8)) == Array(line.utf8))
    // What is compact already stays.
    #expect(compact(Array(line.utf8)) == Array(line.utf8))
  }

  @Test("compacting changes no string and leaves nothing that moves a terminal")
  func compactKeepsMeaning() throws {
    var generator = SeededGenerator()
    for _ in 0..<1_000 {
      var json = "["
      var texts: [String] = []
      for index in 0..<Int.random(in: 1...5, using: &generator) {
        // Raw, as another program may write it: only what JSON itself forbids is escaped.
        let text = generator.text(upTo: 20).unicodeScalars.filter { $0.value >= 0x20 && $0 != "\"" && $0 != "\\" }
        texts.append(String(String.UnicodeScalarView(text)))
        json += (index == 0 ? " " : "\n,\t") + "\"\(texts[index])\" "
      }
      let line = compact(Array((json + "\r\n]").utf8))
      var scanner = try JSONArrayScanner(line.span)
      for text in texts {
        let value = try #require(try scanner.next())
        let decoded = JSONString.decode(line.span.extracting(value.content))
        #expect(decoded.utf8.elementsEqual(text.utf8), "seed \(generator.seed)")
      }
      #expect(try scanner.next() == nil)
      let scalars = String(decoding: line, as: UTF8.self).unicodeScalars
      #expect(!scalars.contains { $0.properties.generalCategory == .control }, "seed \(generator.seed)")
    }
  }

  @Test("compacting bytes that are not JSON does not trap")
  func compactsAnything() {
    for text in ["\"", "\"\\", "\"a\\", "\"\u{C2}", "\\", "]\"", "\"\u{7F}"] {
      #expect(!compact(Array(text.utf8)).isEmpty)
    }
    #expect(compact([0x22, 0xC2]) == [0x22, 0xC2])
    #expect(compact([]) == [])
  }
}
