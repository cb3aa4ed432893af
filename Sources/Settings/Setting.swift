internal import Bytes

/// One thing that can be configured. `Setting.all` is the table that the checks, the help and the manual are made from.
package struct Setting: Sendable {
  package enum Key: Int, CaseIterable, Sendable {
    case redisURL
    case redisCAFile
    case redisCertFile
    case redisKeyFile
    case channel
    case streamMaxLength
    case firstStart
    case localAgentName
    case queueBytes
    case maxMessageBytes
    case shareGroup
    case telegramGroupID
    case telegramBotTokenFile
    case telegramAccount
    case telegramAPIRoot
    case language
    case wake

    /// The member's name in the configuration file.
    package var name: String {
      switch self {
      case .redisURL: "redis_url"
      case .redisCAFile: "redis_ca_file"
      case .redisCertFile: "redis_cert_file"
      case .redisKeyFile: "redis_key_file"
      case .channel: "channel"
      case .streamMaxLength: "stream_max_length"
      case .firstStart: "first_start"
      case .localAgentName: "local_agent_name"
      case .queueBytes: "queue_bytes"
      case .maxMessageBytes: "max_message_bytes"
      case .shareGroup: "share_group"
      case .telegramGroupID: "telegram_group_id"
      case .telegramBotTokenFile: "telegram_bot_token_file"
      case .telegramAccount: "telegram_account"
      case .telegramAPIRoot: "telegram_api_root"
      case .language: "language"
      case .wake: "wake"
      }
    }

    /// The key of that name; nil where none has it.
    package init?(name: String) {
      var index = 0
      while let key = Key(rawValue: index) {
        if key.name == name {
          self = key
          return
        }
        index += 1
      }
      return nil
    }

    /// Something for each key, at its number.
    typealias Table<Value> = InlineArray<17, Value>
  }

  package enum Kind: Sendable {
    case redisURL
    /// A length in bytes of UTF-8; no control characters.
    case text(bytes: ClosedRange<Int>)
    case agentName
    case integer(ClosedRange<Int>)
    case powerOfTwo(ClosedRange<Int>)
    case boolean
    /// `"end"`, `"all"` or so many messages back.
    case firstStart(ClosedRange<Int>)
    /// An absolute path; `~/` stands for the home folder.
    case path
    /// The Python version wrote either; empty and null count as not given.
    case textOrInteger
    /// `http://` or `https://`, host and port, perhaps a path.
    case url
    case language
    /// An object, which its reader checks.
    case object
  }

  /// When a changed value takes effect.
  package enum Change: String, Sendable {
    /// When clawd is started again; a running one says so when it reads the file anew.
    case restart
    /// At once: each clawq reads it when it starts.
    case nextCommand = "read by each clawq"
    /// Never: nothing uses it yet. Whoever sets it is told.
    case never = "no effect in this version"
  }

  package let key: Key
  /// The variable that wins over the file.
  package let environment: String?
  /// What systemd may hand over instead, by the name of a file in `$CREDENTIALS_DIRECTORY` (systemd.exec(5),
  /// LoadCredential=). It wins over the file, and the variable over it.
  package var credential: String? {
    switch key {
    case .redisURL: "redis_url"
    case .telegramBotTokenFile: "telegram_bot_token"
    default: nil
    }
  }
  package let kind: Kind
  /// Whether the value is never shown.
  package let isSecret: Bool
  package let change: Change
  /// One line, without a full stop.
  package let help: String

  package var name: String { key.name }

  /// As it would be written; nil where there is none.
  package var defaultText: String? {
    switch key {
    case .channel: Self.defaultChannel
    case .streamMaxLength: String(Limits.defaultStreamLength)
    case .firstStart: FirstStart.end.text
    case .queueBytes: String(Limits.defaultQueueBytes)
    case .maxMessageBytes: String(Limits.defaultMessageBytes)
    case .shareGroup: "false"
    case .telegramAPIRoot: Self.defaultAPIRoot
    case .language: Language.auto.rawValue
    case .redisURL, .redisCAFile, .redisCertFile, .redisKeyFile, .localAgentName, .telegramGroupID,
      .telegramBotTokenFile, .telegramAccount, .wake:
      nil
    }
  }

  /// What a value must be, to follow "expected".
  package var allowed: String {
    switch kind {
    case .redisURL: "a URL that begins with redis://, rediss:// or unix://, or \"local\""
    case .text(let bytes): "a string of \(bytes.lowerBound) to \(bytes.upperBound) bytes without control characters"
    case .agentName:
      "a name of \(Limits.agentNameBytes.lowerBound) to \(Limits.agentNameBytes.upperBound) bytes without control characters"
    case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .powerOfTwo(let range): "a power of two from \(range.lowerBound) to \(range.upperBound)"
    case .boolean: "true or false"
    case .firstStart(let range):
      "\"end\", \"all\" or a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .path: "an absolute path, or one that begins with ~/"
    case .textOrInteger: "a string or a whole number"
    case .url: "a URL that begins with https:// or http://, without user, query and fragment"
    case .language: "\"auto\", \"en\" or \"zh\""
    case .object: "an object"
    }
  }

  /// All that the help says of it.
  package var explanation: String {
    var text = "\(help): \(allowed)"
    if let defaultText { text += "; default \(defaultText)" }
    if let environment { text += "; $\(environment) wins" }
    return text + " (\(change.rawValue))"
  }

  package static func of(_ key: Key) -> Setting {
    switch key {
    case .redisURL:
      Setting(
        key: key, environment: "UPSTASH_REDIS_URL", kind: .redisURL, isSecret: true,
        change: .restart, help: "the Redis server, or none")
    case .redisCAFile:
      Setting(
        key: key, environment: nil, kind: .path, isSecret: false, change: .restart,
        help: "with rediss://, the certificates (PEM) of the only authorities trusted, not the system's")
    case .redisCertFile:
      Setting(
        key: key, environment: nil, kind: .path, isSecret: false, change: .restart,
        help: "with rediss://, our own certificate (PEM), where the server wants one")
    case .redisKeyFile:
      Setting(
        key: key, environment: nil, kind: .path, isSecret: false, change: .restart,
        help: "the private key (PEM) of redis_cert_file, where it does not stand in the same file")
    case .channel:
      Setting(
        key: key, environment: nil, kind: .text(bytes: Limits.channelNameBytes), isSecret: false, change: .restart,
        help: "the Redis channel")
    case .streamMaxLength:
      Setting(
        key: key, environment: nil, kind: .integer(Limits.streamLengthRange), isSecret: false, change: .restart,
        help: "about how many messages Redis keeps for daemons that are away")
    case .firstStart:
      Setting(
        key: key, environment: nil, kind: .firstStart(Limits.firstStartMessages), isSecret: false, change: .restart,
        help: "what a queue that is new to a Redis takes of the messages kept there: none, all, or the last ones")
    case .localAgentName:
      Setting(
        key: key, environment: "LOCAL_AGENT_NAME", kind: .agentName, isSecret: false,
        change: .nextCommand, help: "the agent that clawq reads for")
    case .queueBytes:
      Setting(
        key: key, environment: nil, kind: .powerOfTwo(Limits.queueBytesRange), isSecret: false, change: .restart,
        help: "the size of the queue file")
    case .maxMessageBytes:
      Setting(
        key: key, environment: nil, kind: .integer(Limits.messageBytesRange), isSecret: false, change: .restart,
        help: "the largest message sent")
    case .shareGroup:
      Setting(
        key: key, environment: nil, kind: .boolean, isSecret: false, change: .restart,
        help: "whether the folder's group takes part")
    case .telegramGroupID:
      Setting(
        key: key, environment: "TELEGRAM_GROUP_ID", kind: .textOrInteger, isSecret: false, change: .never,
        help: "the Telegram group, else the only one in OpenClaw's configuration")
    case .telegramBotTokenFile:
      Setting(
        key: key, environment: nil, kind: .path, isSecret: false, change: .never,
        help: "a file with the bot's token and nothing else, instead of the one in OpenClaw's configuration")
    case .telegramAccount:
      Setting(
        key: key, environment: nil, kind: .text(bytes: Limits.channelNameBytes), isSecret: false, change: .never,
        help: "which Telegram account of OpenClaw's configuration to use, instead of its default one")
    case .telegramAPIRoot:
      Setting(
        key: key, environment: nil, kind: .url, isSecret: false, change: .never,
        help: "where the Bot API answers")
    case .language:
      Setting(
        key: key, environment: nil, kind: .language, isSecret: false, change: .never,
        help: "what notices in Telegram are written in; auto goes by the locale")
    case .wake:
      Setting(
        key: key, environment: nil, kind: .object, isSecret: false, change: .never,
        help: "which agents are woken when messages for them come, and how")
    }
  }

  /// The table.
  package static let all = Key.allCases.map(of)

  package static let defaultChannel = "openclaw-chat"
  package static let defaultAPIRoot = "https://api.telegram.org"
}

/// Where a value comes from, each winning over those before it.
package enum SettingSource: Equatable, Sendable, CustomStringConvertible {
  case file(String)
  /// A file that systemd handed over; its path.
  case credential(String)
  case environment(String)
  case flag

  /// To follow the setting's name.
  package var description: String {
    switch self {
    case .file(let path): "in \(path)"
    case .credential(let path): "in the credential \(path)"
    case .environment(let name): "in the variable \(name)"
    case .flag: "on the command line"
    }
  }
}
