import Bytes
import Terminal
import Testing

@Suite struct DisplayTextTests {
  @Test("what would act on a terminal is shown by its number, and the text stays on one line")
  func harmless() {
    let cases: [(String, String)] = [
      ("hello", "hello"), ("", ""), ("a\nb", "a⏎b"), ("a\r\nb", "a⏎b"), ("a\rb", "a\\x0db"), ("a\tb", "a b"),
      ("\u{1b}[31mred", "\\x1b[31mred"), ("\u{7f}\u{0}\u{85}\u{9b}", "\\x7f\\x00\\x85\\x9b"),
      ("\u{202e}abc\u{202c}", "\\u{202e}abc\\u{202c}"), ("\u{2066}a\u{2069}", "\\u{2066}a\\u{2069}"),
      ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"), ("a\u{2028}b\u{2029}c", "a⏎b⏎c"),
      ("zero\u{200b}width", "zero\\u{200b}width"), ("\u{feff}bom", "\\u{feff}bom"),
      ("x\u{e0041}\u{e0042}", "x\\u{e0041}\\u{e0042}"),
      (
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}"
      ),
      ("שלום", "שלום"), ("مرحبا", "مرحبا"), ("🦞👩‍💻❤️", "🦞👩‍💻❤️"), ("日本語", "日本語"), ("नमस्ते", "नमस्ते"),
      ("back\\slash", "back\\slash"), ("می\u{200c}خواهم", "می\u{200c}خواهم"),
    ]
    for (text, expected) in cases { #expect(DisplayText.harmless(text) == expected) }
  }

