internal import Bytes
internal import Message
package import System

extension Settings {
  /// The path of the configuration file, whether it exists or not.
  package static func path(configFlag: String?, environment: Environment) throws(SettingsFault) -> String {
    try SettingsFile.locate(configFlag: configFlag, environment: environment).path
  }

  /// The effective value of `key` for a person, `***` for what is secret in it; nil where there is none.
  package func shown(_ key: Setting.Key) -> String? {
    switch key {
    case .redisURL:
      switch redis {
      case .notConfigured: nil
      case .local: "local"
      case .server(let url): url.description
      }
    case .redisCAFile: redisCAFile
    case .redisCertFile: redisCertFile
    case .redisKeyFile: redisKeyFile
    case .channel: channel
    case .streamMaxLength: String(streamMaxLength)
    case .firstStart: firstStart.text
    case .localAgentName: localAgentName?.text
    case .queueBytes: String(queueBytes)
    case .maxMessageBytes: String(maxMessageBytes)
    case .shareGroup: shareGroup ? "true" : "false"
    case .telegramGroupID: telegramGroupID
    case .telegramBotTokenFile: telegramBotTokenFile
    case .telegramAccount: telegramAccount
    case .telegramAPIRoot: telegramAPIRoot
    case .language: language.rawValue
    case .wake: wake.map { String(repairing: $0.span) }
    }
  }
}
