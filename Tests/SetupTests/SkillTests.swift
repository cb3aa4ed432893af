import Setup
import System
import TestSupport
import Testing

/// What OpenClaw's agents are told.
@Suite struct SkillTests {
  @Test("the skill that is installed is the repository's, to the byte")
  func same() {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    #expect(readText(root + "/SKILL.md") == Skill.text)
  }

  @Test("its frontmatter is what OpenClaw reads: the folder's name, and one line of fewer than 160 characters")
  func frontmatter() throws {
    let lines = Skill.text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines[0] == "---" && lines[1] == "name: openclaw-bus")
    let description = try #require(lines.first { $0.hasPrefix("description: ") })
    #expect(description.dropFirst("description: ".count).count < 160)
    #expect(lines.firstIndex(of: "---") == 0 && lines.dropFirst().contains("---"))
  }

  @Test("with a folder given, every command names its program by its path, and nothing else changes")
  func paths() {
    let text = Skill.text(programsIn: "/opt/x")
    #expect(Skill.text(programsIn: nil) == Skill.text)
    for lead in ["    clawq ", "`clawq ", "    clawsend ", "`clawsend "] { #expect(!text.contains(lead)) }
    #expect(text.contains("    /opt/x/clawsend NAME - <<'END_OF_MESSAGE'"))
    #expect(!text.contains("requires"))
    #expect(text.split(separator: "\n").count == Skill.text.split(separator: "\n").count)
    #expect(isOurs(text))
    #expect(!isOurs("---\nname: other\n"))
    #expect(!isOurs(""))
  }

  @Test("OpenClaw's folder is the state folder named, else below its home or ours, by profile")
  func folder() {
    func folder(_ variables: [String: String]) -> String? { Skill.openClawFolder(Environment(variables)) }
    #expect(folder(["HOME": "/h"]) == "/h/.openclaw")
    #expect(folder(["HOME": "/h", "OPENCLAW_HOME": "/o"]) == "/o/.openclaw")
    #expect(folder(["HOME": "/h", "OPENCLAW_PROFILE": "work"]) == "/h/.openclaw-work")
    #expect(folder(["HOME": "/h", "OPENCLAW_STATE_DIR": "/s"]) == "/s")
    #expect(folder([:]) == nil)
  }

  private func isOurs(_ text: String) -> Bool { Skill.isOurs(Array(text.utf8).span) }

  private func readText(_ path: String) -> String {
    String(decoding: (try? WholeFile.content(path, limit: 1 << 20)) ?? [], as: UTF8.self)
  }
}