  @Test("no control character of any kind survives")
  func everyControl() {
    for value in UInt32(0)...0xE01FF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let category = scalar.properties.generalCategory
      guard category == .control || category == .lineSeparator || category == .paragraphSeparator else { continue }
      #expect(!DisplayText.harmless("a" + String(Character(scalar)) + "b").unicodeScalars.contains(scalar))
    }
  }

  @Test("columns: wide is 2, joined is 0, an emoji is 2 however it is spelt")
  func columns() {
    let cases: [(String, Int)] = [
      ("", 0), ("abc", 3), ("äöü", 3), ("a\u{308}", 1), ("日本", 4), ("한국", 4), ("\u{1112}\u{1161}\u{11ab}", 2),
      ("ｆｕｌｌ", 8),
      ("🦞", 2), ("👩‍💻", 2), ("👨‍👩‍👧‍👦", 2), ("🇩🇪", 2), ("❤️", 2), ("❤", 1), ("✌🏽", 2), ("1️⃣", 2), ("©", 1), ("…", 1),
      ("\n", 1), ("\u{1b}", 4), ("\u{202e}", 8), ("𠮷", 2), ("、。", 4), ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", 2), ("\u{fe0f}", 8),
      ("❤\u{fe0f}\u{fe0f}", 10), ("クﾘ", 3),
    ]
    for (text, columns) in cases { #expect(DisplayText.columns(text) == columns, "\(text)") }
  }

  @Test("a text is cut to the columns there are, never within a character")
  func cut() {
    let cases: [(String, Int, String)] = [
      ("hello", 5, "hello"), ("hello", 4, "hel…"), ("hello", 1, "…"), ("hello", 0, ""), ("", 0, ""), ("", 5, ""),
      ("日本語", 6, "日本語"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("日本語", 3, "日…"), ("日本語", 2, "…"),
      ("a👩‍💻b", 4, "a👩‍💻b"), ("a👩‍💻b", 3, "a…"), ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
      ("a\nb", 3, "a⏎b"), ("a\u{1b}b", 5, "a…"), ("a\u{1b}b", 6, "a\\x1bb"), ("abc", -1, ""),
    ]
    for (text, columns, expected) in cases { #expect(DisplayText.cut(text, columns: columns) == expected, "\(text)") }
  }

  @Test("whatever the text, the cut one fits")
  func fits() {
    let pieces = [
      "a", "日", "🦞", "👩‍💻", "\u{301}", "\u{1b}", "\n", "\r", "\u{202e}", "\u{200d}", "🇩", "\u{e0041}", "한", "\u{fe0f}",
    ]
    var state: UInt64 = 20_261_123
    for _ in 0..<2000 {
      var text = ""
      for _ in 0..<12 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        text += pieces[Int((state >> 33) % UInt64(pieces.count))]
      }
      for columns in 0...12 {
        let cut = DisplayText.cut(text, columns: columns)
        #expect(DisplayText.columns(cut) <= columns, "\(text.unicodeScalars.map(\.value)) at \(columns)")
      }
    }
  }

  @Test("a pile of combining marks does not paint over the screen")
  func pile() {
    let pile = "a" + String(repeating: "\u{301}", count: 100_000)
    #expect(DisplayText.harmless(pile) == "\u{FFFD}")
    #expect(DisplayText.cut(pile, columns: 80) == "\u{FFFD}")
  }

  @Test("what hides a text in letters and emoji is shown: fillers, joiners of nothing, selectors that select nothing")
  func hiders() {
    let cases: [(String, String)] = [
      ("a\u{34f}b", "a\\u{34f}b"), ("a\u{3164}b", "a\\u{3164}b"), ("\u{ffa0}", "\\u{ffa0}"),
      ("a\u{fe00}\u{fe01}b", "a\u{fe00}\\u{fe01}b"), ("\u{e0100}", "\\u{e0100}"), ("\u{17b4}", "\\u{17b4}"),
      ("葛\u{e0100}", "葛\u{e0100}"), ("❤\u{fe0f}", "❤\u{fe0f}"), ("\u{13430}", "\\u{13430}"),
    ]
    for (text, expected) in cases { #expect(DisplayText.harmless(text) == expected, "\(expected)") }
    let smuggled = "x" + (0..<20).map { String(Unicode.Scalar(0xE0100 + $0)!) }.joined()
    #expect(DisplayText.harmless(smuggled).unicodeScalars.count { $0.value >= 0xE0100 } == 1)
  }

  @Test("bytes are cut as text is, and the columns they take are answered")
  func bytes() {
    for text in ["", "a", "hello", "hello there", "日本語", "a👩‍💻b", "e\u{301}e", "a\nb", "\u{1b}[31m", "~ ", "hell\u{301}"]
    {
      for columns in -1...12 {
        var buffer = ByteBuffer(capacity: 1)
        let used = DisplayText.append(text.utf8.span, columns: columns, to: &buffer)
        let shown = String(repairing: buffer.readable)
        #expect(shown == DisplayText.cut(text, columns: columns), "\(text) at \(columns)")
        #expect(used == DisplayText.columns(shown), "\(text) at \(columns)")
      }
    }
  }

  @Test("a text that goes on ends with an ellipsis, without the character that may lack its end")
  func continued() {
    let cases: [(String, Int, String)] = [
      ("hello", 9, "hell…"), ("hello", 5, "hell…"), ("hello", 4, "hel…"), ("", 5, "…"), ("", 0, ""),
      ("日本e\u{301}", 9, "日本…"),
      ("日本語", 4, "日…"),
    ]
    for (text, columns, expected) in cases {
      var buffer = ByteBuffer(capacity: 1)
      let used = DisplayText.append(text.utf8.span, columns: columns, continues: true, to: &buffer)
      #expect(String(repairing: buffer.readable) == expected)
      #expect(used == DisplayText.columns(expected))
    }
  }

  @Test("bytes that are no UTF-8 are shown as U+FFFD")
  func invalid() {
    for bytes in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0x61, 0x80, 0x9B, 0x62], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]] {
      var buffer = ByteBuffer(capacity: 1)
      DisplayText.append(bytes.span, columns: 20, to: &buffer)
      let shown = String(repairing: buffer.readable)
      #expect(shown.contains("\u{FFFD}") && !shown.unicodeScalars.contains("\u{9B}"), "\(bytes)")
    }
  }
}
