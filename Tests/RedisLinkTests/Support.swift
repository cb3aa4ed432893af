import Bytes
import RESP
import Testing

/// Gives what a server sent to `receive`, frame by frame through the real parser, as it comes in pieces of `size`
/// bytes. The second argument are the bytes that the frame begins.
func serve(_ bytes: [UInt8], inPiecesOf size: Int = 1 << 30, to receive: (borrowing RESPFrame, Span<UInt8>) -> Void) {
  var input = ByteBuffer(capacity: 64)
  var parser = RESPParser()
  var start = 0
  while start < bytes.count {
    let end = start + min(size, bytes.count - start)
    input.append(contentsOf: bytes.span.extracting(start..<end))
    start = end
    serving: while true {
      switch parser.parse(input.readable) {
      case .value(let byteCount):
        receive(parser.frame(in: input.readable), input.readable)
        input.consume(byteCount)
      case .needMore:
        guard let range = parser.takeDiscardable(of: input.count) else { break serving }
        input.remove(range)
      case .malformed(let fault):
        Issue.record("\(fault)")
        return
      }
    }
  }
  #expect(input.count == 0, "the test sent half a frame")
}

func serve(_ text: String, inPiecesOf size: Int = 1 << 30, to receive: (borrowing RESPFrame, Span<UInt8>) -> Void) {
  serve(Array(text.utf8), inPiecesOf: size, to: receive)
}

/// What a machine has written, as commands of words; takes it out of `output`.
func commands(in output: inout ByteBuffer) -> [String] {
  var result: [String] = []
  var bytes: [UInt8] = []
  for index in 0..<output.count { bytes.append(output.readable[index]) }
  output.removeAll()
  serve(bytes) { frame, _ in
    var words: [String] = []
    var children = frame.children()
    while let child = children.next() { words.append(String(repairing: frame.text(frame[child]))) }
    result.append(words.joined(separator: " "))
  }
  return result
}

func bulk(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }

/// Pub/sub frames as both protocols send them.
func pubsub(_ type: Character, _ word: String, _ channel: String, _ payload: String) -> String {
  "\(type)3\r\n\(bulk(word))\(bulk(channel))\(bulk(payload))"
}

func pubsub(_ type: Character, _ word: String, _ channel: String, count: Int) -> String {
  "\(type)3\r\n\(bulk(word))\(bulk(channel)):\(count)\r\n"
}
