import Bytes
import Daemon
import Message
import Ring
import System
import TestSupport
import Testing

@Suite("The intake")
struct IntakeTests {
  let temporary = TemporaryFolder()
  let intake: Intake

  static let limit = 300

  init() throws {
    intake = try Intake(try openQueue(temporary, capacity: 65536), limit: Self.limit, log: try openLog(temporary))
  }

  private func receive(_ text: String) {
    let bytes = Array(text.utf8)
    intake.receive(bytes.span, at: 1_700_000_000_000_000_000)
  }

  @Test("puts messages into the queue byte for byte, and readers see them at once")
  func valid() throws {
    let objects = [message("a"), #" { "text" : "é\u0000" , "from":"" , "x":[1,{"y":null}]} "#, message("b")]
    for object in objects { receive(object) }
    let found = try readQueue(temporary)
    #expect(found == objects)
    #expect(intake.received == 3 && intake.lost == 0 && lines(temporary) == [])
  }

  @Test("takes out the member that is not a sender's to give")
  func bus() throws {
    receive(#"{"from":"a","text":"b","bus":"7f:12:1-0"}"#)
    receive(#"{"bus":1,"from":"a","b\u0075s":2,"text":"b"}"#)
    let found = try readQueue(temporary)
    #expect(found == [#"{"from":"a","text":"b"}"#, #"{"from":"a","text":"b"}"#])
  }

  @Test(
    "what is no message is a counted loss, with its reason in the log",
    arguments: [
      "", "x", "[]", "{}", #"{"from":"a"}"#, #"{"text":"a"}"#, #"{"from":1,"text":"a"}"#, #"{"from":"a","text":null}"#,
      #"{"from":"a","text":"b"}}"#, #"{"from":"a","text":"b""#, "null", "\u{FEFF}{}",
    ])
  func invalid(text: String) throws {
    receive(text)
    let found = try readQueue(temporary)
    #expect(found == ["lost 1 invalid"])
    #expect(intake.received == 0 && intake.lost == 1)
    #expect(lines(temporary).count == 1)
  }

  @Test("bytes that are not UTF-8 are no message")
  func notUTF8() throws {
    let bytes = Array(#"{"from":"a","text":""#.utf8) + [0xFF] + Array(#""}"#.utf8)
    intake.receive(bytes.span, at: 0)
    let found = try readQueue(temporary)
    #expect(found == ["lost 1 invalid"])
  }

  @Test("the limit is kept to the byte")
  func limit() throws {
    func object(_ count: Int) -> String { message(String(repeating: "x", count: count - message("").utf8.count)) }
    receive(object(Self.limit))
    receive(object(Self.limit + 1))
    receive(object(Self.limit))
    let found = try readQueue(temporary)
    #expect(found == [object(Self.limit), "lost 1 too_large", object(Self.limit)])
    #expect(intake.received == 2 && intake.lost == 1)
  }

  @Test("what the queue itself does not take is a loss too")
  func queueLimit() throws {
    let other = TemporaryFolder()
    let intake = try Intake(try openQueue(other, capacity: 65536), limit: 1 << 20, log: try openLog(other))
    let bytes = Array(message(String(repeating: "x", count: 9000)).utf8)
    intake.receive(bytes.span, at: 0)
    let found = try readQueue(other)
    #expect(found == ["lost 1 too_large"])
    #expect(intake.received == 0 && intake.lost == 1)
  }

  @Test("a flood of garbage is counted exactly and logged in a few lines")
  func flood() throws {
    for _ in 0..<10 {
      for index in 0..<500 { receive("garbage \(index)") }
      intake.speakOfLosses()
    }
    intake.speakOfLosses()
    #expect(intake.lost == 5000 && intake.received == 0)
    let said = lines(temporary)
    #expect(said.count <= 11 && said.count >= 2)
    // Every loss is in exactly one of the lines.
    let numbers = said.map { line in Int(line.split(separator: " ").first ?? "") ?? 1 }
    #expect(numbers.reduce(0, +) == 5000)
  }

  @Test("after a quiet time the next loss is logged at once again")
  func quiet() throws {
    receive("x")
    intake.speakOfLosses()
    receive("y")
    #expect(lines(temporary).count == 2)
    receive("z")
    #expect(lines(temporary).count == 2)
  }

  @Test("what others write cannot break a line of the log")
  func oneLine() throws {
    intake.lose(1, .invalid, "a\nb\u{1B}[31m\u{85}", now: 1)
    let said = lines(temporary)
    #expect(said.count == 1)
    #expect(said.first?.unicodeScalars.contains { $0.properties.generalCategory == .control } == false)
  }
}
