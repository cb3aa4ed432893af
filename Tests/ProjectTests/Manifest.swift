import Foundation

/// The targets that `Package.swift` declares with its helpers `library`, `program`, `testLibrary`, `testProgram` and `tests`, or with `.target`.
struct Manifest {
  enum Kind: String {
    case target = ".target", library, program, testLibrary, testProgram, tests

    var isShipped: Bool { self == .target || self == .library || self == .program }
  }

  struct Declaration {
    let kind: Kind
    let name: String
    let dependencies: [String]
  }

  let targets: [Declaration]

  /// Reads the declarations from the text of a manifest. `swift package dump-package` would ask for the build lock that
  /// the running test holds.
  init(text: String) throws {
    let list = #"\[\s*((?:"\w+"\s*,?\s*)*)\]"#
    let declaration = try Regex(
      #"(\.target|library|program|testLibrary|testProgram|tests)\(\s*(?:name:\s*)?"(\w+)"(?:\s*,\s*(?:dependencies:\s*)?"#
        + list + ")?",
      as: (Substring, Substring, Substring, Substring?).self)
    targets = text.matches(of: declaration).compactMap { match in
      let (_, kind, name, dependencies) = match.output
      guard let kind = Kind(rawValue: String(kind)) else { return nil }
      let names = (dependencies ?? "").split(separator: ",").map {
        $0.trimmingCharacters(in: .whitespacesAndNewlines.union(["\""]))
      }
      return Declaration(kind: kind, name: String(name), dependencies: names.filter { !$0.isEmpty })
    }
  }
}
