internal import Bytes
internal import Glibc
internal import JSON
internal import System

/// The configuration file: one JSON object. The Python version wrote `redis_url` and `telegram_group_id` into it.
struct SettingsFile: ~Copyable {
  /// Empty where there is no file.
  let path: String
  private let content: ByteBuffer
  /// Where the values stand in it: of a key given more than once, the last.
  private let values: Setting.Key.Table<JSONValue?>
  private(set) var warnings: [String]

  /// The file that the flag names, else `$OPENCLAW_BUS_CONFIG`, else `~/.openclaw-bus-config.json`.
  ///
  /// An empty one, without a path, only where the last does not exist. A file that was named, and one that is there but
  /// cannot be read, is a fault: nobody is to find himself on a local bus because of a slip.
  static func read(configFlag: String?, environment: Environment) throws(SettingsFault) -> SettingsFile {
    let (path, isNamed) = try locate(configFlag: configFlag, environment: environment)
    if let file = try open(path) { return file }
    // A link to nowhere was put there by someone who has a configuration.
    guard !isNamed, !Folder.isSymbolicLink(path) else { throw .missing(path: path) }
    return SettingsFile()
  }

  /// Where the file is, and whether somebody has named it.
  static func locate(
    configFlag: String?, environment: Environment
  ) throws(SettingsFault) -> (path: String, isNamed: Bool) {
    if let named = configFlag ?? environment.text("OPENCLAW_BUS_CONFIG") { return (named, true) }
    guard let home = environment.text("HOME"), home.hasPrefix("/") else { throw .notLocated }
    return (home + "/.openclaw-bus-config.json", false)
  }

  private init() {
    path = ""
    content = ByteBuffer(capacity: 1)
    values = .init(repeating: nil)
    warnings = []
  }

  private static func open(_ path: String) throws(SettingsFault) -> SettingsFile? {
    var content = ByteBuffer(capacity: 1024)
    let status: FileStatus
    do throws(SystemError) {
      // Does not wait where a pipe stands in the file's place.
      let descriptor = try FileDescriptor(opening: path, [.readOnly, .nonBlocking])
      status = try descriptor.status()
      if status.isRegular {
        _ = try descriptor.readWhole(limit: Limits.settingsFileBytes, into: &content)
      }
    } catch {
      if error.code == ENOENT { return nil }
      throw .unreadable(path: path, reason: error.reason)
    }
    guard status.isRegular else { throw .notRegular(path: path) }
    guard content.count <= Limits.settingsFileBytes else { throw .tooLarge(path: path) }
    return try SettingsFile(path, content, mode: status.mode)
  }

  private init(_ path: String, _ content: consuming ByteBuffer, mode: UInt32) throws(SettingsFault) {
    var values: Setting.Key.Table<JSONValue?> = .init(repeating: nil)
    var warnings: [String] = []
    do throws(JSONFault) {
      do throws(JSONFault) {
        // What a program wrote is plain JSON: the quick way for the commands that start often.
        try Self.scan(content.readable, path, &values, &warnings)
      } catch {
        content = try Self.normalized(content.readable)
        values = .init(repeating: nil)
        warnings = []
        try Self.scan(content.readable, path, &values, &warnings)
      }
    } catch {
      throw SettingsFault(error, in: content.readable, path: path)
    }
    self.path = path
    self.content = content
    self.values = values
    self.warnings = warnings
    warnIfExposed(mode: mode)
  }

  /// JSON5 as JSON.
  private static func normalized(_ bytes: borrowing Span<UInt8>) throws(JSONFault) -> ByteBuffer {
    var json = ByteBuffer(capacity: max(bytes.count, 1))
    try JSON5.normalize(bytes, into: &json)
    return json
  }

  private static func scan(
    _ bytes: borrowing Span<UInt8>, _ path: String, _ values: inout Setting.Key.Table<JSONValue?>,
    _ warnings: inout [String]
  ) throws(JSONFault) {
    var members = try JSONObjectScanner(copy bytes)
    while let member = try members.next() {
      let name = JSONString.decode(bytes.extracting(member.name))
      guard let key = Setting.Key(name: name) else {
        warnings.append(unknown(name, path))
        continue
      }
      if values[key.rawValue] != nil {
        warnings.append("\(path): \(name) is given more than once; the last counts")
      }
      values[key.rawValue] = member.value
    }
  }

  private static func unknown(_ name: String, _ path: String) -> String {
    let near = Nearest.match(name, among: Setting.all.map(\.name)).map { "; did you mean \($0)?" } ?? ""
    let shown = name.utf8.count > 64 ? name.prefix(60) + "\u{2026}" : name[...]
    return "\(path): unknown key \"\(shown)\"\(near)"
  }

  /// What it says of `key`; nil where it does not name it.
  func value(_ key: Setting.Key) -> GivenValue? {
    values[key.rawValue].map { GivenValue($0, in: content.readable) }
  }

  private mutating func warnIfExposed(mode: UInt32) {
    guard mode & 0o004 != 0, case .text(let text)? = value(.redisURL) else { return }
    let url: RedisURL
    do { url = try RedisURL.parse(text) } catch { return }
    if url.password != nil {
      warnings.append("\(path): every user of this machine can read the Redis password; chmod 600 \(path)")
    }
  }
}

extension GivenValue {
  fileprivate init(_ value: JSONValue, in bytes: borrowing Span<UInt8>) {
    let content = bytes.extracting(value.content)
    self =
      switch value.kind {
      case .string: .text(JSONString.decode(content))
      case .number: JSONNumber.int64(content).map { .integer($0) } ?? .other
      case .true: .boolean(true)
      case .false: .boolean(false)
      case .null: .null
      case .object: .object(Array(copying: content))
      case .array: .other
      }
  }
}
