import Bytes
import TestSupport
import Testing

@Suite("Decimal: strict integers")
struct DecimalTests {
  private func unsigned(_ text: String) -> UInt64? {
    let bytes = Array(text.utf8)
    return Decimal.unsigned(bytes.span)
  }

  private func signed(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    return Decimal.signed(bytes.span)
  }

  private func written(_ write: (inout ByteBuffer) -> Void) -> String {
    var buffer = ByteBuffer(capacity: 1)
    write(&buffer)
    return String(repairing: buffer.readable)
  }

  @Test("Every number that is written is read again", arguments: 0..<20)
  func roundTrip(round: Int) {
    var random = SeededGenerator()
    let seed = random.seed
    for _ in 0..<500 {
      let value = random.next() >> (random.next() % 64)
      #expect(unsigned("\(value)") == value, "seed \(seed)")
      #expect(written { $0.append(decimal: value) } == "\(value)", "seed \(seed)")
      let negative = Int64(bitPattern: value)
      #expect(signed("\(negative)") == negative, "seed \(seed)")
      #expect(written { $0.append(decimal: negative) } == "\(negative)", "seed \(seed)")
      #expect(written { $0.append(decimal: Int(negative)) } == "\(negative)", "seed \(seed)")
    }
  }

  @Test("The ends of the range are in, the next number is out")
  func ends() {
    #expect(unsigned("0") == 0)
    #expect(unsigned("18446744073709551615") == .max)
    #expect(unsigned("18446744073709551616") == nil)
    #expect(unsigned("18446744073709551620") == nil)
    #expect(unsigned("99999999999999999999") == nil)
    #expect(unsigned("100000000000000000000") == nil)
    #expect(signed("9223372036854775807") == .max)
    #expect(signed("9223372036854775808") == nil)
    #expect(signed("-9223372036854775808") == .min)
    #expect(signed("-9223372036854775809") == nil)
    #expect(written { $0.append(decimal: Int64.min) } == "-9223372036854775808")
    #expect(written { $0.append(decimal: UInt64.max) } == "18446744073709551615")
  }

  @Test(
    "Nothing but digits is a number",
    arguments: [
      "", " ", "+5", "05", "00", "-", "--1", "-0", "-05", "5 ", " 5", "5\n", "1_000", "1e3", "0x1", "1.0", "٣", "½",
      "5\0",
      "/", ":",
    ])
  func malformed(_ text: String) {
    #expect(signed(text) == nil)
    #expect(unsigned(text) == nil)
  }

  @Test("No sign for an unsigned number")
  func noSign() { #expect(unsigned("-1") == nil) }

  @Test("Zeros fill up to the width, and never cut")
  func width() {
    #expect(written { $0.append(decimal: 42 as UInt64, width: 5) } == "00042")
    #expect(written { $0.append(decimal: 42 as UInt64, width: 2) } == "42")
    #expect(written { $0.append(decimal: 42 as UInt64, width: 1) } == "42")
    #expect(written { $0.append(decimal: 42 as UInt64, width: -3) } == "42")
    #expect(written { $0.append(decimal: 0 as UInt64, width: 20) } == "00000000000000000000")
    #expect(written { $0.append(decimal: 7 as UInt64, width: 99) } == "00000000000000000007")
  }

  @Test("a time in seconds is whole or has one to nine decimal places")
  func seconds() {
    func nanoseconds(_ text: String) -> UInt64? { Decimal.nanoseconds(ofSeconds: Array(text.utf8).span) }
    for (text, expected) in [
      ("0", 0), ("5", 5_000_000_000), ("0.5", 500_000_000), ("1.000000001", 1_000_000_001), ("0.0", 0),
      ("18446744073.709551615", UInt64.max),
    ] as [(String, UInt64)] { #expect(nanoseconds(text) == expected, "\(text)") }
    for text in [
      "", ".", ".5", "5.", "-1", "+1", "1,5", "1.5s", "1.5.5", "1. 5", " 1", "01", "00.5", "0.1234567890", "1e3", "inf",
      "nan", "18446744073.709551616", "18446744074", "99999999999999999999", "1.-5",
    ] { #expect(nanoseconds(text) == nil, "\(text)") }
  }
}
