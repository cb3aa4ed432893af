import Bytes
import Testing

@Suite("Hexadecimal digits")
struct HexTests {
  @Test("every digit has its value in either case, and nothing else has one")
  func values() {
    let digits = Array("0123456789abcdef".utf8)
    let capitals = Array("0123456789ABCDEF".utf8)
    for byte in UInt8.min...UInt8.max {
      let expected = digits.firstIndex(of: byte) ?? capitals.firstIndex(of: byte)
      #expect(Hex.value(byte) == expected.map { UInt8($0) }, "\(byte)")
    }
  }

  @Test("every byte is written as two digits, small or behind a percent sign as capitals")
  func writing() {
    for byte in UInt8.min...UInt8.max {
      let digits = (byte < 16 ? "0" : "") + String(byte, radix: 16)
      var buffer = ByteBuffer(capacity: 8)
      buffer.append(hex: byte)
      buffer.append(percentEncoded: byte)
      #expect(String(repairing: buffer.readable) == digits + "%" + digits.uppercased())
    }
  }
}
