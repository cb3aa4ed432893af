internal import Bytes
package import Message
package import System

/// What the programs are configured to do: `Settings()` is the default, `load` asks flags, environment and file.
package struct Settings: Sendable {
  /// Where the messages go.
  package enum Redis: Equatable, Sendable {
    /// Nothing was said: a queue that never knew Redis works alone, one that did refuses to start.
    case notConfigured
    /// `"local"`: alone on this machine, and meant so.
    case local
    case server(RedisURL)
  }

  /// Where the messages go; `notConfigured` unless something was said.
  package var redis = Redis.notConfigured
  /// The Redis channel, `Limits.channelNameBytes` bytes without control characters.
  package var channel = Setting.defaultChannel
  /// The agent that clawq reads for; nil: the default consumer, unfiltered.
  package var localAgentName: AgentName?
  /// The capacity of the queue file in bytes: a power of two within `Limits.queueBytesRange`.
  package var queueBytes = Limits.defaultQueueBytes
  /// The largest encoded object that a sender may give, in bytes, within `Limits.messageBytesRange`.
  package var maxMessageBytes = Limits.defaultMessageBytes
  /// Whether the members of the state folder's group take part.
  package var shareGroup = false
  /// As it was given, a number written out; nil also where it was empty or null.
  package var telegramGroupID: String?

  /// The configuration file that was read; nil where there is none.
  package var file: String?
  /// What a person should know, a line each; nothing in them is secret.
  package var warnings: [String] = []

  /// Everything at its default.
  package init() {}

  /// Asks flags, environment and file, in this order.
  ///
  /// - Parameters:
  ///   - configFlag: the value of `--config`.
  ///   - flags: values given on the command line, as text.
  /// - Throws: where the file cannot be read or is not JSON, where a value is not what its setting allows, and where
  ///   two do not fit each other. No fault repeats a secret.
  package static func load(
    configFlag: String?, flags: [Setting.Key: String] = [:], environment: Environment
  ) throws(SettingsFault) -> Settings {
    var settings = Settings()
    let file = try SettingsFile.read(configFlag: configFlag, environment: environment)
    settings.file = file.path.isEmpty ? nil : file.path
    settings.warnings = file.warnings
    // By number: an array of keys would have the runtime make its type at every start.
    var number = 0
    while let key = Setting.Key(rawValue: number) {
      let setting = Setting.of(key)
      if let text = flags[key] {
        try settings.take(.typed(text), for: setting, from: .flag)
      } else if let name = setting.environment, let bytes = environment.bytes(name) {
        guard UnicodeText.firstInvalid(bytes.span) == nil else {
          throw .invalid(key, .environment(name), expected: "valid UTF-8")
        }
        try settings.take(.typed(String(repairing: bytes.span)), for: setting, from: .environment(name))
      } else if let value = file.value(key) {
        try settings.take(value, for: setting, from: .file(file.path))
      }
      number += 1
    }
    try settings.checkRelations()
    return settings
  }

  /// Whether a value is not the same in `other`; for what a reload has to say.
  package func differs(from other: Settings, in key: Setting.Key) -> Bool {
    switch key {
    case .redisURL: redis != other.redis
    case .channel: channel != other.channel
    case .localAgentName: localAgentName?.text != other.localAgentName?.text
    case .queueBytes: queueBytes != other.queueBytes
    case .maxMessageBytes: maxMessageBytes != other.maxMessageBytes
    case .shareGroup: shareGroup != other.shareGroup
    case .telegramGroupID: telegramGroupID != other.telegramGroupID
    }
  }

  private func checkRelations() throws(SettingsFault) {
    let least = Limits.leastQueueBytes(forMessageBytes: maxMessageBytes)
    guard queueBytes >= least else {
      throw .queueTooSmall(queueBytes: queueBytes, maxMessageBytes: maxMessageBytes, least: least)
    }
  }
}
