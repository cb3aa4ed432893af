import Bytes
import Glibc
import Message
import Settings
import System
import TestSupport
import Testing

@Suite struct SettingsTests {
  private let temporary = TemporaryFolder()

  /// Loads a file of this content, with these variables.
  private func load(
    _ text: String?, _ variables: [String: String] = [:], permissions: UInt32 = 0o600
  ) throws(SettingsFault) -> Settings {
    var path: String?
    if let text { path = temporary.write("config.json", text, permissions: permissions) }
    let environment = Environment(["HOME": temporary.path].merging(variables) { $1 })
    return try Settings.load(configFlag: path, environment: environment)
  }

  private func fault(_ text: String?, _ variables: [String: String] = [:]) -> SettingsFault? {
    do throws(SettingsFault) {
      _ = try load(text, variables)
      return nil
    } catch {
      return error
    }
  }

  private func text(_ fault: SettingsFault) -> String { "\(fault.what): \(fault.why); \(fault.whatToDo ?? "")" }

  @Test("without file, variable and flag everything is at its default")
  func defaults() throws {
    let settings = try load(nil)
    #expect(settings.redis == .notConfigured)
    #expect(settings.channel == "openclaw-chat")
    #expect(settings.localAgentName == nil)
    #expect(settings.queueBytes == 16 * 1024 * 1024)
    #expect(settings.maxMessageBytes == 256 * 1024)
    #expect(settings.streamMaxLength == 10_000)
    #expect(settings.firstStart == .end)
    #expect(!settings.shareGroup)
    #expect(settings.warnings.isEmpty)
    #expect(settings.file == nil)
    // What the table says is what happens.
    #expect(Setting.of(.channel).defaultText == settings.channel)
    #expect(Setting.of(.streamMaxLength).defaultText == String(settings.streamMaxLength))
    #expect(Setting.of(.firstStart).defaultText == "end")
    #expect(Setting.of(.queueBytes).defaultText == String(settings.queueBytes))
    #expect(Setting.of(.maxMessageBytes).defaultText == String(settings.maxMessageBytes))
    #expect(Setting.of(.shareGroup).defaultText == String(settings.shareGroup))
  }

  @Test("the file of the Python version is read without a warning")
  func python() throws {
    for group in ["\"-1001234567890\"", "-1001234567890"] {
      let settings = try load("{\"redis_url\": \"rediss://default:pw@h:6379\", \"telegram_group_id\": \(group)}")
      #expect(settings.redis == .server(try RedisURL.parse("rediss://default:pw@h:6379")))
      #expect(settings.telegramGroupID == "-1001234567890")
      #expect(settings.warnings.isEmpty)
    }
    for group in ["\"\"", "null"] {
      #expect(try load("{\"redis_url\": \"local\", \"telegram_group_id\": \(group)}").telegramGroupID == nil)
    }
  }

  @Test("every setting is taken from the file")
  func everySetting() throws {
    let settings = try load(
      """
      {"redis_url": "local", "channel": "caf\\u00e9", "local_agent_name": "elon", "queue_bytes": 1048576,
       "max_message_bytes": 1024, "share_group": true, "telegram_group_id": 5, "stream_max_length": 100, "first_start": "all"}
      """)
    #expect(settings.redis == .local)
    #expect(settings.channel == "café")
    #expect(settings.localAgentName == (try AgentName("elon")))
    #expect(settings.queueBytes == 1_048_576)
    #expect(settings.maxMessageBytes == 1024)
    #expect(settings.shareGroup)
    #expect(settings.telegramGroupID == "5")
    #expect(settings.streamMaxLength == 100)
    #expect(settings.firstStart == .all)
  }

  @Test("a flag wins over a variable, a variable over the file; an empty variable is none")
  func order() throws {
    let file = "{\"local_agent_name\": \"file\", \"redis_url\": \"redis://file\"}"
    #expect(try load(file, ["LOCAL_AGENT_NAME": ""]).localAgentName?.text == "file")
    let settings = try load(file, ["LOCAL_AGENT_NAME": "variable", "UPSTASH_REDIS_URL": "redis://variable"])
    #expect(settings.localAgentName?.text == "variable")
    #expect(settings.redis == .server(try RedisURL.parse("redis://variable")))
    let flagged = try Settings.load(
      configFlag: temporary.write("c", file),
      flags: [.localAgentName: "flag", .queueBytes: "4194304", .shareGroup: "true"],
      environment: Environment(["LOCAL_AGENT_NAME": "variable"]))
    #expect(flagged.localAgentName?.text == "flag")
    #expect(flagged.queueBytes == 4_194_304)
    #expect(flagged.shareGroup)
    // What a variable replaces need not be right: old files hold an empty URL.
    #expect(try load("{\"redis_url\": \"\"}", ["UPSTASH_REDIS_URL": "local"]).redis == .local)
  }

