import Bytes
import JSON
import Message
import Testing

@Suite("Outgoing messages")
struct OutgoingTests {
  static let id = ULID(milliseconds: 1_790_000_000_123, random: (1, 2))

  func encode(
    _ text: [UInt8], from: String = "elon", to: String? = nil, re: String? = nil,
    timestamp: UInt64 = 1_790_000_000_123_456,
    limit: Int = Limits.defaultMessageBytes
  ) throws -> String {
    let time = "2026-11-03T03:04:01.000123"
    let message = OutgoingMessage(
      id: Self.id, from: try AgentName(from), to: try to.map(name), re: re, timestamp: timestamp, time: time)
    var buffer = ByteBuffer(capacity: 4)
    buffer.append("kept")
    do {
      try message.encode(text: text.span, limit: limit, to: &buffer)
    } catch {
      #expect(contents(of: buffer) == "kept")
      throw error
    }
    buffer.consume(4)
    return contents(of: buffer)
  }

  @Test("the object has the members that Python readers know, in one line")
  func encodes() throws {
    let start =
      #"{"from":"elon","text":"hi","ts":1790000000.123456,"time":"2026-11-03T03:04:01.000123","id":"\#(Self.id.text)""#
    #expect(try encode(Array("hi".utf8)) == start + "}")
    #expect(try encode(Array("hi".utf8), to: "Warren \"B\"", re: "01X") == start + #","to":"Warren \"B\"","re":"01X"}"#)
  }

  @Test("whole seconds keep their decimals, so that every reader sees a fraction")
  func wholeSeconds() throws {
    #expect(try encode([0x61], timestamp: 1_790_000_000_000_000).contains(#""ts":1790000000.000000,"#))
    #expect(try encode([0x61], timestamp: 1_790_000_000_000_007).contains(#""ts":1790000000.000007,"#))
  }

  @Test("any text arrives as it was given")
  func anyText() throws {
    var generator = SeededGenerator()
    var texts = [
      "\0", "\n", "a\r\nb", "😀", "مرحبا", "\u{FEFF}", "\"}", "\\u0041", String(repeating: "x", count: 200_000),
    ]
    for _ in 0..<300 { texts.append(generator.text(upTo: 40) + "!") }
    for text in texts {
      let json = try encode(Array(text.utf8))
      let bytes = Array(json.utf8)
      let members = try MessageMembers.find(in: bytes.span)
      let received = JSONString.decode(bytes.span.extracting(members.text.content))
      #expect(received.utf8.elementsEqual(text.utf8), "seed \(generator.seed)")
      #expect(!json.unicodeScalars.contains { $0.properties.generalCategory == .control }, "seed \(generator.seed)")
      let senderObject = try senderObject(json)
      #expect(senderObject == json)
    }
  }

  @Test("an empty text and one that is not UTF-8 are refused")
  func refusesText() {
    #expect(throws: OutgoingFault.emptyText) { try encode([]) }
    #expect(throws: OutgoingFault.invalidUTF8(offset: 0)) { try encode([0xFF]) }
    #expect(throws: OutgoingFault.invalidUTF8(offset: 3)) { try encode([0x61, 0x0A, 0x62, 0xC3]) }
    #expect(throws: OutgoingFault.invalidUTF8(offset: 1)) { try encode([0x61, 0xED, 0xA0, 0x80]) }
  }

  @Test("the limit is that of the encoded object, to the byte")
  func limit() throws {
    let size = try encode(Array("a\nb".utf8)).utf8.count
    #expect(try encode(Array("a\nb".utf8), limit: size).utf8.count == size)
    #expect(throws: OutgoingFault.tooLarge(bytes: size, limit: size - 1)) {
      try encode(Array("a\nb".utf8), limit: size - 1)
    }
    #expect(throws: OutgoingFault.tooLarge(bytes: 5000, limit: 1024)) {
      try encode([UInt8](repeating: 0x61, count: 5000), limit: 1024)
    }
    let fault = OutgoingFault.tooLarge(bytes: 5000, limit: 1024)
    #expect("\(fault)" == "the message is 5000 bytes as JSON, the most allowed is 1024")
  }
}
