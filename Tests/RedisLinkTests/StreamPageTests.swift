import Bytes
import RESP
import RedisLink
import Testing

private let epoch = "0123456789abcdef0123456789abcdef"

/// An entry as XRANGE gives it.
private func entry(_ id: String, _ fields: String..., map: Bool = false) -> String {
  let count = map ? "%\(fields.count / 2)" : "*\(fields.count)"
  return "*2\r\n\(bulk(id))\(count)\r\n" + fields.map(bulk).joined()
}

private func page(_ entries: String...) -> String { "*\(entries.count)\r\n" + entries.joined() }

/// What stands in the page that `answer` is; nil where it is none.
private func read(_ answer: String, inPiecesOf size: Int = 1 << 30) -> [String]? {
  var commander = Commander()
  let request = StreamRequest.page(from: .zero, count: 9)
  commander.fetch(request)
  var result: [String]?
  serve(answer, inPiecesOf: size) { frame, _ in
    let action = commander.machine.receive(frame, commander.batch, at: commander.now, into: &commander.output)
    guard action == .fetched(request) else {
      #expect(action == .failed(.violation(.badAnswer)))
      return
    }
    var page = StreamPage(copy frame)
    var entries: [String] = []
    while let entry = page.next() {
      var object = "none"
      if let bytes = entry.object { object = String(repairing: bytes) }
      let size = entry.oversizedByteCount.map { " of \($0)" } ?? ""
      let number = entry.number.map { "\($0)" } ?? "none"
      entries.append("\(entry.id.text) \(object)\(size) \(entry.epoch == nil ? "none" : "ours") \(number)")
    }
    #expect(entries.count == page.count)
    result = entries
  }
  return result
}

@Suite("A page of the stream")
struct StreamPageTests {
  @Test("has an entry for each message, with its object, epoch and number, however the bytes are cut")
  func whole() {
    let text = page(
      entry("1-0", "m", "{\"a\":1}", "e", epoch, "s", "1"), entry("1-1", "s", "2", "m", "é\r\n", "e", epoch),
      entry("18446744073709551615-18446744073709551615", "m", "", "e", epoch, "s", "9007199254740992", map: true))
    let expected = [
      "1-0 {\"a\":1} ours 1", "1-1 é\r\n ours 2", "18446744073709551615-18446744073709551615  ours 9007199254740992",
    ]
    for size in 1...text.utf8.count { #expect(read(text, inPiecesOf: size) == expected, "in pieces of \(size)") }
  }

  @Test("that is null or has nothing in it is empty")
  func empty() {
    for text in ["*0\r\n", "*-1\r\n", "_\r\n", "$-1\r\n"] { #expect(read(text) == [], "\(text)") }
  }

  @Test("has entries of others, too: what is not ours in them is missing")
  func foreign() {
    let text = page(
      entry("1-0"), entry("2-0", "x", "y"), entry("3-0", "m", "plain"), entry("4-0", "m", "first", "m", "second"),
      entry("5-0", "m", "o", "e", "UPPER", "s", "01"), entry("6-0", "m", "o", "e", epoch, "s", "0"),
      entry("7-0", "m", "o", "e", epoch, "s", "9007199254740993"), "*2\r\n+8-0\r\n*2\r\n+m\r\n_\r\n")
    #expect(
      read(text) == [
        "1-0 none none none", "2-0 none none none", "3-0 plain none none", "4-0 first none none", "5-0 o none none",
        "6-0 o ours none", "7-0 o ours none", "8-0 none none none",
      ])
  }

  @Test("tells how long an object is that was too long to be kept, between its neighbours")
  func oversized() {
    let longer = String(repeating: "x", count: Limits.respBulkBytes + 1)
    let text = page(
      entry("1-0", "m", "a"), entry("2-0", "m", longer, "e", epoch, "s", "2"), entry("3-0", longer, longer, "m", "b"))
    for size in [70_000, 1 << 30] {
      #expect(
        read(text, inPiecesOf: size)
          == ["1-0 a none none", "2-0 none of \(longer.utf8.count) ours 2", "3-0 b none none"])
    }
  }

  @Test("of another shape is a fault")
  func malformed() {
    for text in [
      "*1\r\n+1-0\r\n", "*1\r\n*1\r\n+1-0\r\n", "*1\r\n*3\r\n+1-0\r\n*0\r\n*0\r\n", "*1\r\n*2\r\n:1\r\n*0\r\n",
      page(entry("1")), page(entry("1-")), page(entry("01-0")), page(entry("1-0", "m")), page(entry("-")),
      "*1\r\n*2\r\n+1-0\r\n_\r\n", "*1\r\n*2\r\n+1-0\r\n+m\r\n", "*1\r\n*2\r\n+1-0\r\n*2\r\n+m\r\n*0\r\n",
      "*1\r\n*2\r\n+1-0\r\n*2\r\n*1\r\n+m\r\n+x\r\n", "*1\r\n*2\r\n+1-0\r\n*2\r\n+m\r\n:1\r\n", "*1\r\n_\r\n",
      "*2\r\n" + entry("1-0", "m", "a") + "+2-0\r\n", "~0\r\n", "%0\r\n",
    ] {
      #expect(read(text) == nil, "\(text)")
    }
  }
}