  @Test("the file is the one of the flag, else of the variable, else of the home")
  func files() throws {
    func channel(_ name: String) -> String { "{\"channel\": \"\(name)\"}" }
    let flag = temporary.write("flag", channel("flag"))
    let variable = temporary.write("variable", channel("variable"))
    _ = temporary.write(".openclaw-bus-config.json", channel("home"))
    let home = ["HOME": temporary.path]
    let both = home.merging(["OPENCLAW_BUS_CONFIG": variable]) { $1 }
    #expect(try Settings.load(configFlag: flag, environment: Environment(both)).channel == "flag")
    #expect(try Settings.load(configFlag: nil, environment: Environment(both)).channel == "variable")
    #expect(try Settings.load(configFlag: nil, environment: Environment(home)).channel == "home")
    #expect(throws: SettingsFault.notLocated) { try Settings.load(configFlag: nil, environment: Environment([:])) }
    // A link to a file elsewhere is how many people keep their configuration.
    unsafe symlink(flag, temporary.path + "/link")
    let link = temporary.path + "/link"
    #expect(try Settings.load(configFlag: link, environment: Environment(home)).channel == "flag")
  }

  @Test("a file that was named must be there; a link to nowhere counts as named")
  func missing() {
    let nowhere = temporary.path + "/nowhere"
    #expect(fault(nil, ["OPENCLAW_BUS_CONFIG": nowhere]) == .missing(path: nowhere))
    #expect(throws: SettingsFault.missing(path: nowhere)) {
      try Settings.load(configFlag: nowhere, environment: Environment(["HOME": temporary.path]))
    }
    let link = temporary.path + "/.openclaw-bus-config.json"
    unsafe symlink(nowhere, link)
    #expect(fault(nil) == .missing(path: link))
  }

  @Test("a folder, a pipe, a device, a huge file and a path below a file are faults")
  func unreadable() {
    func fault(_ path: String) -> SettingsFault? {
      do throws(SettingsFault) {
        _ = try Settings.load(configFlag: path, environment: Environment(["HOME": "/"]))
        return nil
      } catch {
        return error
      }
    }
    #expect(fault(temporary.path) == .notRegular(path: temporary.path))
    #expect(fault("/dev/null") == .notRegular(path: "/dev/null"))
    let pipe = temporary.path + "/pipe"
    unsafe mkfifo(pipe, 0o600)
    #expect(fault(pipe) == .notRegular(path: pipe))
    let huge = temporary.write("huge", "{}" + String(repeating: " ", count: Limits.settingsFileBytes - 1))
    #expect(fault(huge) == .tooLarge(path: huge))
    let largest = temporary.write("largest", "{}" + String(repeating: " ", count: Limits.settingsFileBytes - 2))
    #expect(fault(largest) == nil)
    let below = huge + "/below"
    #expect(fault(below) == .unreadable(path: below, reason: "Not a directory"))
    let loop = temporary.path + "/loop"
    unsafe symlink(loop, loop)
    #expect(fault(loop) != nil)
  }

  @Test("what is not a JSON object is a fault with line and column")
  func malformed() throws {
    let cases: [(String, Int, Int)] = [
      ("", 1, 1), ("[]", 1, 1), ("{\n  \"channel\" \"x\"\n}", 2, 13), ("{\"channel\": \"x\",,}", 1, 17),
      ("{\n\n \"a\": nul}", 3, 7), ("{} x", 1, 4), ("{\"é🦞\": tru}", 1, 8), ("{\"a\":1", 1, 7),
    ]
    for (content, line, column) in cases {
      guard case .malformed(_, let foundLine, let foundColumn, _) = try #require(fault(content)) else {
        Issue.record("\(content)")
        continue
      }
      #expect(foundLine == line && foundColumn >= column && foundColumn <= column + 3, "\(content): \(foundColumn)")
    }
  }

  @Test("a wrong type or range is a fault that names file, key and what is allowed")
  func invalid() throws {
    let cases: [(String, String)] = [
      ("redis_url", "\"\""), ("redis_url", "null"), ("redis_url", "5"), ("redis_url", "\"localhost\""),
      ("redis_url", "\"Local\""), ("redis_url", "[\"local\"]"), ("channel", "\"\""), ("channel", "null"),
      ("channel", "\"a\\nb\""), ("channel", "\"a\\u0085b\""), ("channel", "\"\(String(repeating: "c", count: 257))\""),
      ("local_agent_name", "\"\""), ("local_agent_name", "\"a\\u0000\""), ("local_agent_name", "7"),
      ("queue_bytes", "16777217"), ("queue_bytes", "32768"), ("queue_bytes", "2147483648"), ("queue_bytes", "0"),
      ("queue_bytes", "-16777216"), ("queue_bytes", "\"16777216\""), ("queue_bytes", "16777216.0"),
      ("queue_bytes", "1e7"), ("queue_bytes", "99999999999999999999"), ("queue_bytes", "-9223372036854775808"),
      ("max_message_bytes", "1023"), ("max_message_bytes", "4194305"), ("max_message_bytes", "true"),
      ("stream_max_length", "99"), ("stream_max_length", "10000001"), ("stream_max_length", "\"1000\""),
      ("first_start", "0"), ("first_start", "-1"), ("first_start", "1000001"), ("first_start", "1.0"),
      ("first_start", "\"\""), ("first_start", "\"End\""), ("first_start", "\"10\""), ("first_start", "true"),
      ("first_start", "null"), ("share_group", "1"), ("share_group", "\"true\""), ("share_group", "null"),
      ("telegram_group_id", "1.5"),
      ("telegram_group_id", "{}"), ("telegram_group_id", "true"),
    ]
    for (key, value) in cases {
      let found = try #require(fault("{\"\(key)\": \(value)}"), "\(key) \(value)")
      guard case .invalid(let named, let source, _) = found else {
        Issue.record("\(key) \(value): \(found)")
        continue
      }
      #expect(named.name == key)
      #expect(source == .file(temporary.path + "/config.json"))
      #expect(text(found).contains("expected"))
    }
    #expect(text(try #require(fault("{\"queue_bytes\": 5}"))).contains("a power of two from 65536 to 1073741824"))
  }

  @Test("first_start is end, all or so many messages back, a number in the file and digits as a flag")
  func firstStart() throws {
    let cases: [(String, FirstStart)] = [
      ("\"end\"", .end), ("\"all\"", .all), ("1", .last(1)), ("1000000", .last(1_000_000)),
    ]
    for (value, expected) in cases {
      #expect(try load("{\"first_start\": \(value)}").firstStart == expected)
    }
    let flagged = try Settings.load(
      configFlag: temporary.write("c", "{}"), flags: [.firstStart: "250", .streamMaxLength: "10000000"],
      environment: Environment([:]))
    #expect(flagged.firstStart == .last(250))
    #expect(flagged.streamMaxLength == 10_000_000)
    let said = text(try #require(fault("{\"first_start\": \"new\"}")))
    #expect(said.contains("expected \"end\", \"all\" or a whole number from 1 to 1000000"))
    #expect(Setting.of(.firstStart).change == .restart && Setting.of(.streamMaxLength).change == .restart)
  }

  @Test("a variable is held to the same, and named")
  func invalidVariable() throws {
    let found = try #require(fault(nil, ["UPSTASH_REDIS_URL": "https://eu1.upstash.io"]))
    #expect(text(found).contains("UPSTASH_REDIS_URL"))
    #expect(text(found).contains("REST"))
    #expect(fault(nil, ["LOCAL_AGENT_NAME": "a\nb"]) != nil)
    let bytes = Environment(bytes: ["LOCAL_AGENT_NAME": [0xFF], "HOME": Array("/nonexistent".utf8)])
    #expect(throws: SettingsFault.invalid(.localAgentName, .environment("LOCAL_AGENT_NAME"), expected: "valid UTF-8")) {
      try Settings.load(configFlag: nil, environment: bytes)
    }
  }

  @Test("the files for TLS are absolute paths or stand below the home; any other path is a fault")
  func filesForTLS() throws {
    let settings = try load(
      """
      {"redis_url": "rediss://h", "redis_ca_file": "/etc/ca.pem", "redis_cert_file": "~/own.pem",
       "redis_key_file": "~/own.key"}
      """)
    #expect(settings.redisCAFile == "/etc/ca.pem")
    #expect(settings.redisCertFile == temporary.path + "/own.pem")
    #expect(settings.redisKeyFile == temporary.path + "/own.key")
    #expect(settings.warnings.isEmpty)
    for path in ["\"ca.pem\"", "\"\"", "\"~ca.pem\"", "\"/ca\\u0000.pem\"", "5", "null"] {
      let found = try #require(fault("{\"redis_url\": \"rediss://h\", \"redis_ca_file\": \(path)}"), "\(path)")
      #expect(text(found).contains("redis_ca_file"))
      #expect(text(found).contains("an absolute path, or one that begins with ~/"))
    }
  }

  @Test("a key without its certificate is a fault; files for TLS without TLS are a warning each")
  func filesWithoutUse() throws {
    let lonely = try #require(fault("{\"redis_url\": \"rediss://h\", \"redis_key_file\": \"/own.key\"}"))
    #expect(
      text(lonely) == "redis_key_file cannot be used: there is no redis_cert_file that it could be the key of; "
        + "set redis_cert_file as well")
    for url in ["redis://h", "unix:///run/redis.sock", "local"] {
      let settings = try load("{\"redis_url\": \"\(url)\", \"redis_ca_file\": \"/a\", \"redis_cert_file\": \"/b\"}")
      #expect(
        settings.warnings == [
          "redis_ca_file has no effect: redis_url does not begin with rediss://",
          "redis_cert_file has no effect: redis_url does not begin with rediss://",
        ])
    }
  }

  @Test("the queue holds at least eight of the largest message; the fault names a size that will do")
  func relation() throws {
    let found = try #require(fault("{\"queue_bytes\": 1048576}"))
    #expect(found == .queueTooSmall(queueBytes: 1 << 20, maxMessageBytes: 256 * 1024, least: 4 << 20))
    #expect(try load("{\"queue_bytes\": 4194304}").queueBytes == 4 << 20)
    #expect(fault("{\"max_message_bytes\": 4194304}") != nil)
    #expect(fault("{\"max_message_bytes\": 4194304, \"queue_bytes\": 67108864}") == nil)
    // 8 * (130736 + 256 + 80) is exactly 1 MiB.
    #expect(fault("{\"max_message_bytes\": 130736, \"queue_bytes\": 1048576}") == nil)
    #expect(fault("{\"max_message_bytes\": 130737, \"queue_bytes\": 1048576}") != nil)
  }

  @Test("an unknown key is a warning with the nearest known one; a key given twice is one too")
  func unknown() throws {
    let settings = try load("{\"redis-url\": \"redis://:hunter2@h\", \"colour\": {\"deep\": [1]}, \"chanel\": 1}")
    #expect(settings.warnings.count == 3)
    #expect(settings.warnings[0].contains("\"redis-url\"; did you mean redis_url?"))
    #expect(settings.warnings[1].hasSuffix("unknown key \"colour\""))
    #expect(settings.warnings[2].contains("did you mean channel?"))
    #expect(!settings.warnings.joined().contains("hunter2"))
    let twice = try load("{\"channel\": \"a\", \"chann\\u0065l\": \"b\"}")
    #expect(twice.channel == "b")
    #expect(twice.warnings.count == 1)
    let long = try load("{\"\(String(repeating: "k", count: 5000))\": 1}")
    #expect(long.warnings[0].utf8.count < 300)
  }

  @Test("a password that every user can read is a warning")
  func exposed() throws {
    let secret = "{\"redis_url\": \"redis://:hunter2@h\"}"
    let warning = try #require(try load(secret, permissions: 0o644).warnings.first)
    #expect(warning.contains("chmod 600"))
    #expect(!warning.contains("hunter2"))
    #expect(try load(secret, permissions: 0o640).warnings.isEmpty)
    #expect(try load("{\"redis_url\": \"redis://h\"}", permissions: 0o644).warnings.isEmpty)
  }

  @Test("no text of a fault, warning or settings value holds the password")
  func secrecy() throws {
    for url in ["redis://u:hunter2", "hunter2", "redis://:hunter2 @h", "https://hunter2@h", "redis://hunter2/x@h"] {
      let found = try #require(fault("{\"redis_url\": \"\(url)\"}"), "\(url)")
      #expect(!text(found).contains("hunter2"))
      #expect(!"\(found)".contains("hunter2"))
    }
    let settings = try load("{\"redis_url\": \"redis://u:hunter2@h\"}")
    var dumped = ""
    dump(settings, to: &dumped)
    #expect(!dumped.contains("hunter2"))
    #expect(!"\(settings)".contains("hunter2"))
  }

  @Test("every cut of a valid file is a fault or a file, never a trap")
  func cuts() {
    let whole = Array("{\"redis_url\": \"redis://:p@h/1\", \"queue_bytes\": 16777216, \"\\u00e9\": [{}, -1.5e3]}".utf8)
    for end in 0...whole.count {
      let found = fault(String(decoding: whole[..<end], as: UTF8.self))
      #expect((found == nil) == (end == whole.count), "\(end)")
    }
  }

  @Test("every setting has a key of its own and an explanation on one line")
  func table() {
    #expect(Set(Setting.all.map(\.name)).count == Setting.Key.allCases.count)
    for setting in Setting.all {
      #expect(!setting.explanation.contains("\n"))
      #expect(setting.explanation.contains(setting.allowed))
    }
    #expect(Setting.of(.redisURL).isSecret)
  }
}
