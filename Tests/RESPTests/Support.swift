import Bytes
import RESP

/// A RESP value as the tests write it down.
indirect enum Value: Equatable, Sendable {
  case simple(String)
  case error(String)
  case integer(Int64)
  case bulk([UInt8])
  case array([Value])
  case null
  case boolean(Bool)
  case double(String)
  case bigNumber(String)
  case bulkError(String)
  case verbatim(format: String, String)
  case map([Value])
  case set([Value])
  case push([Value])
  /// An attribute with its entries, and the value it stands before.
  case attributed([Value], Value)
  /// A bulk string that was skipped, with its length.
  case oversized(Int)

  static func bulk(_ text: String) -> Value { .bulk(Array(text.utf8)) }

  /// The bytes by the specification's definition, independent of the code under test.
  var encoded: [UInt8] {
    func line(_ type: Character, _ text: String) -> [UInt8] { Array("\(type)\(text)\r\n".utf8) }
    func sized(_ type: Character, _ bytes: [UInt8]) -> [UInt8] {
      line(type, String(bytes.count)) + bytes + Array("\r\n".utf8)
    }
    func list(_ type: Character, _ count: Int, _ values: [Value]) -> [UInt8] {
      line(type, String(count)) + values.flatMap(\.encoded)
    }
    switch self {
    case .simple(let text): return line("+", text)
    case .error(let text): return line("-", text)
    case .integer(let value): return line(":", String(value))
    case .bulk(let bytes): return sized("$", bytes)
    case .array(let values): return list("*", values.count, values)
    case .null: return line("_", "")
    case .boolean(let value): return line("#", value ? "t" : "f")
    case .double(let text): return line(",", text)
    case .bigNumber(let text): return line("(", text)
    case .bulkError(let text): return sized("!", Array(text.utf8))
    case .verbatim(let format, let text): return sized("=", Array("\(format):\(text)".utf8))
    case .map(let values): return list("%", values.count / 2, values)
    case .set(let values): return list("~", values.count, values)
    case .push(let values): return list(">", values.count, values)
    case .oversized(let count): return sized("$", [UInt8](repeating: UInt8(ascii: "\n"), count: count))
    case .attributed(let entries, let value): return list("|", entries.count / 2, entries) + value.encoded
    }
  }

  /// The value as a parser that drops attributes shows it.
  var withoutAttributes: Value {
    switch self {
    case .array(let values): .array(values.map(\.withoutAttributes))
    case .map(let values): .map(values.map(\.withoutAttributes))
    case .set(let values): .set(values.map(\.withoutAttributes))
    case .push(let values): .push(values.map(\.withoutAttributes))
    case .attributed(_, let value): value.withoutAttributes
    default: self
    }
  }
}

/// The value that a frame shows at `index`.
func value(_ frame: borrowing RESPFrame, at index: Int = 0, in bytes: [UInt8]) -> Value {
  let node = frame[index]
  let text = String(repairing: frame.text(node))
  func children() -> [Value] {
    var result: [Value] = []
    var children = frame.children(of: index)
    while let child = children.next() { result.append(value(frame, at: child, in: bytes)) }
    return Int64(result.count) == node.integer ? result : [.error("count \(node.integer)")]
  }
  switch node.kind {
  case .simpleString: return .simple(text)
  case .simpleError: return .error(text)
  case .integer: return .integer(node.integer)
  case .bulkString: return .bulk(Array(bytes[node.payload]))
  case .array: return .array(children())
  case .null: return .null
  case .boolean: return .boolean(node.integer == 1)
  case .double: return .double(text)
  case .bigNumber: return .bigNumber(text)
  case .bulkError: return .bulkError(text)
  case .verbatimString:
    let format = bytes[(node.payload.lowerBound - 4)..<(node.payload.lowerBound - 1)]
    return .verbatim(format: String(decoding: format, as: UTF8.self), text)
  case .map: return .map(children())
  case .set: return .set(children())
  case .push: return .push(children())
  case .attribute: return .error("an attribute is not a value")
  case .oversizedString: return node.payload.isEmpty ? .oversized(Int(node.integer)) : .error("kept \(node.payload)")
  }
}

/// What came of a run of bytes.
enum Reading: Equatable {
  case value(Value, byteCount: Int)
  case unfinished
  case malformed(RESPFault.Reason, offset: Int)
  /// A hint that promised a frame of at least this many bytes was wrong.
  case overstated(Int)
}

extension RESPParser {
  /// Shows the parser the first `count` bytes for each of `counts`, until it has a frame or a fault.
  mutating func read(_ bytes: [UInt8], upTo counts: some Sequence<Int>) -> Reading {
    var hinted = 0
    for count in counts {
      switch parse(bytes.span.extracting(0..<count)) {
      case .needMore(let lacking): hinted = max(hinted, count + max(lacking, 1))
      case .malformed(let fault): return .malformed(fault.reason, offset: fault.offset)
      case .value(let byteCount):
        // A hint that asks for more than was lacking would let a connection wait for ever.
        guard hinted <= byteCount else { return .overstated(hinted) }
        return .value(value(frame(in: bytes.span), in: bytes), byteCount: byteCount)
      }
    }
    return .unfinished
  }
}

func readWhole(_ bytes: [UInt8], limits: RESPLimits = RESPLimits()) -> Reading {
  var parser = RESPParser(limits: limits)
  return parser.read(bytes, upTo: [bytes.count])
}

func readDripped(_ bytes: [UInt8], limits: RESPLimits = RESPLimits()) -> Reading {
  var parser = RESPParser(limits: limits)
  return parser.read(bytes, upTo: 0...bytes.count)
}
