internal import Bytes
internal import Settings
internal import System
package import Terminal

/// Options of `clawd skill install`.
package enum SkillOption {
  package static let workspace = Option(
    "workspace", "DIR", help: "an agent's workspace, which then alone has the skill; else all agents have it")
  package static let force = Option(flag: "force", help: "replace a SKILL.md that is not ours")
}

/// `clawd skill install`: puts the skill where OpenClaw looks, and prints where that is.
package func installSkill(_ arguments: Arguments, _ notes: StandardError) throws(Failure) -> ExitCode {
  let verb = try arguments.text(ofOperand: 0, called: "the word behind skill")
  guard verb == "install" else {
    throw Failure(.usage, "clawd skill does not know '\(DisplayText.cut(verb, columns: 40))'", why: "expected install")
  }
  let workspace = try arguments.text(SkillOption.workspace)
  guard let base = workspace ?? Skill.openClawFolder(.process) else {
    throw Failure(
      .configuration, "cannot tell where OpenClaw is", why: "HOME is not set", whatToDo: "name a folder by --workspace")
  }
  guard isFolder(base) else {
    throw Failure(
      .noQueue, "no OpenClaw here", why: "there is no folder \(base)",
      whatToDo: "start OpenClaw once, or name an agent's workspace by --workspace")
  }
  let path = base + "/skills/" + Skill.name + "/SKILL.md"
  let text = Array(Skill.text(programsIn: programFolder(notes)).utf8)
  let present: [UInt8]
  do throws(SystemError) { present = try WholeFile.content(path, limit: Limits.settingsFileBytes) ?? [] } catch {
    throw Failure("cannot read the skill that is there", error)
  }
  if present == text {
    notes.note("nothing to do: the skill is in place")
  } else {
    guard present.isEmpty || Skill.isOurs(present.span) || arguments.has(SkillOption.force) else {
      throw Failure(
        .badData, "\(path) was left as it is", why: "it is not the skill of openclaw-bus",
        whatToDo: "look at it, and replace it with --force")
    }
    do throws(SystemError) {
      _ = try Folder.make(base + "/skills", permissions: 0o755)
      _ = try Folder.make(base + "/skills/" + Skill.name, permissions: 0o755)
      try WholeFile.replace(path, with: text, permissions: 0o644)
    } catch {
      throw Failure("cannot install the skill", error)
    }
  }
  var output = StandardOutput()
  output.buffer.append(utf8: (realPath(path) ?? path) + "\n")
  try output.write()
  return .success
}

/// Where the programs are that an agent calls; nil where the gateway finds them by their names.
private func programFolder(_ notes: StandardError) -> String? {
  if Skill.gatewayPath.contains(where: hasPrograms) { return nil }
  // Through the link, for whoever keeps his programs elsewhere and links to them.
  guard let own = realPath("/proc/self/exe"), let slash = own.lastIndex(of: "/"), hasPrograms(String(own[..<slash]))
  else {
    notes.warning("clawq and clawsend are neither beside clawd nor in \(Skill.gatewayPath.joined(separator: ", "))")
    return nil
  }
  let folder = String(own[..<slash])
  notes.note("the gateway does not look into \(folder): the skill names the programs by their whole paths")
  return folder
}

private func hasPrograms(_ folder: String) -> Bool {
  Skill.programs.allSatisfy { (try? FileDescriptor(opening: folder + "/" + $0, [.readOnly, .nonBlocking])) != nil }
}

private func isFolder(_ path: String) -> Bool {
  (try? FileDescriptor(opening: path, [.readOnly, .nonBlocking]).status().isFolder) == true
}
