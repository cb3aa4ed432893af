/// RFC 8259 written down once more, rule by rule, the plain recursive way: slow, and independent of the scanner.
struct ReferenceGrammar {
  private var rest: ArraySlice<UInt8>

  static func accepts(_ bytes: [UInt8]) -> Bool {
    // Text first, then grammar: outside strings the grammar knows only ASCII.
    guard String(validating: bytes, as: UTF8.self) != nil else { return false }
    var grammar = ReferenceGrammar(rest: bytes[...])
    grammar.space()
    guard grammar.value() else { return false }
    grammar.space()
    return grammar.rest.isEmpty
  }

  private mutating func take(_ text: String) -> Bool {
    guard rest.starts(with: text.utf8) else { return false }
    rest = rest.dropFirst(text.utf8.count)
    return true
  }

  private mutating func takeOne(of text: String) -> Bool {
    guard let first = rest.first, text.utf8.contains(first) else { return false }
    rest = rest.dropFirst()
    return true
  }

  private mutating func space() { while takeOne(of: " \t\n\r") {} }

  private mutating func value() -> Bool {
    if take("true") || take("false") || take("null") { return true }
    if rest.first == UInt8(ascii: "\"") { return string() }
    if take("[") { return list(closing: "]") { grammar in grammar.value() } }
    if take("{") {
      return list(closing: "}") { grammar in
        guard grammar.string() else { return false }
        grammar.space()
        guard grammar.take(":") else { return false }
        grammar.space()
        return grammar.value()
      }
    }
    return number()
  }

  private mutating func list(closing: String, _ element: (inout ReferenceGrammar) -> Bool) -> Bool {
    space()
    if take(closing) { return true }
    while element(&self) {
      space()
      if take(closing) { return true }
      guard take(",") else { return false }
      space()
    }
    return false
  }

  private mutating func string() -> Bool {
    guard take("\"") else { return false }
    while let byte = rest.first {
      rest = rest.dropFirst()
      if byte == UInt8(ascii: "\"") { return true }
      if byte < 0x20 { return false }
      if byte == UInt8(ascii: "\\") {
        if take("u") {
          for _ in 0..<4 where !takeOne(of: "0123456789abcdefABCDEF") { return false }
        } else if !takeOne(of: "\"\\/bfnrt") {
          return false
        }
      }
    }
    return false
  }

  private mutating func digits() -> Bool {
    guard takeOne(of: "0123456789") else { return false }
    while takeOne(of: "0123456789") {}
    return true
  }

  private mutating func number() -> Bool {
    _ = take("-")
    if !take("0") {
      guard let first = rest.first, first != UInt8(ascii: "0"), digits() else { return false }
    }
    if take("."), !digits() { return false }
    if takeOne(of: "eE") {
      _ = takeOne(of: "+-")
      return digits()
    }
    return true
  }
}
