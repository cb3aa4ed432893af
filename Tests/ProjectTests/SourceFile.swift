import Foundation
import Testing

/// The folder that holds `Package.swift`, found from where this file was compiled.
let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// A text file of the repository, with its path from the repository's root.
struct SourceFile {
  let path: String
  let text: String

  var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

  /// The number of lines as an editor counts them: a final newline begins no further line.
  var lineCount: Int { text.hasSuffix("\n") ? lines.count - 1 : lines.count }

  /// The code alone: comments and the contents of string literals are blanked, lines stay where they are.
  var code: String { Self.code(of: text) }

  init(path: String) throws {
    self.path = path
    self.text = try String(contentsOf: repository.appending(path: path), encoding: .utf8)
  }
}

extension SourceFile {
  /// Every regular file below `folder`, sorted by path; those not in UTF-8 or made by a tool are left out.
  static func all(below folder: String, suffix: String = "") throws -> [SourceFile] {
    let root = repository.appending(path: folder)
    let listing = try #require(FileManager.default.enumerator(atPath: root.path))
    let paths = listing.compactMap { $0 as? String }.filter { path in
      path.hasSuffix(suffix) && !path.contains("__pycache__") && !path.hasSuffix(".pyc")
    }
    return try paths.sorted().compactMap { path in
      let values = try root.appending(path: path).resourceValues(forKeys: [.isRegularFileKey])
      return values.isRegularFile == true ? try SourceFile(path: folder + "/" + path) : nil
    }
  }

  /// The names of the folders that stand directly in `folder`.
  static func folders(in folder: String) throws -> [String] {
    let root = repository.appending(path: folder)
    return try FileManager.default.contentsOfDirectory(
      at: root, includingPropertiesForKeys: [.isDirectoryKey]
    ).filter { try $0.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true }
      .map(\.lastPathComponent).sorted()
  }

  /// Blanks comments (nested ones too) and string literals. Good enough to look for words in, not a Swift parser: code
  /// inside an interpolation is blanked with its literal.
  static func code(of text: String) -> String {
    enum State { case code, lineComment, blockComment(Int), string(quotes: Int, hashes: Int) }
    let bytes = Array(text.utf8) + [0, 0, 0]  // so that two bytes of looking ahead are always there
    var kept: [UInt8] = []
    var state = State.code
    var index = 0
    let quote = UInt8(ascii: "\"")
    func starts(_ word: StaticString) -> Bool {
      bytes[index...].starts(with: Array("\(word)".utf8))
    }
    while index < bytes.count - 3 {
      let byte = bytes[index]
      var step = 1
      switch state {
      case .code:
        let hashes = bytes[index...].prefix { $0 == UInt8(ascii: "#") }.count
        if starts("//") {
          (state, step) = (.lineComment, 2)
        } else if starts("/*") {
          (state, step) = (.blockComment(1), 2)
        } else if index + hashes < bytes.count, bytes[index + hashes] == quote {
          index += hashes
          let quotes = starts("\"\"\"") ? 3 : 1
          (state, step) = (.string(quotes: quotes, hashes: hashes), quotes)
        } else {
          kept.append(byte)
        }
      case .lineComment:
        if byte == UInt8(ascii: "\n") { state = .code }
      case .blockComment(let depth):
        if starts("*/") {
          (state, step) = (depth == 1 ? .code : .blockComment(depth - 1), 2)
        } else if starts("/*") {
          (state, step) = (.blockComment(depth + 1), 2)
        }
      case .string(let quotes, let hashes):
        let end = Array(repeating: quote, count: quotes) + Array(repeating: UInt8(ascii: "#"), count: hashes)
        if bytes[index...].starts(with: end) {
          (state, step) = (.code, end.count)
          kept.append(UInt8(ascii: " "))
        } else if byte == UInt8(ascii: "\\"), hashes == 0 {
          step = bytes[index + 1] == UInt8(ascii: "\n") ? 1 : 2
        }
      }
      if case .code = state {} else { kept.append(UInt8(ascii: " ")) }
      // A newline that is passed over still ends its line.
      if byte == UInt8(ascii: "\n"), kept.last != byte { kept.append(byte) }
      index += step
    }
    return String(decoding: kept, as: UTF8.self)
  }

  /// The modules that the file imports, with the line of each. Knows access levels, attributes, `import struct M.T` and
  /// several statements on a line.
  static func imports(in text: String) -> [(module: String, line: Int)] {
    var found: [(module: String, line: Int)] = []
    for (number, line) in code(of: text).split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      for statement in line.split(separator: ";") {
        var words = statement.split(whereSeparator: \.isWhitespace).map(String.init)[...]
        let modifiers: Set<String> = ["public", "package", "internal", "fileprivate", "private"]
        while let first = words.first, first.hasPrefix("@") || modifiers.contains(first) { words.removeFirst() }
        guard words.popFirst() == "import" else { continue }
        let kinds: Set<String> = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
        if let first = words.first, kinds.contains(first) { words.removeFirst() }
        guard let module = words.first?.split(separator: ".").first else { continue }
        found.append((String(module), number + 1))
      }
    }
    return found
  }
}
