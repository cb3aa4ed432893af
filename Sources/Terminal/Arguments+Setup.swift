package import Message
package import Settings
internal import System

extension Arguments {
  /// The settings that `--config`, the environment and the file give; their warnings go to `notes`.
  ///
  /// - Parameter flags: values given on the command line, which win.
  /// - Throws: `configuration`, or `usage` for a `--config` that is no path.
  package func loadSettings(
    _ notes: StandardError, flags: [Setting.Key: String] = [:]
  ) throws(Failure) -> Settings {
    let file = try text(.config)
    let settings: Settings
    do throws(SettingsFault) {
      settings = try Settings.load(configFlag: file, flags: flags, environment: .process)
    } catch {
      throw Failure(error)
    }
    for warning in settings.warnings { notes.warning(warning) }
    return settings
  }

  /// The state folder that `--state-dir` or the environment names, opened and checked. From here on files are made with
  /// the permissions that belong into it.
  ///
  /// - Parameter create: make it where it is missing.
  /// - Throws: `noQueue`, `permission`, `inputOutput`, `configuration`, or `usage` for a `--state-dir` that is no path.
  package func openStateFolder(_ settings: Settings, create: Bool = false) throws(Failure) -> StateFolder {
    let flag = try text(.stateDir)
    setCreationMask(StateFolder.creationMask(shareGroup: settings.shareGroup))
    do throws(StateFolderError) {
      let path = try StateFolder.locate(flag: flag, environment: .process)
      return try StateFolder(path: path, create: create, shareGroup: settings.shareGroup)
    } catch {
      throw Failure(error)
    }
  }

  /// The option's value as an agent's name; nil where the option was not given.
  ///
  /// - Throws: `usage` where it is none.
  package func agentName(_ option: Option) throws(Failure) -> AgentName? {
    guard let text = try text(option) else { return nil }
    do { return try AgentName(text) } catch {
      throw Failure(.usage, "the value of --\(option.name) cannot be a name", why: error.description)
    }
  }

  /// The operand as an agent's name.
  ///
  /// - Parameter name: what the help calls it.
  /// - Throws: `badData` where it is none.
  package func agentName(ofOperand index: Int, called name: String) throws(Failure) -> AgentName {
    let text = try text(ofOperand: index, called: name)
    do { return try AgentName(text) } catch {
      throw Failure(.badData, "\(name) cannot be used", why: error.description)
    }
  }
}
