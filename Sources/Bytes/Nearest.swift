/// What a person may have meant: for messages that answer a mistyped word with the one it resembles.
package enum Nearest {
  /// Longer words are not compared: nobody mistypes them, and the work grows with the square of the length.
  private static let longest = 64

  /// The word of `candidates` that needs the fewest edits to become `word`, or nil where none is near: at most one edit
  /// for every three characters, and two at least for words of four and more.
  package static func match(_ word: String, among candidates: [String]) -> String? {
    let given = Array(word.utf8.prefix(longest + 1))
    guard given.count <= longest, given.count > 0 else { return nil }
    let allowed = given.count < 4 ? 1 : max(2, given.count / 3)
    var best: (word: String, edits: Int)?
    for candidate in candidates {
      let edits = distance(given, Array(candidate.utf8))
      if edits <= allowed, edits < best?.edits ?? Int.max { best = (candidate, edits) }
    }
    return best?.word
  }

  /// Insertions, removals, replacements and swaps of neighbours that turn one into the other (optimal string alignment).
  static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    // Three rows of the table of all prefixes against all prefixes are enough.
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    var row = last
    for (i, a) in left.enumerated() {
      row[0] = i + 1
      for (j, b) in right.enumerated() {
        var edits = min(last[j + 1] + 1, row[j] + 1, last[j] + (a == b ? 0 : 1))
        if i > 0, j > 0, a == right[j - 1], left[i - 1] == b { edits = min(edits, beforeLast[j - 1] + 1) }
        row[j + 1] = edits
      }
      (beforeLast, last, row) = (last, row, beforeLast)
    }
    return last[right.count]
  }
}
