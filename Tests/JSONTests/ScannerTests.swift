import Bytes
import JSON
import TestSupport
import Testing

/// The members of the object `text` as (decoded name, raw value).
func members(of text: String) throws(JSONFault) -> [[String]] {
  let bytes = Array(text.utf8)
  var found: [[String]] = []
  var scanner = try JSONObjectScanner(bytes.span)
  while let member = try scanner.next() {
    found.append([
      JSONString.decode(bytes.span.extracting(member.name)),
      String(repairing: bytes.span.extracting(member.value.range)),
    ])
  }
  return found
}

func elements(of text: String) throws(JSONFault) -> [String] {
  let bytes = Array(text.utf8)
  var found: [String] = []
  var scanner = try JSONArrayScanner(bytes.span)
  while let element = try scanner.next() {
    found.append(String(repairing: bytes.span.extracting(element.range)))
  }
  return found
}

@Suite("Finding members and elements")
struct ScannerTests {
  @Test("the members of the outermost object are given in order, nested ones are not")
  func findsMembers() throws {
    #expect(try members(of: "{}") == [])
    #expect(
      try members(of: #" { "a" : 1 , "b":{"a":[2,{}]},"c":[ {"a":3} ] , "":"x\"," } "#) == [
        ["a", "1"], ["b", #"{"a":[2,{}]}"#], ["c", #"[ {"a":3} ]"#], ["", #""x\",""#],
      ])
  }

  @Test("duplicate names are all given")
  func duplicates() throws {
    #expect(try members(of: #"{"a":1,"a":2,"a":1}"#) == [["a", "1"], ["a", "2"], ["a", "1"]])
  }

  @Test("the elements of the outermost array are given in order")
  func findsElements() throws {
    #expect(try elements(of: "[]") == [])
    #expect(try elements(of: #" [ 1,[2,3] , {"a":[4]},"]" ,null] "#) == ["1", "[2,3]", #"{"a":[4]}"#, #""]""#, "null"])
  }

  @Test("a value of the other kind is refused as such")
  func otherKind() {
    #expect(throws: JSONFault(offset: 1, reason: .notObject)) { try members(of: " []") }
    #expect(throws: JSONFault(offset: 0, reason: .notObject)) { try members(of: "1") }
    #expect(throws: JSONFault(offset: 0, reason: .notArray)) { try elements(of: "{}") }
  }

  @Test("what follows the last member is validated too")
  func validatesToTheEnd() {
    for text in [#"{"a":1}x"#, #"{"a":1,}"#, #"{"a":1"#, "{} {}", "{\"a\":1}\0", "{]"] {
      #expect(throws: JSONFault.self) { try members(of: text) }
    }
    for text in ["[1]x", "[1,]", "[1", "[] []", "[}"] {
      #expect(throws: JSONFault.self) { try elements(of: text) }
    }
  }

