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
      ("\n", 1), ("\u{1b}", 4), ("\u{202e}", 8), ("𠮷", 2), ("、。", 4), ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", 2), ("\u{fe0f}", 8), ("❤\u{fe0f}\u{fe0f}", 10), ("クﾘ", 3),
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
}
