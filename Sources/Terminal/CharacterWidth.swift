/// How many columns of a terminal a character takes.
enum CharacterWidth {
  /// 0 for what is drawn onto or joined with its neighbour, 2 for the wide and full-width scalars of UAX #11, else 1.
  /// (Ambiguous ones count 1, as terminals do outside East Asian locales.)
  static func columns(_ scalar: Unicode.Scalar) -> Int {
    if scalar.value < 0x300 { return 1 }
    if isJoined(scalar) { return 0 }
    return isWide(scalar) ? 2 : 1
  }

  /// Whether a cluster is drawn as one emoji: by default, or by variation selector 16, or with a skin tone.
  static func isEmoji(_ character: Character) -> Bool {
    let scalars = character.unicodeScalars
    guard let first = scalars.first, first.value >= 0x23 else { return false }
    if first.properties.isEmojiPresentation { return true }
    return first.properties.isEmoji && scalars.contains { $0 == "\u{FE0F}" || $0.properties.isEmojiModifier }
  }

  private static func isJoined(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // The vowels and final consonants of Hangul complete the syllable that the first consonant began.
    case 0x1160...0x11FF, 0xD7B0...0xD7FF, 0x200C...0x200D: return true
    default: break
    }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return true
    case .format: return 0xE0000...0xE0FFF ~= scalar.value
    default: return false
    }
  }

  private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.properties.isEmojiPresentation { return true }
    let value = scalar.value
    var low = 0
    var high = wide.count
    while low < high {
      let middle = (low + high) / 2
      if wide[middle].upperBound < value { low = middle + 1 } else { high = middle }
    }
    return low < wide.count && wide[low].contains(value)
  }

  /// East_Asian_Width W and F, without those that are emoji by default; neighbours are joined over unassigned gaps.
  private static let wide: InlineArray<_, ClosedRange<UInt32>> = [
    0x1100...0x115F,  // Hangul first consonants
    0x2329...0x232A,  // angle brackets
    0x2E80...0x303E,  // radicals, CJK punctuation
    0x3041...0x4DBF,  // kana, bopomofo, compatibility, ideographs A
    0x4DC0...0xA4C6,  // hexagrams, ideographs, Yi
    0xA960...0xA97C,  // Hangul first consonants, extended
    0xAC00...0xD7A3,  // Hangul syllables
    0xF900...0xFAFF,  // compatibility ideographs
    0xFE10...0xFE19,  // vertical forms
    0xFE30...0xFE6B,  // compatibility and small forms
    0xFF01...0xFF60,  // full-width forms
    0xFFE0...0xFFE6,  // full-width signs
    0x16FE0...0x16FF6,  // ideographic marks
    0x17000...0x18DF2,  // Tangut, Khitan
    0x1AFF0...0x1B2FB,  // kana and Nushu supplements
    0x1D300...0x1D376,  // Tai Xuan Jing symbols, counting rods
    0x1F200...0x1F265,  // enclosed ideographs
    0x20000...0x3FFFD,  // ideographs, planes 2 and 3
  ]
}
