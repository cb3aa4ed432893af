import Bytes
import JSON
import Testing

func int64(_ token: String) -> Int64? { JSONNumber.int64(Array(token.utf8).span) }
func double(_ token: String) -> Double? { JSONNumber.double(Array(token.utf8).span) }

@Suite("Numbers")
struct NumberTests {
  @Test(
    "integers have a value where they fit and are written as integers",
    arguments: [
      ("0", 0), ("-0", 0), ("1", 1), ("-1", -1), ("9223372036854775807", .max), ("9223372036854775808", nil),
      ("-9223372036854775808", .min), ("-9223372036854775809", nil), ("18446744073709551616", nil), ("1.0", nil),
      ("1e3", nil), ("", nil), ("-", nil), ("01", nil), ("+1", nil), (" 1", nil), ("1 ", nil), ("0x1", nil),
      ("99999999999999999999999999", nil),
    ] as [(String, Int64?)])
  func integers(_ token: String, _ value: Int64?) {
    #expect(int64(token) == value)
  }

  @Test(
    "any number has the nearest finite value, and only what RFC 8259 section 6 knows is a number",
    arguments: [
      ("0", 0), ("-0", 0), ("1", 1), ("1790000000.123456", 1_790_000_000.123456), ("-2.5E-3", -0.0025),
      ("1e5", 100_000),
      ("1E+05", 100_000), ("0.1", 0.1), ("1.7976931348623157e308", .greatestFiniteMagnitude),
      ("5e-324", .leastNonzeroMagnitude),
      ("1e-400", 0), ("1e309", nil), ("-1e999999999999", nil),
      ("123456789012345678901234567890", 1.2345678901234568e29),
      ("", nil), ("+1", nil), (".5", nil), ("5.", nil), ("01", nil), ("0x10", nil), ("0x1p3", nil), ("inf", nil),
      ("nan", nil), ("Infinity", nil), ("1e", nil), (" 1", nil), ("1 ", nil), ("1_0", nil), ("1,5", nil), ("true", nil),
      ("\"1\"", nil), ("[1]", nil),
    ] as [(String, Double?)])
  func doubles(_ token: String, _ value: Double?) {
    #expect(double(token) == value)
  }

  @Test("a number longer than 1,024 bytes is refused, not read")
  func longNumbers() {
    #expect(double(String(repeating: "1", count: 300)) != nil)
    #expect(double("0." + String(repeating: "0", count: 1022)) == 0)
    #expect(double("0." + String(repeating: "0", count: 1023)) == nil)
  }
}
