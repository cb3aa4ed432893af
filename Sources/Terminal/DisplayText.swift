package import Bytes

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
    cut(text, columns: columns, continues: false).text
  }

  /// - Parameter continues: whether more follows `text` that is not in it, so that `…` ends it in any case. What was
  ///   left out may have belonged to the last character, which is left out too.
  /// - Returns: the text, and the columns that it takes.
  private static func cut(_ text: String, columns: Int, continues: Bool) -> (text: String, columns: Int) {
    guard columns > 0 else { return ("", 0) }
    var result = ""
    var used = 0
    // Where the ellipsis would go: the end of what leaves one column free.
    var fitting = (end: result.endIndex, columns: 0)
    for character in continues ? text.dropLast() : text[...] {
      let (shown, width) = show(character)
      guard width <= columns - used else { return (result[..<fitting.end] + ellipsis, fitting.columns + 1) }
      result += shown
      used += width
      if used < columns { fitting = (result.endIndex, used) }
    }
    return continues ? (result[..<fitting.end] + ellipsis, fitting.columns + 1) : (result, used)
  }

  /// Appends as much of `text`, UTF-8, as `columns` hold, harmless, as `cut` does; what is not UTF-8 is shown as U+FFFD.
  ///
  /// - Parameter continues: whether more follows `text` that is not in it, so that `…` ends it in any case.
  /// - Returns: the columns that were used.
  @discardableResult
  package static func append(
    _ text: borrowing Span<UInt8>, columns: Int, continues: Bool = false, to buffer: inout ByteBuffer
  ) -> Int {
    guard columns > 0 else { return 0 }
    // Most texts are plain ASCII as far as they are shown: no character of theirs is joined with another.
    var plain = 0
    while plain < text.count, plain <= columns, 0x20...0x7E ~= text[plain] { plain += 1 }
    if plain > columns || (continues && plain == text.count) {
      let kept = min(plain, columns) - 1
      if kept > 0 { buffer.append(contentsOf: text.extracting(0..<kept)) }
      buffer.append(utf8: ellipsis)
      return max(kept, 0) + 1
    }
    if plain == text.count {
      buffer.append(contentsOf: text)
      return plain
    }
    let shown = cut(String(repairing: text), columns: columns, continues: continues)
    buffer.append(utf8: shown.text)
    return shown.columns
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
    var escapes = 0
    // One selects the form of what it follows; where it follows nothing or another selector it only hides a number.
    var mayVary = false
    for scalar in scalars {
      let varies = isVariationSelector(scalar)
      if scalar == "\t" {
        text += " "
        columns += 1
      } else if scalar == "\u{2028}" || scalar == "\u{2029}" {
        text += lineEnd
        columns += 1
      } else if varies ? !mayVary : isHidden(scalar) && !(keepsTags && isTag(scalar)) {
        let escape = escape(scalar)
        text += escape
        escapes += escape.utf8.count
      } else {
        text.unicodeScalars.append(scalar)
        columns += CharacterWidth.columns(scalar)
      }
      mayVary = !varies
    }
    // An emoji is two columns wide however many scalars spell it.
    return (text, (CharacterWidth.isEmoji(character) ? 2 : columns) + escapes)
  }

  private static func isTag(_ scalar: Unicode.Scalar) -> Bool { 0xE0020...0xE007F ~= scalar.value }

  private static func isVariationSelector(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x180B...0x180D, 0x180F, 0xFE00...0xFE0F, 0xE0100...0xE01EF: true
    default: false
    }
  }

  /// Whether a scalar acts on the terminal or is there without being seen: C0, DEL, C1, soft hyphen, grapheme joiner,
  /// marks and overrides of direction, zero-width blanks, fillers that are no letters, invisible operators, annotation
  /// marks, format controls of scripts that terminals do not lay out, tags. (Unicode's Default_Ignorable_Code_Point
  /// and the controls; the two joiners and variation selectors, which make letters and emoji, are not among them.)
  private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x1F, 0x7F...0x9F, 0xAD, 0x34F, 0x61C, 0x17B4...0x17B5, 0x180E, 0x200B, 0x200E...0x200F, 0x2028...0x202E,
      0x2060...0x206F, 0x3164, 0xFEFF, 0xFFA0, 0xFFF0...0xFFFB, 0x13430...0x1343F, 0x1BCA0...0x1BCA3,
      0x1D173...0x1D17A, 0xE0000...0xE00FF, 0xE01F0...0xE0FFF:
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
