import Bytes
import Settings
import System
import TestSupport
import Testing

/// Where values come from, and the ways they may be written.
@Suite struct SettingSourceTests {
  private let temporary = TemporaryFolder()

  private func load(
    _ text: String, _ variables: [String: String] = [:], flags: [Setting.Key: String] = [:]
  ) throws(SettingsFault) -> Settings {
    let path = temporary.write("config.json", text)
    let environment = Environment(["HOME": temporary.path].merging(variables) { $1 })
    return try Settings.load(configFlag: path, flags: flags, environment: environment)
  }

  private func fault(_ text: String, _ variables: [String: String] = [:]) -> SettingsFault? {
    do throws(SettingsFault) {
      _ = try load(text, variables)
      return nil
    } catch {
      return error
    }
  }

  @Test("a file with comments, single quotes, bare names and trailing commas is read as JSON5")
  func json5() throws {
    let settings = try load(
      """
      // the bus
      {
        redis_url: 'rediss://:pw@h', /* ours */
        channel: "it's",
        queue_bytes: 0x2000000,
        stream_max_length: +500,
      }
      """)
    #expect(settings.redis == .server(try RedisURL.parse("rediss://:pw@h")))
    #expect(settings.channel == "it's")
    #expect(settings.queueBytes == 33_554_432)
    #expect(settings.streamMaxLength == 500)
    #expect(settings.warnings.isEmpty)
  }

  @Test("a fault in JSON5 is told with the line and column where the file has it")
  func json5Place() throws {
    guard case .malformed(_, let line, let column, let reason) = try #require(fault("// one\n{ channel: 'x', /* \n }"))
    else {
      Issue.record("another fault")
      return
    }
    #expect(line == 2)
    #expect(column == 17)
    #expect(reason == "a comment is not closed")
  }

  @Test("each value knows where it comes from: flag, variable, credential, file, in this order")
  func sources() throws {
    let content = "{\"redis_url\": \"redis://file\", \"channel\": \"file\"}"
    let path = temporary.path + "/config.json"
    #expect(try load(content).source(of: .redisURL) == .file(path))
    #expect(try load(content).source(of: .queueBytes) == nil)
    _ = temporary.write("redis_url", " rediss://:pw@credential\n")
    let handed = ["CREDENTIALS_DIRECTORY": temporary.path]
    let byCredential = try load(content, handed)
    #expect(byCredential.source(of: .redisURL) == .credential(temporary.path + "/redis_url"))
    #expect(byCredential.redis == .server(try RedisURL.parse("rediss://:pw@credential")))
    let byVariable = try load(content, handed.merging(["UPSTASH_REDIS_URL": "redis://variable"]) { $1 })
    #expect(byVariable.source(of: .redisURL) == .environment("UPSTASH_REDIS_URL"))
    #expect(try load(content, flags: [.channel: "typed"]).source(of: .channel) == .flag)
  }

  @Test("a credential for the token is the path of the file that systemd made")
  func tokenCredential() throws {
    let path = temporary.write("telegram_bot_token", "123:abc")
    let settings = try load("{\"telegram_bot_token_file\": \"/elsewhere\"}", ["CREDENTIALS_DIRECTORY": temporary.path])
    #expect(settings.telegramBotTokenFile == path)
    #expect(try load("{\"telegram_bot_token_file\": \"/elsewhere\"}").telegramBotTokenFile == "/elsewhere")
  }

  @Test("a credential that is too large, or no URL, is a fault that does not repeat it")
  func badCredential() throws {
    _ = temporary.write("redis_url", "sesame")
    let wrong = try #require(fault("{}", ["CREDENTIALS_DIRECTORY": temporary.path]))
    #expect(wrong.what.contains("credential \(temporary.path)/redis_url"))
    #expect(!(wrong.what + wrong.why + (wrong.whatToDo ?? "")).contains("sesame"))
    _ = temporary.write("redis_url", String(repeating: "x", count: Limits.secretFileBytes + 1))
    #expect(fault("{}", ["CREDENTIALS_DIRECTORY": temporary.path]) == .tooLarge(path: temporary.path + "/redis_url"))
  }

  @Test("Telegram's settings are taken as they are allowed, and refused otherwise")
  func telegram() throws {
    let settings = try load(
      """
      {"telegram_api_root": "http://localhost:8081/", "telegram_account": "work", "language": "zh",
       "telegram_bot_token_file": "~/token"}
      """)
    #expect(settings.telegramAPIRoot == "http://localhost:8081")
    #expect(settings.telegramAccount == "work")
    #expect(settings.language == .chinese)
    #expect(settings.telegramBotTokenFile == temporary.path + "/token")
    #expect(settings.warnings.count == 4)
    #expect(settings.warnings.allSatisfy { $0.hasSuffix("has no effect in this version") })
    let refused = [
      ("telegram_api_root", "\"ftp://h\""), ("telegram_api_root", "\"https://\""),
      ("telegram_api_root", "\"https://user@h\""), ("telegram_api_root", "\"https://h/a b\""),
      ("telegram_api_root", "\"https://h/?q\""), ("telegram_account", "\"\""), ("language", "\"fr\""),
      ("language", "1"), ("telegram_bot_token_file", "\"token\""), ("wake", "[]"), ("wake", "true"),
    ]
    for (name, value) in refused {
      guard case .invalid(let key, _, _)? = fault("{\"\(name)\": \(value)}") else {
        Issue.record("\(name) \(value) was taken")
        continue
      }
      #expect(key.name == name)
    }
  }

  @Test("whom to wake is kept as it stands for the one who reads it")
  func wake() throws {
    let settings = try load("{wake: {elon: {command: ['a', 'b']}}}")
    let json = try #require(settings.wake)
    #expect(String(repairing: json.span) == "{\"elon\":{\"command\":[\"a\",\"b\"]}}")
    #expect(try load("{\"wake\": null}").wake == nil)
  }
}
