internal import Bytes
internal import JSON
internal import RedisLink
internal import Settings
internal import System
package import Terminal

/// Options of `clawd config`.
package enum ConfigOption {
  package static let json = Option(flag: "json", help: "print one JSON object")
}

/// `clawd config`: every effective setting, where it comes from, and how Redis is at this moment.
package func showConfiguration(_ arguments: Arguments, _ notes: StandardError) throws(Failure) -> ExitCode {
  let settings = try arguments.loadSettings(notes)
  let flag = try arguments.text(.stateDir)
  let stateFolder: String
  do throws(StateFolderError) {
    stateFolder = try StateFolder.locate(flag: flag, environment: .process)
  } catch {
    throw Failure(error)
  }
  var output = StandardOutput()
  guard arguments.has(ConfigOption.json) else {
    writeRows(settings, stateFolder, to: &output.buffer)
    // At once: Redis may take its time.
    try output.write()
    output.buffer.append(utf8: try live(settings) + "\n")
    try output.write()
    return .success
  }
  try writeJSON(settings, stateFolder, to: &output.buffer)
  try output.write()
  return .success
}

private func ask(_ settings: Settings) throws(Failure) -> RedisFindings? {
  try RedisCheck.run(settings, commands: [["PING"], ["XLEN", BusNames(channel: settings.channel).stream]])
}

private func live(_ settings: Settings) throws(Failure) -> String {
  guard let findings = try ask(settings) else { return "Redis: not used, the bus is this machine's alone" }
  return DisplayText.harmless(RedisLine.text(findings))
}

private func writeRows(_ settings: Settings, _ stateFolder: String, to buffer: inout ByteBuffer) {
  let style = Style.of(1)
  let width = Setting.all.map(\.name.utf8.count).max() ?? 0
  func row(_ name: String, _ value: String?, _ source: String) {
    style.paint(.dim, &buffer) { $0.append(utf8: name) }
    buffer.append(utf8: String(repeating: " ", count: max(1, width + 2 - name.utf8.count)))
    buffer.append(utf8: DisplayText.harmless("\(value ?? "-")  (\(source))"))
    buffer.append("\n")
  }
  row("file", settings.file, settings.file == nil ? "there is none" : "read")
  row("state folder", stateFolder, "queue, outbox and read marks")
  for setting in Setting.all {
    row(setting.name, settings.shown(setting.key), settings.source(of: setting.key)?.description ?? "default")
  }
}

private func writeJSON(_ settings: Settings, _ stateFolder: String, to buffer: inout ByteBuffer) throws(Failure) {
  var json = JSONWriter()
  func text(_ name: StaticString, _ value: String?) {
    json.name(name, &buffer)
    if let value { json.value(value, &buffer) } else { json.null(&buffer) }
  }
  json.beginObject(&buffer)
  text("file", settings.file)
  text("state_dir", stateFolder)
  json.name("settings", &buffer)
  json.beginArray(&buffer)
  for setting in Setting.all {
    json.beginObject(&buffer)
    text("name", setting.name)
    text("value", settings.shown(setting.key))
    text("source", settings.source(of: setting.key)?.kind ?? "default")
    text("place", settings.source(of: setting.key)?.place)
    json.endObject(&buffer)
  }
  json.endArray(&buffer)
  json.name("redis", &buffer)
  json.beginObject(&buffer)
  if let findings = try ask(settings) {
    text("state", findings.failure == nil ? "ready" : "failed")
    text("error", findings.failure?.description)
    json.name("round_trip_ms", &buffer)
    if let time = findings.roundTrip {
      json.value(time / 1_000_000, &buffer)
    } else {
      json.null(&buffer)
    }
  } else {
    text("state", "off")
  }
  json.endObject(&buffer)
  json.endObject(&buffer)
  buffer.append("\n")
}

extension SettingSource {
  fileprivate var kind: String {
    switch self {
    case .file: "file"
    case .credential: "credential"
    case .environment: "environment"
    case .flag: "flag"
    }
  }

  fileprivate var place: String? {
    switch self {
    case .file(let path), .credential(let path): path
    case .environment(let name): name
    case .flag: nil
    }
  }
}
