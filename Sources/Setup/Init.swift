internal import Bytes
internal import JSON
internal import RedisLink
internal import Settings
internal import System
package import Terminal

/// Options of `clawd init`.
package enum InitOption {
  package static let unchecked = Option(flag: "unchecked", help: "store the URL without trying it")
}

/// `clawd init`: takes the Redis URL, tries it, and stores it. Nothing is written before Redis has answered.
package func initialise(_ arguments: Arguments, _ notes: StandardError) throws(Failure) -> ExitCode {
  try Initialisation(arguments, notes).run()
}

private struct Initialisation {
  private let arguments: Arguments
  private let notes: StandardError
  private let configFlag: String?
  private let path: String
  private let isTerminal = StandardStreams.isTerminal(0)
  private let subscriber = OldSubscriber.find(.process)

  private static let attempts = 3

  init(_ arguments: Arguments, _ notes: StandardError) throws(Failure) {
    self.arguments = arguments
    self.notes = notes
    configFlag = try arguments.text(.config)
    do throws(SettingsFault) {
      path = try Settings.path(configFlag: configFlag, environment: .process)
    } catch {
      throw Failure(error)
    }
  }

  func run() throws(Failure) -> ExitCode {
    let file = try content()
    var left = isTerminal ? Self.attempts : 1
    while true {
      left -= 1
      do throws(Failure) {
        let pasted = try ask(file)
        if let changed = pasted.changed { notes.note(changed) }
        // What else is wrong in the file is said before anything is written into it.
        _ = try settings(pasted.text)
        let (url, report) = try tried(pasted.text)
        try store(url, file)
        return try say(url, report)
      } catch {
        // Whoever sits there may try again; everything else ends with the reason.
        guard left > 0, error.exitCode == .badData || error.exitCode == .unavailable else { throw error }
        notes.failure(error)
      }
    }
  }

  // MARK: - Where the URL comes from

  /// A URL that lies about, and where.
  private func found(_ file: [UInt8]) -> (text: String, place: String)? {
    if let text = Environment.process.text("UPSTASH_REDIS_URL") { return (text, "the variable UPSTASH_REDIS_URL") }
    if let url = SettingsEditor.value(of: Setting.Key.redisURL.name, in: file.span) { return (url, path) }
    if let url = subscriber?.url { return (url, subscriber?.path ?? "") }
    return nil
  }

  private func ask(_ file: [UInt8]) throws(Failure) -> PastedURL {
    let found = found(file)
    var given = ""
    if isTerminal {
      let typed = SecretLine.read(0, limit: Limits.secretFileBytes) {
        if let found { notes.note("with nothing pasted, the URL in \(found.place) is taken") }
        notes.note("paste the Redis URL, or the redis-cli line of your provider, and press Enter (it is not shown)")
      }
      guard case .line(let line) = typed else {
        throw Failure(.usage, "nothing was changed", why: "it was cancelled")
      }
      given = line
    } else {
      given = try standardInput()
    }
    let isEmpty = given.unicodeScalars.allSatisfy { $0.value <= 0x20 }
    if isEmpty, let found { notes.note("the Redis URL is taken from \(found.place)") }
    do throws(PastedURLFault) {
      return try PastedURL(isEmpty ? found?.text ?? "" : given)
    } catch {
      let place = isEmpty && found != nil ? "the URL in \(found?.place ?? "")" : "the Redis URL"
      throw Failure(.badData, "\(place) cannot be used", why: error.why, whatToDo: error.whatToDo)
    }
  }

  private func standardInput() throws(Failure) -> String {
    var input = ByteBuffer(capacity: 1024)
    let isWhole: Bool
    do throws(SystemError) {
      isWhole = try FileDescriptor(duplicating: 0).readWhole(limit: Limits.secretFileBytes, into: &input)
    } catch {
      throw Failure("cannot read standard input", error)
    }
    guard isWhole else {
      throw Failure(.badData, "the Redis URL cannot be used", why: "there is too much on standard input")
    }
    return String(repairing: input.readable)
  }

  // MARK: - Trying it

