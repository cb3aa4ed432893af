import Bytes
import TestSupport
import Testing

@Suite("Strict UTF-8")
struct UnicodeTextTests {
  private func firstInvalid(_ bytes: [UInt8]) -> Int? { UnicodeText.firstInvalid(bytes.span) }

  private func expect(_ bytes: [UInt8], _ note: Comment) {
    let isValid = String(validating: bytes, as: UTF8.self) != nil
    let found = firstInvalid(bytes)
    #expect((found == nil) == isValid, note)
    // What stands before the place named is whole, and the place is the first such.
    if let found { #expect(String(validating: bytes[..<found], as: UTF8.self) != nil, note) }
  }

  @Test("Every scalar is well-formed, and has the length that it has")
  func everyScalar() {
    var wrong = 0
    for value in UInt32(0)...0x10FFFF {
      guard let scalar = UnicodeScalar(value) else { continue }
      let bytes = Array(String(scalar).utf8)
      if UnicodeText.scalarLength(bytes.span, at: 0) != bytes.count || firstInvalid(bytes) != nil { wrong += 1 }
    }
    #expect(wrong == 0)
  }

  @Test("Every one and two bytes, and every beginning of three, are judged as Swift judges them")
  func short() {
    var wrong = 0
    func judge(_ bytes: [UInt8]) {
      if (firstInvalid(bytes) == nil) != (String(validating: bytes, as: UTF8.self) != nil) { wrong += 1 }
    }
    for first in UInt8.min...UInt8.max {
      judge([first])
      for second in UInt8.min...UInt8.max {
        judge([first, second])
        for third: UInt8 in [0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF] {
          judge([first, second, third])
          if first >= 0xF0 { for last: UInt8 in [0x7F, 0x80, 0xBF, 0xC0] { judge([first, second, third, last]) } }
        }
      }
    }
    #expect(wrong == 0)
  }

  @Test("Random mixtures of good and bad are judged as Swift judges them, and the place is named", arguments: 0..<10)
  func mixtures(round: Int) {
    var random = SeededGenerator()
    let seed = random.seed
    let pieces: [[UInt8]] = [
      [0x41], [0xC3, 0xA9], [0xE2, 0x82, 0xAC], [0xF0, 0x9F, 0xA6, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
      [0xF4, 0x8F, 0xBF, 0xBF], [0xC0, 0x80], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80],
    ]
    for _ in 0..<500 {
      var bytes: [UInt8] = []
      for _ in 0..<random.next() % 12 { bytes += pieces[Int(random.next() % UInt64(random.next() % 3 == 0 ? 12 : 7))] }
      if random.next() % 3 == 0, !bytes.isEmpty { bytes.removeLast() }
      expect(bytes, "\(bytes), seed \(seed)")
    }
  }
}

@Suite("Control characters")
struct ControlCharacterTests {
  @Test("the control characters are those of Unicode's category Cc")
  func category() {
    for scalar in (0...0x3000).compactMap(Unicode.Scalar.init(_:)) {
      #expect(scalar.isControl == (scalar.properties.generalCategory == .control), "\(scalar.value)")
    }
  }
}

@Suite("ULID")
struct ULIDTests {
  /// The value of the 26 characters, by long multiplication.
  private func value(_ text: String) -> (high: UInt64, low: UInt64)? {
    let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    var value = (high: UInt64(0), low: UInt64(0))
    for character in text {
      guard let digit = alphabet.firstIndex(of: character), value.high >> 59 == 0 else { return nil }
      value = (value.high << 5 | value.low >> 59, value.low << 5 | UInt64(digit))
    }
    return value
  }

  @Test("26 characters that hold 48 bits of time and 80 bits of chance")
  func encoding() {
    var random = SeededGenerator()
    for _ in 0..<500 {
      let milliseconds = random.next() >> (16 + random.next() % 48)
      let chance = (random.next(), random.next())
      let id = ULID(milliseconds: milliseconds, random: chance)
      let text = id.text
      #expect(text.utf8.count == 26)
      let value = value(text)
      #expect(value?.high == milliseconds << 16 | chance.0 & 0xFFFF, "seed \(random.seed)")
      #expect(value?.low == chance.1, "seed \(random.seed)")
      let bytes = Array(text.utf8)
      #expect(ULID(bytes.span) == id)
    }
  }

  @Test("The ends of the range")
  func ends() {
    #expect(ULID(milliseconds: 0, random: (0, 0)).text == "00000000000000000000000000")
    #expect(ULID(milliseconds: 1 << 48 - 1, random: (.max, .max)).text == "7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
    // The example time of the specification.
    #expect(ULID(milliseconds: 1_469_918_176_385, random: (0, 0)).text.hasPrefix("01ARYZ6S41"))
  }

  @Test("Later ids sort after earlier ones")
  func order() {
    var random = SeededGenerator()
    for _ in 0..<200 {
      let milliseconds = random.next() >> 17
      let earlier = ULID(milliseconds: milliseconds, random: (random.next(), random.next()))
      let later = ULID(milliseconds: milliseconds + 1, random: (random.next(), random.next()))
      #expect(earlier.text < later.text, "seed \(random.seed)")
    }
  }

  @Test(
    "Anything else has not the shape",
    arguments: [
      "", "0000000000000000000000000", "000000000000000000000000000", "80000000000000000000000000",
      "0000000000000000000000000I", "0000000000000000000000000L", "0000000000000000000000000O",
      "0000000000000000000000000U", "0000000000000000000000000a", "0000000000000000000000000 ",
      "000000000000000000000000é",
    ])
  func invalid(_ text: String) {
    let bytes = Array(text.utf8)
    #expect(ULID(bytes.span) == nil)
  }
}

@Suite("Limits")
struct LimitsTests {
  @Test("The limits fit each other")
  func relations() { #expect(Limits.relationsHold) }
}
