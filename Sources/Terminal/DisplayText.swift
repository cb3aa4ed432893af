/// Makes a text from anywhere fit to be shown on one line of a terminal.
///
/// Whoever sends a message must not be able to move the cursor, change colours, reverse the reading direction or hide
/// text from the person who reads. What could is shown by its number instead: a line end as `⏎`, a tab as a blank, the
/// escape character as `\x1b`, U+202E as `\u{202e}`.
package enum DisplayText {
  private static let lineEnd = "\u{23CE}"
  private static let ellipsis = "\u{2026}"
  /// No writing system or emoji needs more; piles of combining marks would paint over the lines above.
  private static let scalarsPerCharacter = 32

  /// All of `text`, on one line.
  package static func harmless(_ text: String) -> String {
    var result = ""
    for character in text { result += show(character).text }
    return result
  }

  /// As much of `text` as `columns` hold, harmless; `…` ends it where something is missing. Characters (extended
  /// grapheme clusters, UAX #29) are not split.
  package static func cut(_ text: String, columns: Int) -> String {
    guard columns > 0 else { return "" }
    var result = ""
    var used = 0
    // Where the ellipsis would go: the end of what leaves one column free.
    var fitting = result.endIndex
    for character in text {
      let (shown, width) = show(character)
      guard width <= columns - used else { return result[..<fitting] + ellipsis }
      result += shown
      used += width
      if used < columns { fitting = result.endIndex }
    }
    return result
  }

  /// The columns that `text` takes once it is harmless.
  package static func columns(_ text: String) -> Int {
    text.reduce(0) { $0 + show($1).columns }
  }

  private static func show(_ character: Character) -> (text: String, columns: Int) {
    if let ascii = character.asciiValue, ascii >= 0x20, ascii < 0x7F { return (String(character), 1) }
    let scalars = character.unicodeScalars
    // CR LF is one character.
    if scalars.contains("\n") { return (lineEnd, 1) }
    guard let first = scalars.first, scalars.dropFirst(scalarsPerCharacter).isEmpty else { return ("\u{FFFD}", 1) }
    // The flags of England, Scotland and Wales are spelt in tags; elsewhere tags only hide a text.
    let keepsTags = first == "\u{1F3F4}"
    var text = ""
    var columns = 0
    for scalar in scalars {
      if scalar == "\t" {
        text += " "
        columns += 1
      } else if scalar == "\u{2028}" || scalar == "\u{2029}" {
        text += lineEnd
        columns += 1
      } else if isHidden(scalar), !(keepsTags && isTag(scalar)) {
        let escape = escape(scalar)
        text += escape
        columns += escape.utf8.count
      } else {
        text.unicodeScalars.append(scalar)
        columns += CharacterWidth.columns(scalar)
      }
    }
    // An emoji is two columns wide however many scalars spell it.
    return (text, CharacterWidth.isEmoji(character) ? max(2, text == String(character) ? 2 : columns) : columns)
  }

  private static func isTag(_ scalar: Unicode.Scalar) -> Bool { 0xE0020...0xE007F ~= scalar.value }

  /// Whether a scalar acts on the terminal or is there without being seen: C0, DEL, C1, soft hyphen, marks and
  /// overrides of direction, zero-width blanks, invisible operators, annotation marks, tags.
  private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x1F, 0x7F...0x9F, 0xAD, 0x61C, 0x180E, 0x200B, 0x200E...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF,
      0xFFF9...0xFFFB, 0x1D173...0x1D17A, 0xE0000...0xE00FF:
      true
    default: false
    }
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16)
    return scalar.value < 0x100
      ? "\\x" + (digits.utf8.count < 2 ? "0" : "") + digits
      : "\\u{" + digits + "}"
  }
}
