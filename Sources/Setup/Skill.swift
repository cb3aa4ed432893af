internal import Bytes
package import System

/// What OpenClaw's agents are told of the bus: a skill, a folder with a `SKILL.md` in it.
package enum Skill {
  package static let name = "openclaw-bus"
  /// Where the gateway looks for programs on Linux.
  package static let gatewayPath = ["/usr/local/bin", "/usr/bin", "/bin"]
  package static let programs = ["clawq", "clawsend"]

  /// The text with the programs' names as an agent of the gateway must write them.
  ///
  /// - Parameter folder: where the programs are, where not on the gateway's path; nil: their names do.
  package static func text(programsIn folder: String?) -> String {
    guard let folder else { return text }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      // A skill whose programs are not on the path is passed over by OpenClaw: nothing is asked for then.
      guard !line.hasPrefix("metadata: ") else { return #"metadata: {"openclaw": {"emoji": "🚌", "os": ["linux"]}}"# }
      var line = String(line)
      for program in programs {
        for lead in ["    ", "`"] {
          line = replaced(lead + program + " ", by: lead + folder + "/" + program + " ", in: line)
        }
      }
      return line
    }
    return lines.joined(separator: "\n")
  }

  private static func replaced(_ word: String, by other: String, in line: String) -> String {
    var result = ""
    var rest = line[...]
    while let first = rest.first {
      if rest.hasPrefix(word) {
        result += other
        rest = rest.dropFirst(word.count)
      } else {
        result.append(first)
        rest = rest.dropFirst()
      }
    }
    return result
  }

  /// Whether a text is a skill of this name, and so ours to replace.
  package static func isOurs(_ text: borrowing Span<UInt8>) -> Bool {
    let start = Array("---\nname: \(name)\n".utf8)
    return text.count >= start.count && equal(text.extracting(0..<start.count), start.span)
  }

  /// The folder of OpenClaw's that holds the skills of all its agents: where its state is.
  ///
  /// - Returns: nil where nothing says where it would be.
  package static func openClawFolder(_ environment: Environment) -> String? {
    if let state = environment.text("OPENCLAW_STATE_DIR") { return state }
    guard let home = environment.text("OPENCLAW_HOME") ?? environment.text("HOME"), home.hasPrefix("/") else {
      return nil
    }
    return home + "/.openclaw" + (environment.text("OPENCLAW_PROFILE").map { "-" + $0 } ?? "")
  }
}
