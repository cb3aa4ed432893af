import Bytes
import RESP
import Testing

@Suite struct RESPWriterTests {
  @Test("a command is an array of bulk strings")
  func bytes() {
    var buffer = ByteBuffer(capacity: 1)
    RESPWriter.begin(2, into: &buffer)
    RESPWriter.bulk("PING", into: &buffer)
    RESPWriter.bulk(utf8: "é\r\n", into: &buffer)
    #expect(String(repairing: buffer.readable) == "*2\r\n$4\r\nPING\r\n$4\r\né\r\n\r\n")
  }

  @Test("what is written is read back, bytes and the longest decimals included")
  func readBack() {
    var buffer = ByteBuffer(capacity: 1)
    let decimals: [UInt64] = [0, 9, 10, 99, 100, 1 << 32, .max]
    let binary: [UInt8] = [0, 255, 13, 10]
    RESPWriter.begin(decimals.count + 2, into: &buffer)
    for value in decimals { RESPWriter.bulk(decimal: value, into: &buffer) }
    RESPWriter.bulk(binary.span, into: &buffer)
    RESPWriter.bulk("", into: &buffer)
    var bytes: [UInt8] = []
    for index in 0..<buffer.count { bytes.append(buffer.readable[index]) }
    let expected = decimals.map { Value.bulk(String($0)) } + [.bulk(binary), .bulk("")]
    #expect(readDripped(bytes) == .value(.array(expected), byteCount: bytes.count))
  }
}
