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
  /// With TLS: what is trusted instead of the system's store, our own certificate, and its key (nil: it stands in the
  /// certificate's file). Absolute paths; no key without a certificate.
  package var redisCAFile: String?
  package var redisCertFile: String?
  package var redisKeyFile: String?
  /// The Redis channel, `Limits.channelNameBytes` bytes without control characters.
  package var channel = Setting.defaultChannel
  /// How many messages the stream in Redis keeps, about: within `Limits.streamLengthRange`.
  package var streamMaxLength = Limits.defaultStreamLength
  /// What a queue without a position in the stream begins with.
  package var firstStart = FirstStart.end
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
  /// An absolute path; nil: the token is OpenClaw's.
  package var telegramBotTokenFile: String?
  /// The account's name in OpenClaw's configuration; nil: its default one.
  package var telegramAccount: String?
  /// Without a slash at its end; nil: OpenClaw's, else `Setting.defaultAPIRoot`.
  package var telegramAPIRoot: String?
  package var language = Language.auto
  /// The JSON of an object, which `Wake` reads; nil: nobody is woken.
  package var wake: [UInt8]?

  /// Where each value comes from; nil for one that is its default.
  private var sources: Setting.Key.Table<SettingSource?> = .init(repeating: nil)
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
    let home = environment.text("HOME")
    // By number: an array of keys would have the runtime make its type at every start.
    var number = 0
    while let key = Setting.Key(rawValue: number) {
      let setting = Setting.of(key)
      if let (value, source) = try find(setting, flags, environment, file) {
        try settings.take(value, for: setting, from: source, home: home)
        settings.sources[number] = source
        // The Python version wrote a group into every file.
        if setting.change == .never, key != .telegramGroupID {
          settings.warnings.append("\(setting.name) \(source) has no effect in this version")
        }
      }
      number += 1
    }
    try settings.checkRelations()
    settings.warnOfIdleFiles()
    return settings
  }

  /// The value given for a setting that wins over the others; nil where none is given.
  private static func find(
    _ setting: Setting, _ flags: [Setting.Key: String], _ environment: Environment, _ file: borrowing SettingsFile
  ) throws(SettingsFault) -> (GivenValue, SettingSource)? {
    if let text = flags[setting.key] { return (.typed(text), .flag) }
    if let name = setting.environment, let bytes = environment.bytes(name) {
      guard UnicodeText.firstInvalid(bytes.span) == nil else {
        throw .invalid(setting.key, .environment(name), expected: "valid UTF-8")
      }
      return (.typed(String(repairing: bytes.span)), .environment(name))
    }
    if let name = setting.credential, let found = try SettingsCredential.find(name, for: setting, environment) {
      return found
    }
    return file.value(setting.key).map { ($0, .file(file.path)) }
  }

  /// Where the value of `key` comes from; nil where it is the default.
  package func source(of key: Setting.Key) -> SettingSource? { sources[key.rawValue] }

  /// Whether a value is not the same in `other`; for what a reload has to say.
  package func differs(from other: Settings, in key: Setting.Key) -> Bool {
    switch key {
    case .redisURL: redis != other.redis
    case .redisCAFile: redisCAFile != other.redisCAFile
    case .redisCertFile: redisCertFile != other.redisCertFile
    case .redisKeyFile: redisKeyFile != other.redisKeyFile
    case .channel: channel != other.channel
    case .streamMaxLength: streamMaxLength != other.streamMaxLength
    case .firstStart: firstStart != other.firstStart
    case .localAgentName: localAgentName?.text != other.localAgentName?.text
    case .queueBytes: queueBytes != other.queueBytes
    case .maxMessageBytes: maxMessageBytes != other.maxMessageBytes
    case .shareGroup: shareGroup != other.shareGroup
    case .telegramGroupID: telegramGroupID != other.telegramGroupID
    case .telegramBotTokenFile: telegramBotTokenFile != other.telegramBotTokenFile
    case .telegramAccount: telegramAccount != other.telegramAccount
    case .telegramAPIRoot: telegramAPIRoot != other.telegramAPIRoot
    case .language: language != other.language
    case .wake: wake != other.wake
    }
  }

  private func checkRelations() throws(SettingsFault) {
    guard redisKeyFile == nil || redisCertFile != nil else { throw .keyWithoutCertificate }
    let least = Limits.leastQueueBytes(forMessageBytes: maxMessageBytes)
    guard queueBytes >= least else {
      throw .queueTooSmall(queueBytes: queueBytes, maxMessageBytes: maxMessageBytes, least: least)
    }
  }

  /// Whoever names a file for TLS means to have TLS.
  private mutating func warnOfIdleFiles() {
    if case .server(let url) = redis, url.tls { return }
    func warn(_ key: Setting.Key, _ path: String?) {
      if path != nil { warnings.append("\(key.name) has no effect: redis_url does not begin with rediss://") }
    }
    warn(.redisCAFile, redisCAFile)
    warn(.redisCertFile, redisCertFile)
    warn(.redisKeyFile, redisKeyFile)
  }
}