  @Test("once at the end, a scanner stays there")
  func staysAtTheEnd() throws {
    let bytes = Array(#"{"a":1}"#.utf8)
    var scanner = try JSONObjectScanner(bytes.span)
    #expect(try scanner.next() != nil)
    #expect(try scanner.next() == nil)
    #expect(try scanner.next() == nil)
  }

  @Test("a name is compared decoded, and the last of duplicates counts")
  func namesAreDecoded() throws {
    func value(of name: StaticString, in text: String) throws -> String? {
      let bytes = Array(text.utf8)
      return try JSONObjectScanner.value(of: name, in: bytes.span).map {
        String(repairing: bytes.span.extracting($0.range))
      }
    }
    #expect(try value(of: "from", in: #"{"fr\u006fm":1}"#) == "1")
    #expect(try value(of: "from", in: #"{"\u0066\u0072\u006F\u006D":1,"from\u0000":2,"fro":3}"#) == "1")
    #expect(try value(of: "from", in: #"{"from":1,"fr\u006fm":2}"#) == "2")
    #expect(try value(of: "from", in: #"{"From":1,"fromm":2,"fr\\u006fm":3,"x":{"from":4}}"#) == nil)
    #expect(try value(of: "é😀", in: #"{"\u00e9\ud83d\ude00":5}"#) == "5")
    #expect(try value(of: "", in: #"{"":6}"#) == "6")
    #expect(throws: JSONFault.self) { try value(of: "a", in: #"{"a":1,}"#) }
  }

  @Test("a string's content stands between its quotes, any other value's content is its token")
  func content() throws {
    let bytes = Array(#" "ab\n" "#.utf8)
    let string = try JSONValue(scanning: bytes.span)
    #expect(string.range == 1..<7 && string.content == 2..<6 && string.hasEscapes)
    let plain = try JSONValue(scanning: Array(#""ab""#.utf8).span)
    #expect(plain.content == 1..<3 && !plain.hasEscapes)
    let number = try JSONValue(scanning: Array(" 12 ".utf8).span)
    #expect(number.range == 1..<3 && number.content == 1..<3)
  }

  @Test("nesting is allowed to the limit and refused beyond it, for validating and for walking")
  func depth() {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    func mixed(_ depth: Int) -> String {
      String(repeating: #"{"a":["#, count: depth / 2) + String(repeating: "]}", count: depth / 2)
    }
    let limit = Limits.jsonDepth
    #expect(scan(nested(limit)) == .success(.array))
    #expect(scan(mixed(limit)) == .success(.object))
    #expect(scan(nested(limit + 1)) == .failure(JSONFault(offset: limit, reason: .tooDeep)))
    #expect((try? elements(of: nested(limit)))?.count == 1)
    #expect(throws: JSONFault(offset: limit, reason: .tooDeep)) { try elements(of: nested(limit + 1)) }
    #expect((try? members(of: mixed(limit)))?.count == 1)
    #expect(throws: JSONFault.self) { try members(of: mixed(limit + 2)) }
    // Depth is what is open, not what was opened.
    #expect(scan("[" + String(repeating: "[[]],", count: limit) + "{}]") == .success(.array))
  }

  @Test("each bracket is closed by its own kind, at every depth")
  func bracketsMatch() {
    var generator = SeededGenerator()
    for _ in 0..<300 {
      let depth = Int.random(in: 1...Limits.jsonDepth, using: &generator)
      let kinds = (0..<depth).map { _ in Bool.random(using: &generator) }
      let opening = kinds.map { $0 ? #"{"a":"# : "[" }.joined()
      var closing = kinds.reversed().map { $0 ? "}" : "]" }
      #expect((try? scan(opening + "1" + closing.joined()).get()) != nil, "seed \(generator.seed)")
      let wrong = Int.random(in: 0..<depth, using: &generator)
      closing[wrong] = closing[wrong] == "}" ? "]" : "}"
      #expect((try? scan(opening + "1" + closing.joined()).get()) == nil, "seed \(generator.seed)")
    }
  }

  @Test("a million opening brackets and a string of 1 MiB are only bytes")
  func huge() {
    for bracket in ["[", #"{"a":"#, #"[{"":"#] {
      #expect(throws: JSONFault.self) { try scan(String(repeating: bracket, count: 1_000_000)).get() }
    }
    let length = 1024 * 1024
    #expect(scan("\"" + String(repeating: "x", count: length) + "\"") == .success(.string))
    #expect(scan("\"" + String(repeating: "你", count: length / 3) + "\"") == .success(.string))
    #expect(scan("\"" + String(repeating: "x", count: length)) == .failure(.init(offset: 0, reason: .unclosedString)))
    #expect(scan(String(repeating: "9", count: length)) == .success(.number))
  }
}

@Suite("Broken input")
struct BrokenInputTests {
  static let sample = #"""
     { "from" : "el\u006fn", "text":"你好 😀 \"q\" \\ \n", "ts":1790000000.123456, "n":[-0,1e5,-2.5E-3,[]],
     "o":{"t":true,"f":false,"z":null,"e":{}},"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV" }
    """#

  @Test("every prefix of a document is refused, as too early an end where it is one")
  func prefixes() {
    let bytes = Array(Self.sample.utf8)
    #expect(scan(bytes) == .success(.object))
    for length in 0..<bytes.count {
      guard case .failure(let fault) = scan(Array(bytes[..<length])) else {
        Issue.record("the first \(length) bytes were accepted")
        continue
      }
      #expect(fault.offset <= length)
    }
  }

  @Test("mutated documents never trap, and are judged as the grammar judges them")
  func mutations() {
    var generator = SeededGenerator()
    let original = Array(Self.sample.utf8)
    let interesting = Array(#"{}[]",:\0123456789.eE+-tfn u"#.utf8) + [0, 0x1F, 0x7F, 0x80, 0xC2, 0xED, 0xF0, 0xFF]
    var accepted = 0
    for _ in 0..<20_000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        let byte = interesting.randomElement(using: &generator) ?? 0
        switch UInt8.random(in: 0..<5, using: &generator) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: bytes[place] = byte
        case 2: bytes.insert(byte, at: place)
        case 3: bytes.remove(at: place)
        default:
          if Bool.random(using: &generator) {
            bytes.removeLast(place / 4)
          } else {
            bytes.insert(contentsOf: bytes[place...].prefix(9), at: place)
          }
        }
      }
      let isValid = (try? scan(bytes).get()) != nil
      let walks = (try? members(of: bytes)) != nil
      accepted += isValid ? 1 : 0
      if isValid != ReferenceGrammar.accepts(bytes) || walks != isValid && bytes.contains(UInt8(ascii: "{")) {
        // A document may have become a valid value of another kind.
        if !walks, isValid, case .success(let kind) = scan(bytes), kind != .object { continue }
        Issue.record("seed \(generator.seed): \(bytes)")
      }
    }
    #expect(accepted > 100, "seed \(generator.seed): too few mutations leave a valid document to test anything")
  }

  private func members(of bytes: [UInt8]) throws(JSONFault) -> Int {
    var count = 0
    var scanner = try JSONObjectScanner(bytes.span)
    while try scanner.next() != nil { count += 1 }
    return count
  }
}
