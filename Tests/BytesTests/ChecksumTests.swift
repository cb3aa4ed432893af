import TestSupport
import Testing

@testable import Bytes

@Suite("CRC-32C")
struct ChecksumTests {
  private func checksum(_ bytes: [UInt8]) -> UInt32 {
    var checksum = CRC32C()
    checksum.update(bytes.span)
    return checksum.value
  }

  /// The polynomial division bit by bit, as the definition has it: the third opinion.
  private func division(_ bytes: [UInt8]) -> UInt32 {
    var state: UInt32 = .max
    for byte in bytes {
      for bit in 0..<8 {
        let one = (state ^ UInt32(byte >> UInt8(bit))) & 1 == 1
        state = (state >> 1) ^ (one ? 0x82F6_3B78 : 0)
      }
    }
    return ~state
  }

  @Test("The values of RFC 3720, appendix B.4")
  func standard() {
    #expect(checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(checksum(Array(0..<32)) == 0x46DD_794E)
    #expect(checksum((0..<32).reversed()) == 0x113F_DB5C)
    let command: [UInt8] = [
      0x01, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
      0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
    ]
    #expect(checksum(command) == 0xD996_3A56)
    #expect(checksum(Array("123456789".utf8)) == 0xE306_9283)
    #expect(checksum([]) == 0)
  }

  /// Past the length at which lanes of the longest begin anew.
  private static let lengths = 0...1100

  @Test("The instruction, the table and the division agree, at every length and alignment")
  func agree() {
    var random = SeededGenerator()
    let seed = random.seed
    for length in Self.lengths {
      let bytes = random.bytes(length + 8)
      let whole = Array(bytes[..<length])
      #expect(checksum(whole) == division(whole), "\(length) bytes, seed \(seed)")
      for start in 0..<8 {
        let part = unsafe bytes.span.bytes.extracting(start..<start + length)
        let state = UInt32(truncatingIfNeeded: random.next())
        let expected = CRC32C.byTable(state, part)
        #expect(CRC32C.byInstruction(state, part) == expected, "\(start)..<\(start + length), seed \(seed)")
      }
    }
  }

  @Test("A word, a head and a body count as one run of bytes")
  func runs() {
    var random = SeededGenerator()
    for length in Self.lengths {
      let (word, head, body) = (random.next(), random.bytes(64), random.bytes(length))
      let value = unsafe CRC32C.value(word, head.span.bytes, body.span.bytes)
      #expect(value == checksum(inMemory(word) + head + body), "\(length) bytes, seed \(random.seed)")
    }
  }

  private func inMemory(_ word: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) }
  }

  @Test("In pieces, cut anywhere, it is the same as in one")
  func pieces() {
    var random = SeededGenerator()
    let bytes = random.bytes(100)
    for cut in 0...100 {
      var pieces = CRC32C()
      pieces.update(bytes.span.extracting(0..<cut))
      pieces.update(bytes.span.extracting(cut..<100))
      #expect(pieces.value == checksum(bytes), "cut at \(cut), seed \(random.seed)")
    }
  }

  @Test("A word counts as its bytes in memory order")
  func words() {
    var checksum = CRC32C()
    checksum.update(0x0706_0504_0302_0100)
    #expect(checksum.value == self.checksum(Array(0..<8)))
  }
}
