import Bytes
import Glibc
import JSON
import Setup
import System
import TestSupport
import Testing

/// One value of a configuration is changed, and nothing else of it.
@Suite struct SettingsEditorTests {
  private func edit(_ text: String, to value: String = "rediss://new") throws -> (String, Bool) {
    let (edited, keepsText) = try SettingsEditor.setting("redis_url", to: value, in: Array(text.utf8).span)
    return (String(repairing: edited.span), keepsText)
  }

  @Test("where there is no file, or an empty object, a whole one is made")
  func new() throws {
    #expect(try edit("") == ("{\n  \"redis_url\": \"rediss://new\"\n}\n", true))
    #expect(try edit(" { } ") == ("{\n  \"redis_url\": \"rediss://new\"\n}\n", true))
  }

  @Test("in plain JSON every other byte stays as it was")
  func kept() throws {
    #expect(
      try edit("{ \"a\" : [1, {\"redis_url\": 2}],\n \"redis_url\":\"old\" , \"é\":null}\n")
        == ("{ \"a\" : [1, {\"redis_url\": 2}],\n \"redis_url\":\"rediss://new\" , \"é\":null}\n", true))
    #expect(try edit("{\"a\": 1}") == ("{\"redis_url\": \"rediss://new\",\n  \"a\": 1}", true))
    // Of a key that is given twice the last counts.
    #expect(
      try edit("{\"redis_url\": 1, \"redis_url\": 2}") == ("{\"redis_url\": 1, \"redis_url\": \"rediss://new\"}", true))
    #expect(try edit("{\"redis\\u005furl\": 1}") == ("{\"redis\\u005furl\": \"rediss://new\"}", true))
  }

  @Test("JSON5 becomes JSON with the same values, and that it has lost its comments is told")
  func json5() throws {
    #expect(
      try edit("// mine\n{redis_url: 'old', 'channel': 'x', }")
        == ("{\"redis_url\":\"rediss://new\",\"channel\":\"x\"}", false))
  }

  @Test("what is no object is refused, and so nothing of it is lost")
  func refused() {
    for text in ["[]", "{", "redis://h", "{} {}"] {
      #expect(throws: JSONFault.self, "\(text)") { try edit(text) }
    }
  }

  @Test(
    "a secret file is replaced whole, readable for its owner alone, through a link, with the old one kept where asked")
  func file() throws {
    let temporary = TemporaryFolder()
    let path = temporary.write("config.json", "old", permissions: 0o644)
    let link = temporary.path + "/link"
    try #require(unsafe symlink(path, link) == 0)
    try WholeFile.replace(link, with: Array("new".utf8), keeping: ".old")
    #expect(Folder.isSymbolicLink(link))
    #expect(try contents(path) == "new")
    #expect(try contents(path + ".old") == "old")
    #expect(try FileDescriptor(opening: path, [.readOnly]).status().mode & 0o777 == 0o600)
    let made = temporary.path + "/made"
    try WholeFile.replace(made, with: Array("one".utf8))
    try WholeFile.replace(made, with: Array("two".utf8))
    #expect(try contents(made) == "two")
    #expect(try temporary.open().names().sorted() == ["config.json", "config.json.old", "link", "made"])
    #expect(throws: SystemError.self) { try WholeFile.replace(temporary.path + "/none/x", with: []) }
  }

  private func contents(_ path: String) throws -> String {
    var buffer = ByteBuffer(capacity: 64)
    _ = try FileDescriptor(opening: path, [.readOnly]).readWhole(limit: 1024, into: &buffer)
    return String(repairing: buffer.readable)
  }
}

/// The service of the Python version is found where it was installed.
@Suite struct OldSubscriberTests {
  private let temporary = TemporaryFolder()

  private func find(_ variables: [String: String]) -> OldSubscriber? {
    OldSubscriber.find(Environment(variables), systemFolder: temporary.path + "/system")
  }

  @Test("the user's unit and the system's are found, with the URL in them and what stops each")
  func found() throws {
    let home = temporary.path + "/home"
    #expect(find(["HOME": home]) == nil)
    let made = run("/bin/mkdir", ["-p", temporary.path + "/system", home + "/.config/systemd/user"])
    try #require(made.code == 0)
    _ = temporary.write(
      "system/" + OldSubscriber.unit, "[Service]\nEnvironment=A=b \"UPSTASH_REDIS_URL=rediss://:pw@h\"\nExecStart=x\n")
    let system = try #require(find(["HOME": home]))
    #expect(system.url == "rediss://:pw@h")
    #expect(system.mend == "sudo systemctl disable --now openclaw-bus-subscriber.service")
    _ = temporary.write("home/.config/systemd/user/" + OldSubscriber.unit, "[Service]\nExecStart=x\n")
    let user = try #require(find(["HOME": home]))
    #expect(user.url == nil)
    #expect(user.mend == "systemctl --user disable --now openclaw-bus-subscriber.service")
  }
}
