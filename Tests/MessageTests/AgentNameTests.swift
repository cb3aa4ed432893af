import Bytes
import JSON
import Message
import TestSupport
import Testing

@Suite("Agent names")
struct AgentNameTests {
  @Test(
    "a name is 1 to 64 bytes of UTF-8 and kept as given",
    arguments: [
      "elon", "Elon Musk", "a", "..", "/etc/passwd", "巴菲特", "🦞", "É", "\u{A0}", "\u{202E}x", "%41", "-",
      String(repeating: "x", count: 64), String(repeating: "😀", count: 16),
    ])
  func accepts(_ text: String) throws {
    #expect(try name(text).text == text)
    #expect("\(try name(text))" == text)
  }

  @Test(
    "anything else is refused with what is wrong",
    arguments: [
      ("", .empty), (String(repeating: "x", count: 65), .tooLong(bytes: 65)),
      (String(repeating: "😀", count: 17), .tooLong(bytes: 68)), ("a\nb", .controlCharacter(code: 0x0A, offset: 1)),
      ("\0", .controlCharacter(code: 0, offset: 0)), ("ab\u{1F}", .controlCharacter(code: 0x1F, offset: 2)),
      ("\u{7F}", .controlCharacter(code: 0x7F, offset: 0)), ("é\u{80}", .controlCharacter(code: 0x80, offset: 2)),
      ("x\u{9F}", .controlCharacter(code: 0x9F, offset: 1)),
    ] as [(String, AgentNameFault)])
  func refuses(_ text: String, _ fault: AgentNameFault) {
    #expect(throws: fault) { try name(text) }
  }

  @Test("bytes that are not UTF-8 are refused at the first bad one")
  func refusesBadUTF8() {
    for (bytes, offset) in [([0x61, 0xFF], 1), ([0xC2], 0), ([0x61, 0x62, 0xED, 0xA0, 0x80], 2)] as [([UInt8], Int)] {
      #expect(throws: AgentNameFault.invalidUTF8(offset: offset)) { try AgentName(utf8: bytes.span) }
    }
  }

  @Test("the fault names the character and the place")
  func faultTexts() {
    let control = AgentNameFault.controlCharacter(code: 0x0A, offset: 3)
    #expect("\(control)" == "it has a control character, U+000A, at byte 3")
    #expect("\(AgentNameFault.controlCharacter(code: 0x9B, offset: 0))".contains("U+009B"))
    #expect("\(AgentNameFault.tooLong(bytes: 65))" == "it is 65 bytes long, the longest is 64")
  }

  @Test("names that differ in the case of ASCII letters alone are one name")
  func equality() throws {
    #expect(try name("Elon") == name("eLON"))
    #expect(try name("Elon").hashValue == name("eLON").hashValue)
    #expect(try name("elon") != name("elon "))
    #expect(try name("É") != name("é"))
    // The same text to a reader, other bytes: other names.
    #expect(try name("e\u{301}") != name("\u{E9}"))
    #expect(try name("[") != name("{"))
    #expect(try name("@") != name("`"))
  }

  @Test(
    "the file name is safe and says the name where it can",
    arguments: [
      ("elon", "elon"), ("Elon-2_b.c", "elon-2_b.c"), (".", "%2E"), ("..", "%2E."), (".hidden", "%2Ehidden"),
      ("a/b", "a%2Fb"), ("../x", "%2E.%2Fx"), ("100%", "100%25"), ("%2F", "%252f"), ("a b", "a%20b"), ("é", "%C3%A9"),
      ("~", "%7E"),
    ])
  func fileName(_ text: String, _ fileName: String) throws {
    #expect(try name(text).fileName == fileName)
    #expect(AgentName(fileName: fileName) == (try name(text)))
  }

  @Test("equal names share a file, different names never do, and every one fits a file system")
  func fileNamesAreDistinct() throws {
    var generator = SeededGenerator()
    let alphabet = Array("aA.%/2F_-é😀 \u{A0}\\:*")
    var known: [String: AgentName] = [:]
    for _ in 0..<5_000 {
      let length = Int.random(in: 1...4, using: &generator)
      let text = String((0..<length).map { _ in alphabet.randomElement(using: &generator) ?? "x" })
      let name = try name(text)
      let fileName = name.fileName
      #expect(known.updateValue(name, forKey: fileName).map { $0 == name } ?? true, "seed \(generator.seed): \(text)")
      #expect(AgentName(fileName: fileName) == name, "seed \(generator.seed): \(text)")
      #expect(!fileName.hasPrefix(".") && !fileName.isEmpty, "seed \(generator.seed): \(text)")
      let isSafe = fileName.utf8.allSatisfy {
        $0 == 0x25 || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F || 0x30...0x39 ~= $0 || 0x41...0x46 ~= $0
          || 0x61...0x7A ~= $0
      }
      #expect(isSafe, "seed \(generator.seed): \(fileName)")
    }
    #expect(Set(known.values).count == known.count, "seed \(generator.seed)")
    #expect(try name(String(repeating: "😀", count: 16)).fileName.utf8.count == 192)
  }

  @Test(
    "a name is recognised in a message however the sender escaped it",
    arguments: [
      ("Elon", #""elon""#, true), ("Elon", #""\u0065\u004con""#, true), ("Elon", #""elo""#, false),
      ("Elon", #""elonn""#, false), ("Elon", #""elon\u0000""#, false), ("Elon", #""""#, false),
      ("a/b", #""A\/B""#, true),
      ("🦞é", #""\ud83e\udd9e\u00e9""#, true), ("🦞é", #""🦞é""#, true), ("é", #""É""#, false), ("1", "1", false),
      ("null", "null", false), ("a", #"["a"]"#, false),
    ])
  func matches(_ text: String, _ json: String, _ expected: Bool) throws {
    let bytes = Array((" " + json).utf8)
    let value = try JSONValue(scanning: bytes.span)
    let matches = try name(text).matches(value, in: bytes.span)
    #expect(matches == expected)
  }

  @Test("a file that no name has for its own stands for none")
  func strangeFileNames() {
    for text in ["", "%", "%4", "%41", "%zz", "a%2fb", "A", ".lock", "a b", "%2E", "%FF", "%00", "elon%"] {
      #expect(AgentName(fileName: text)?.fileName == (text == "%2E" ? text : nil), "\(text)")
    }
  }
}
