import Bytes
import JSON
import Message
import TestSupport
import Testing

@Suite("The members of a message")
struct MembersTests {
  static let full = #"""
     {"from":"elon","text":"hi \"you\"","ts":1790000000.5,"time":"2026-11-23T13:14:41.123456",
     "id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","to":"buffett","re":"x","kind":"chat","extra":{"from":1,"id":[]},
     "bus":"ab:1:2-0","seq":5,"lost":null}
    """#

  @Test("every member is found, and a nested one is not taken for it")
  func findsAll() throws {
    let found = try find(Self.full)
    func raw(_ value: JSONValue?) -> String? { token(value, in: Self.full) }
    #expect(raw(found.from) == #""elon""#)
    #expect(raw(found.text) == #""hi \"you\"""#)
    #expect(raw(found.ts) == "1790000000.5")
    #expect(raw(found.time) == #""2026-11-23T13:14:41.123456""#)
    #expect(raw(found.id) == #""01ARZ3NDEKTSV4RRFFQ69G5FAV""#)
    #expect(raw(found.to) == #""buffett""#)
    #expect(raw(found.re) == #""x""#)
    #expect(raw(found.bus) == #""ab:1:2-0""#)
  }

  @Test("a payload of the old Python senders is a message")
  func legacy() throws {
    let found = try find(#"{"from": "elon", "text": "", "ts": 1790000000.1, "time": "2026-11-23T13:14:41.123456"}"#)
    #expect(found.text.content.isEmpty)
    #expect(found.id == nil && found.to == nil && found.re == nil && found.bus == nil)
  }

  @Test("of duplicate members the last counts, also where it is escaped")
  func duplicates() throws {
    let text = #"{"from":1,"from":"a","text":"b","fr\u006fm":"c","id":"x","id":5,"\u0074o":"d"}"#
    let found = try find(text)
    #expect(token(found.from, in: text) == #""c""#)
    #expect(token(found.to, in: text) == #""d""#)
    #expect(found.id == nil)
    #expect(throws: MessageFault.notString(.from)) { try find(#"{"from":"a","text":"b","from":null}"#) }
  }

  @Test("names that only resemble ours are not ours")
  func otherNames() throws {
    let found = try find(
      #"""
      {"from":"a","text":"b","From":1,"TEXT":2,"t":3,"tss":4,"\u0000id":5,"id\u0000":6,"":7,"buss":8,"xfrom":9,
      "\u0001\u0000\u0000\u0000\u0001from":10,"\u0000from":11,"fr\u006fmm":12}
      """#)
    #expect(found.ts == nil && found.id == nil && found.bus == nil)
  }

  @Test("id, to and re that are not strings count as absent; ts and time are given as they are")
  func otherKinds() throws {
    let found = try find(#"{"from":"a","text":"b","id":1,"to":["x"],"re":null,"ts":"now","time":0}"#)
    #expect(found.id == nil && found.to == nil && found.re == nil)
    #expect(found.ts?.kind == .string && found.time?.kind == .number)
  }

  @Test(
    "what is no message is refused with the reason",
    arguments: [
      ("", .notJSON(JSONFault(offset: 0, reason: .empty))), ("[]", .notObject), ("\"from\"", .notObject),
      (" 5 ", .notObject), ("[1,", .notJSON(JSONFault(offset: 3, reason: .endsEarly))), ("{}", .missing(.from)),
      ("nonsense", .notJSON(JSONFault(offset: 0, reason: .expectedValue))),
      (#"{"text":"b"}"#, .missing(.from)), (#"{"from":"a"}"#, .missing(.text)),
      (#"{"from":1,"text":"b"}"#, .notString(.from)),
      (#"{"from":"a","text":null}"#, .notString(.text)), (#"{"from":"a","text":{"text":"b"}}"#, .notString(.text)),
      (#"{"from":"a","text":"b"} "# + "x", .notJSON(JSONFault(offset: 24, reason: .trailingBytes))),
      (#"{"from":"a","text":"b"#, .notJSON(JSONFault(offset: 19, reason: .unclosedString))),
    ] as [(String, MessageFault)])
  func refuses(_ text: String, _ fault: MessageFault) {
    #expect(throws: fault) { try find(text) }
  }

  @Test("the fault says what is wrong in words")
  func faultTexts() {
    #expect("\(MessageFault.missing(.from))" == #"it has no member "from""#)
    #expect("\(MessageFault.notString(.text))" == #"its member "text" is not a string"#)
    let fault = MessageFault.notJSON(JSONFault(offset: 17, reason: .unclosedString))
    #expect("\(fault)" == "it is not valid JSON: a string is not closed (at byte 17)")
  }

  @Test("no prefix of a message and no damaged byte makes it trap")
  func damage() {
    var generator = SeededGenerator()
    let bytes = Array(Self.full.utf8)
    for length in 0..<bytes.count {
      #expect(throws: MessageFault.self) { try find(Array(bytes[..<length])) }
    }
    for _ in 0..<5_000 {
      var damaged = bytes
      let place = Int.random(in: 0..<bytes.count, using: &generator)
      damaged[place] = UInt8.random(in: 0...255, using: &generator)
      var buffer = ByteBuffer(capacity: 16)
      do throws(MessageFault) {
        let found = try find(damaged)
        #expect(found.from.kind == .string && found.text.kind == .string, "seed \(generator.seed)")
        try MessageMembers.appendSenderObject(of: damaged.span, to: &buffer)
        try ConsumerOutput.appendMessage(damaged.span, sequence: 1, to: &buffer)
      } catch {
        #expect(contents(of: buffer).isEmpty, "seed \(generator.seed)")
      }
    }
  }
}

@Suite("The sender's object")
struct SenderObjectTests {
  @Test(
    "bus members go, everything else stays byte for byte",
    arguments: [
      (#"{"a":1,"bus":"x"}"#, #"{"a":1}"#), (#"{"bus":"x","a":1}"#, #"{"a":1}"#),
      (#"{"a":1,"bus":"x","b":2}"#, #"{"a":1,"b":2}"#), (#"{"bus":"x"}"#, "{}"),
      (#"{"bus":1,"bus":2}"#, "{}"), (#"{"bus":1,"bus":2,"a":3}"#, #"{"a":3}"#),
      (#"{"a":1,"bus":1,"bus":2}"#, #"{"a":1}"#), (#"{"bus":1,"a":1,"bus":2,"b":2,"bus":3}"#, #"{"a":1,"b":2}"#),
      (#"{"b\u0075s":{"x":[1,2]},"a":1}"#, #"{"a":1}"#), (" { \"a\" : 1 , \"bus\" : 2 } \n", " { \"a\" : 1  } \n"),
      (" { \"bus\" : 2 , \"a\" : 1 } ", " { \"a\" : 1 } "), ("{ \"bus\" : 2 }", "{  }"),
      (#"{"a":{"bus":1},"s":"bus","BUS":1}"#, #"{"a":{"bus":1},"s":"bus","BUS":1}"#), (" {} ", " {} "),
      (#"{"from":"a","seq":1,"lost":2,"a":1,"a":2}"#, #"{"from":"a","seq":1,"lost":2,"a":1,"a":2}"#),
    ])
  func removesBus(_ given: String, _ expected: String) throws {
    #expect(try senderObject(given) == expected)
    #expect(try senderObject(expected) == expected)
  }

  @Test("what the publish script adds before the last bracket is taken out exactly")
  func undoesTheScript() throws {
    var generator = SeededGenerator()
    for _ in 0..<500 {
      let spaces = ["", " ", "\n\t", "  "]
      func space() -> String { spaces.randomElement(using: &generator) ?? "" }
      var object = space() + "{"
      for index in 0..<Int.random(in: 1...4, using: &generator) {
        var buffer = ByteBuffer(capacity: 16)
        buffer.append(jsonString: generator.text(upTo: 8))
        object += (index == 0 ? "" : ",") + space() + "\"m\(index)\"" + space() + ":" + contents(of: buffer) + space()
      }
      let published = object + #","bus":"0a:12:1790000000000-0"}"#
      #expect(try senderObject(published) == object + "}", "seed \(generator.seed)")
    }
  }

  @Test("what is not an object is refused, and nothing is appended")
  func refuses() {
    var buffer = ByteBuffer(capacity: 8)
    buffer.append("kept")
    for text in ["[]", #"{"a":1,"bus":2"#, #"{"bus":1,}"#, ""] {
      let bytes = Array(text.utf8)
      #expect(throws: MessageFault.self) { try MessageMembers.appendSenderObject(of: bytes.span, to: &buffer) }
    }
    #expect(contents(of: buffer) == "kept")
  }
}

@Suite("What a consumer gets")
struct ConsumerOutputTests {
  @Test(
    "our number comes first, then the sender's members on one line, without what would be taken for ours",
    arguments: [
      (#"{"from":"a","text":"b"}"#, #"{"seq":7,"from":"a","text":"b"}"#), ("{}", #"{"seq":7}"#),
      ("{ \"from\" : \"a b\" ,\n \"x\": [ 1, {\"y\" : 2.50} ] }\n", #"{"seq":7,"from":"a b","x":[1,{"y":2.50}]}"#),
      (#"{"seq":1,"from":"a","lost":5,"bus":"x","s\u0065q":2}"#, #"{"seq":7,"from":"a"}"#),
      (#"{"text":"\u00e9\/😀","z":{"seq":1,"lost":2}}"#, #"{"seq":7,"text":"\u00e9\/😀","z":{"seq":1,"lost":2}}"#),
      ("{\"text\":\"a\u{9B}31m\u{7F}\"}", #"{"seq":7,"text":"a\u009b31m\u007f"}"#),
      (#"{"a":1,"a":2}"#, #"{"seq":7,"a":1,"a":2}"#),
    ])
  func message(_ given: String, _ expected: String) throws {
    #expect(try consumerMessage(given) == expected)
  }

  @Test("the largest number is written whole")
  func largestSequence() throws {
    #expect(try consumerMessage("{}", sequence: .max) == #"{"seq":18446744073709551615}"#)
  }

  @Test("what is not an object is refused, and nothing is appended")
  func refuses() {
    var buffer = ByteBuffer(capacity: 8)
    buffer.append("[")
    for text in ["[]", #"{"a":1"#, "", #"{"a":1}x"#] {
      let bytes = Array(text.utf8)
      #expect(throws: MessageFault.self) { try ConsumerOutput.appendMessage(bytes.span, sequence: 1, to: &buffer) }
    }
    #expect(contents(of: buffer) == "[")
  }

  @Test("a loss says where, how many and why")
  func loss() {
    let names = ["overwritten", "trimmed", "too_large", "invalid", "reset", "new_queue", "trimmed", "reset"]
    for (raw, name) in zip(UInt8(1)..., names) {
      guard let reason = LossReason(rawValue: raw) else {
        Issue.record("no reason \(raw)")
        continue
      }
      var buffer = ByteBuffer(capacity: 8)
      ConsumerOutput.appendLoss(sequence: 12, count: 12, reason: reason, to: &buffer)
      #expect(contents(of: buffer) == #"{"seq":12,"lost":\#(raw < 7 ? 12 : 0),"reason":"\#(name)"}"#)
    }
    #expect(LossReason.allCases.count == names.count)
    #expect(LossReason.allCases.filter { !$0.isCounted }.map(\.rawValue) == [7, 8])
    #expect(LossReason(rawValue: 0) == nil)
  }
}