  /// The URL that works, and what Redis said; nothing for the local bus, and where it is not to be tried.
  private func tried(_ text: String) throws(Failure) -> (url: String, findings: RedisFindings?) {
    guard text != "local", !arguments.has(InitOption.unchecked) else { return (text, nil) }
    notes.note("trying it ...")
    let first = try check(text)
    guard let failure = first?.failure else { return (text, first) }
    if failure.mayWantTLS, text.hasPrefix("redis://") {
      let encrypted = "rediss://" + text.dropFirst("redis://".utf8.count)
      let second = try check(encrypted)
      if second?.failure == nil {
        notes.note("stored as rediss://: this server speaks TLS")
        return (encrypted, second)
      }
    }
    throw Failure(
      .unavailable, "nothing was stored", why: failure.description,
      whatToDo: "--\(InitOption.unchecked.name) stores it all the same")
  }

  private func check(_ text: String) throws(Failure) -> RedisFindings? {
    let settings = try settings(text)
    let names = BusNames(channel: settings.channel)
    return try RedisCheck.run(settings, commands: [["PING"], ["XLEN", names.stream]])
  }

  /// What will be in force with `text` as the URL.
  private func settings(_ text: String) throws(Failure) -> Settings {
    let isThere = (try? FileDescriptor(opening: path, [.readOnly, .nonBlocking])) != nil
    do throws(SettingsFault) {
      // A file that was named and is yet to be written is no fault here.
      return try Settings.load(
        configFlag: isThere ? configFlag : nil, flags: [.redisURL: text],
        environment: isThere ? .process : Environment(["HOME": "/nonexistent"]))
    } catch {
      throw Failure(error)
    }
  }

  // MARK: - Storing it

  /// What stands in the file now; empty where there is none.
  private func content() throws(Failure) -> [UInt8] {
    var content = ByteBuffer(capacity: 1024)
    let isRegular: Bool
    do throws(SystemError) {
      let file = try FileDescriptor(opening: path, [.readOnly, .nonBlocking])
      isRegular = try file.status().isRegular
      if isRegular { _ = try file.readWhole(limit: Limits.settingsFileBytes, into: &content) }
    } catch {
      guard error.isMissing else { throw Failure("cannot read the configuration", error) }
      return []
    }
    guard isRegular else { throw Failure(SettingsFault.notRegular(path: path)) }
    guard content.count <= Limits.settingsFileBytes else { throw Failure(SettingsFault.tooLarge(path: path)) }
    return Array(copying: content.readable)
  }

  private func store(_ url: String, _ file: [UInt8]) throws(Failure) {
    let edited: (text: [UInt8], keepsText: Bool)
    do throws(JSONFault) {
      edited = try SettingsEditor.setting(Setting.Key.redisURL.name, to: url, in: file.span)
    } catch {
      throw Failure(SettingsFault(error, in: file.span, path: path))
    }
    do throws(SystemError) {
      try WholeFile.replace(path, with: edited.text, keeping: edited.keepsText ? nil : ".before-init")
    } catch {
      throw Failure("cannot write the configuration", error)
    }
    if !edited.keepsText { notes.note("\(path) lost its comments; the old one is kept as \(path).before-init") }
  }

  // MARK: - What it says at the end

  private func say(_ url: String, _ findings: RedisFindings?) throws(Failure) -> ExitCode {
    let settings = try settings(url)
    var output = StandardOutput()
    output.buffer.append(utf8: "stored in \(path): \(settings.shown(.redisURL) ?? "local")\n")
    if let findings { output.buffer.append(utf8: RedisLine.text(findings) + "\n") }
    output.buffer.append(utf8: "next: clawd run\n")
    try output.write()
    for warning in settings.warnings { notes.warning(warning) }
    if let variable = Environment.process.text("UPSTASH_REDIS_URL"), variable != url {
      notes.warning("the variable UPSTASH_REDIS_URL is set to another URL and wins in this shell; unset it")
    }
    if let subscriber {
      notes.warning("the Python subscriber is still installed (\(subscriber.path)); stop it: \(subscriber.mend)")
    }
    if let state = try? arguments.openStateFolder(settings), (try? state.daemonPresence()) == .running {
      notes.warning("clawd is running with what it read before: restart it")
    }
    return .success
  }
}
