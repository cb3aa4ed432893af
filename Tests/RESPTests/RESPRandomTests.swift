import Bytes
import RESP
import TestSupport
import Testing

private func randomValue(_ random: inout SeededGenerator, depth: Int = 0) -> Value {
  func word() -> String {
    String(
      (0..<Int.random(in: 0...12, using: &random)).map { _ in "abcXYZ 019é🙂".randomElement(using: &random) ?? "a" })
  }
  func values(_ count: Int) -> [Value] { (0..<count).map { _ in randomValue(&random, depth: depth + 1) } }
  switch Int.random(in: 0..<(depth < 5 ? 15 : 11), using: &random) {
  case 0: return .simple(word())
  case 1: return .error(word())
  case 2: return .integer(Int64.random(in: .min ... .max, using: &random) >> Int64.random(in: 0...63, using: &random))
  case 3: return .bulk((0..<Int.random(in: 0...40, using: &random)).map { _ in .random(in: 0...255, using: &random) })
  case 4: return .null
  case 5: return .boolean(.random(using: &random))
  case 6: return .double(["0", "-1.5", "3e8", "inf", "nan", "+7.", "1.0E-3"].randomElement(using: &random) ?? "0")
  case 7: return .bigNumber(["0", "-1", "+99999999999999999999999"].randomElement(using: &random) ?? "0")
  case 8: return .bulkError(word())
  case 9: return .verbatim(format: "txt", word())
  case 10: return .bulk(word())
  case 11: return .array(values(Int.random(in: 0...6, using: &random)))
  case 12: return .map(values(2 * Int.random(in: 0...3, using: &random)))
  case 13: return .set(values(Int.random(in: 0...4, using: &random)))
  default:
    let entries = values(2 * Int.random(in: 0...2, using: &random))
    return .attributed(entries, randomValue(&random, depth: depth + 1))
  }
}

@Suite struct RESPRandomTests {
  @Test("random values, cut at random places, come out as they went in")
  func roundTrip() {
    var random = SeededGenerator()
    var parser = RESPParser()
    for _ in 0..<2_000 {
      var value = randomValue(&random)
      if Int.random(in: 0..<8, using: &random) == 0 { value = .push([.simple("x"), value]) }
      let bytes = value.encoded
      let cuts = (0..<Int.random(in: 0...8, using: &random)).map { _ in Int.random(in: 0...bytes.count, using: &random)
      }
      let reading = parser.read(bytes, upTo: cuts.sorted().filter { $0 < bytes.count } + [bytes.count])
      #expect(reading == .value(value.withoutAttributes, byteCount: bytes.count), "\(random)")
    }
  }

  @Test("changed, dropped and doubled bytes give an outcome, the same whole and dripped")
  func mutation() {
    var random = SeededGenerator()
    let interesting = Array("\r\n$*%~>|!=_#,(:+-?;.0123456789".utf8)
    for _ in 0..<5_000 {
      var bytes = randomValue(&random).encoded
      for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let byte =
          Bool.random(using: &random)
          ? interesting.randomElement(using: &random) ?? 0 : .random(in: 0...255, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = byte
        case 1: bytes.remove(at: place)
        default: bytes.insert(byte, at: place)
        }
      }
      #expect(readWhole(bytes) == readDripped(bytes), "\(random)")
    }
  }

  @Test("a string of 1 MiB that drips in byte by byte is looked at by its header alone")
  func drippedBulk() {
    let bytes = Value.bulk([UInt8](repeating: 0x0A, count: 1 << 20)).encoded
    var parser = RESPParser()
    for count in 1..<bytes.count {
      guard case .needMore = parser.parse(bytes.span.extracting(0..<count)) else {
        Issue.record("complete after \(count) bytes")
        return
      }
    }
    #expect(parser.parse(bytes.span) == .value(byteCount: bytes.count))
    #expect(parser.examinedBytes < 32)
  }

  @Test("a line of 16 KiB that drips in byte by byte is looked at once, not once for each byte")
  func drippedLine() {
    let value = Value.simple(String(repeating: "x", count: Limits.respLineBytes))
    let bytes = value.encoded
    var parser = RESPParser()
    #expect(parser.read(bytes, upTo: 0...bytes.count) == .value(value, byteCount: bytes.count))
    #expect(parser.examinedBytes <= 2 * bytes.count)
  }

  @Test("an array of 10,000 that drips in byte by byte is looked at once, not once for each byte")
  func drippedArray() {
    let value = Value.array((0..<10_000).map { .array([.bulk("item"), .integer($0)]) })
    let bytes = value.encoded
    var parser = RESPParser()
    #expect(parser.read(bytes, upTo: 0...bytes.count) == .value(value, byteCount: bytes.count))
    #expect(parser.examinedBytes <= 2 * bytes.count)
  }
}
