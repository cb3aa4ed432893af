internal import Bytes
internal import Message

/// A value as it was found.
enum GivenValue: Equatable {
  /// From a flag or a variable, where everything is text.
  case typed(String)
  /// The rest are what JSON knows.
  case text(String)
  case integer(Int64)
  case boolean(Bool)
  case null
  /// An object, as JSON.
  case object([UInt8])
  /// A number that is not whole or not in Int64, an array.
  case other
}

extension Settings {
  /// Checks `value` and keeps it.
  ///
  /// - Parameter home: the folder that `~/` stands for; nil where none is known.
  mutating func take(
    _ value: GivenValue, for setting: Setting, from source: SettingSource, home: String?
  ) throws(SettingsFault) {
    var fault: SettingsFault { .invalid(setting.key, source, expected: setting.allowed) }
    switch setting.key {
    case .redisURL:
      redis = try Self.redis(value, source: source, expected: setting.allowed)
    case .redisCAFile, .redisCertFile, .redisKeyFile, .telegramBotTokenFile:
      guard let text = value.asText, let path = Self.path(text, home: home) else { throw fault }
      keep(path, setting.key)
    case .channel:
      guard let text = value.asText, setting.allows(text) else { throw fault }
      channel = text
    case .streamMaxLength:
      guard let number = value.asInteger, setting.allows(number) else { throw fault }
      streamMaxLength = number
    case .firstStart:
      guard let start = value.asFirstStart, setting.allows(start) else { throw fault }
      firstStart = start
    case .localAgentName:
      guard let text = value.asText else { throw fault }
      do { localAgentName = try AgentName(text) } catch { throw fault }
    case .queueBytes:
      guard let number = value.asInteger, setting.allows(number) else { throw fault }
      queueBytes = number
    case .maxMessageBytes:
      guard let number = value.asInteger, setting.allows(number) else { throw fault }
      maxMessageBytes = number
    case .shareGroup:
      guard let truth = value.asBoolean else { throw fault }
      shareGroup = truth
    case .telegramGroupID:
      if value == .null || value == .text("") { return }
      guard let text = value.asText ?? value.asInteger.map(String.init) else { throw fault }
      telegramGroupID = text
    case .telegramAccount:
      guard let text = value.asText, setting.allows(text) else { throw fault }
      telegramAccount = text
    case .telegramAPIRoot:
      guard let text = value.asText, let root = Self.root(text) else { throw fault }
      telegramAPIRoot = root
    case .language:
      guard let chosen = value.asText.flatMap(Language.init(rawValue:)) else { throw fault }
      language = chosen
    case .wake:
      if value == .null { return }
      guard case .object(let json) = value else { throw fault }
      wake = json
    }
  }

  private mutating func keep(_ path: String, _ key: Setting.Key) {
    switch key {
    case .redisCAFile: redisCAFile = path
    case .redisCertFile: redisCertFile = path
    case .redisKeyFile: redisKeyFile = path
    default: telegramBotTokenFile = path
    }
  }

  /// The root of an HTTP service, without a slash at its end; nil where the text is none. The host is whoever dials'.
  private static func root(_ text: String) -> String? {
    guard text.hasPrefix("https://") || text.hasPrefix("http://"), text.utf8.count <= Limits.urlBytes,
      text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"@?#\\".utf8.contains($0) })
    else { return nil }
    var root = text
    while root.utf8.last == UInt8(ascii: "/") { root.removeLast() }
    return root.utf8.count > "https://".utf8.count ? root : nil
  }

  /// An absolute path, from one or from `~/` and the rest; nil where it is neither. Not relative to anything: clawd's
  /// working folder is systemd's choice.
  private static func path(_ text: String, home: String?) -> String? {
    guard !text.unicodeScalars.contains(where: \.isControl) else { return nil }
    if text.hasPrefix("/") { return text }
    guard text.hasPrefix("~/"), let home, home.hasPrefix("/") else { return nil }
    return home + text.dropFirst()
  }

  private static func redis(
    _ value: GivenValue, source: SettingSource, expected: String
  ) throws(SettingsFault) -> Redis {
    // An empty text is a forgotten value, not a wish to work alone.
    guard let text = value.asText, !text.isEmpty else {
      throw .invalid(.redisURL, source, expected: expected)
    }
    if text == "local" { return .local }
    do {
      return .server(try RedisURL.parse(text))
    } catch {
      throw .invalid(.redisURL, source, expected: "\(error.expected) (at byte \(error.offset + 1))")
    }
  }
}

extension Setting {
  fileprivate func allows(_ text: String) -> Bool {
    guard case .text(let bytes) = kind, bytes.contains(text.utf8.count) else { return false }
    return !text.unicodeScalars.contains(where: \.isControl)
  }

  fileprivate func allows(_ number: Int) -> Bool {
    switch kind {
    case .integer(let range): range.contains(number)
    case .powerOfTwo(let range): range.contains(number) && number & (number - 1) == 0
    default: false
    }
  }

  fileprivate func allows(_ start: FirstStart) -> Bool {
    guard case .firstStart(let range) = kind, case .last(let count) = start else { return true }
    return UInt64(range.lowerBound)...UInt64(range.upperBound) ~= count
  }
}

extension GivenValue {
  fileprivate var asText: String? {
    switch self {
    case .typed(let text), .text(let text): text
    default: nil
    }
  }

  fileprivate var asInteger: Int? {
    switch self {
    case .typed(let text): Decimal.signed(Array(text.utf8).span).map { Int($0) }
    case .integer(let number): Int(number)
    default: nil
    }
  }

  fileprivate var asFirstStart: FirstStart? {
    switch asText {
    case "end": .end
    case "all": .all
    default: asInteger.flatMap { UInt64(exactly: $0) }.map { .last($0) }
    }
  }

  fileprivate var asBoolean: Bool? {
    switch self {
    case .boolean(let truth): truth
    case .typed("true"): true
    case .typed("false"): false
    default: nil
    }
  }
}
