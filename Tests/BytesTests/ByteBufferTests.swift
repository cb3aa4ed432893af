import Bytes
import TestSupport
import Testing

@Suite("ByteBuffer")
struct ByteBufferTests {
  private func content(_ buffer: borrowing ByteBuffer) -> [UInt8] {
    let readable = buffer.readable
    return readable.indices.map { readable[$0] }
  }

  @Test("Whatever is done to it, it holds what an array would", arguments: 0..<20)
  func model(round: Int) {
    var random = SeededGenerator()
    let seed = random.seed
    var buffer = ByteBuffer(capacity: 1 + Int(random.next() % 40))
    var model: [UInt8] = []
    for step in 0..<2000 {
      switch random.next() % 10 {
      case 0:
        let byte = UInt8(truncatingIfNeeded: random.next())
        buffer.append(byte)
        model.append(byte)
      case 1, 2:
        let bytes = random.bytes(Int(random.next() % 60))
        buffer.append(contentsOf: bytes.span)
        model += bytes
      case 3, 4:
        let count = Int(random.next() % UInt64(model.count + 1))
        buffer.consume(count)
        model.removeFirst(count)
      case 5:
        let count = Int(random.next() % UInt64(model.count + 1))
        buffer.truncate(to: count)
        model.removeLast(model.count - count)
      case 6:
        let bytes = random.bytes(Int(random.next() % 30))
        let written = unsafe buffer.fill(reserving: bytes.count) { free in
          unsafe free.copyBytes(from: bytes)
          return bytes.count
        }
        #expect(written == bytes.count)
        model += bytes
      case 7: buffer.reserve(Int(random.next() % 100))
      case 8:
        let end = Int(random.next() % UInt64(model.count + 1))
        let range = Int(random.next() % UInt64(end + 1))..<end
        buffer.remove(range)
        model.removeSubrange(range)
      default:
        guard random.next() % 20 == 0 else { continue }
        buffer.removeAll()
        model.removeAll()
      }
      let held = content(buffer)
      let count = buffer.count
      let isEmpty = buffer.isEmpty
      guard held == model, count == model.count, isEmpty == model.isEmpty else {
        Issue.record("differs after step \(step), seed \(seed)")
        return
      }
    }
  }

  @Test("Filling offers at least the room that was asked for, and takes nothing where the filler fails")
  func filling() {
    struct Failure: Error {}
    var buffer = ByteBuffer(capacity: 1)
    buffer.append("abc" as StaticString)
    do throws(Failure) {
      _ = try unsafe buffer.fill(reserving: 100) { (free) throws(Failure) -> Int in
        let room = free.count
        #expect(room >= 100)
        throw Failure()
      }
      Issue.record("the failure was swallowed")
    } catch {}
    #expect(content(buffer) == Array("abc".utf8))
  }

  @Test("Text goes in as UTF-8 and comes out again; what is not UTF-8 is repaired")
  func text() {
    var buffer = ByteBuffer(capacity: 4)
    for text in ["", "abc", "é", "日本", "🦀", "a\0b", "👩‍👩‍👧"] {
      buffer.removeAll()
      buffer.append(utf8: text)
      #expect(content(buffer) == Array(text.utf8))
      #expect(String(repairing: buffer.readable) == text)
    }
    buffer.removeAll()
    for byte: UInt8 in [0x61, 0xFF, 0x62, 0xE2, 0x82] { buffer.append(byte) }
    #expect(String(repairing: buffer.readable) == "a\u{FFFD}b\u{FFFD}")
  }

  @Test("Bytes are the same where every one is")
  func equality() {
    func same(_ left: [UInt8], _ right: [UInt8]) -> Bool { equal(left.span, right.span) }
    func reads(_ bytes: [UInt8], _ text: StaticString) -> Bool { equal(bytes.span, text) }
    #expect(same([], []) && same([1, 2], [1, 2]))
    #expect(!same([1], []) && !same([1, 2], [1, 3]) && !same([1, 2], [2, 2]) && !same([1, 2], [1, 2, 3]))
    #expect(reads(Array("PING".utf8), "PING") && reads([], ""))
    #expect(!reads(Array("PINg".utf8), "PING") && !reads(Array("PIN".utf8), "PING") && !reads([], "P"))
  }
}
