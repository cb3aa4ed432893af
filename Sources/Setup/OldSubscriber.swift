internal import Bytes
package import System

/// The service of the Python version, `openclaw-bus-subscriber.service`, where it is still installed.
package struct OldSubscriber: Equatable, Sendable {
  package static let unit = "openclaw-bus-subscriber.service"

  /// The unit's file.
  package let path: String
  /// Whether it is the user's own and not the system's.
  package let isOfUser: Bool
  /// The Redis URL that it is started with; nil where none stands in it. A secret.
  package let url: String?

  /// What stops it for good.
  package var mend: String {
    isOfUser ? "systemctl --user disable --now \(Self.unit)" : "sudo systemctl disable --now \(Self.unit)"
  }

  /// Looks where systemd looks for units that people write (systemd.unit(5)).
  ///
  /// - Parameter systemFolder: a test gives its own.
  package static func find(_ environment: Environment, systemFolder: String = "/etc/systemd/system") -> OldSubscriber? {
    var folders: [(String, Bool)] = []
    if let home = environment.text("XDG_CONFIG_HOME"), home.hasPrefix("/") {
      folders.append((home + "/systemd/user", true))
    } else if let home = environment.text("HOME"), home.hasPrefix("/") {
      folders.append((home + "/.config/systemd/user", true))
    }
    folders.append((systemFolder, false))
    for (folder, isOfUser) in folders {
      let path = folder + "/" + unit
      guard let text = (try? WholeFile.content(path, limit: Limits.settingsFileBytes)) ?? nil else { continue }
      return OldSubscriber(path: path, isOfUser: isOfUser, url: url(in: String(repairing: text.span)))
    }
    return nil
  }

  /// `Environment=UPSTASH_REDIS_URL=…`, with or without quotation marks, among other assignments or not.
  private static func url(in text: String) -> String? {
    for line in text.split(whereSeparator: \.isNewline) where line.hasPrefix("Environment=") {
      for word in line.dropFirst("Environment=".count).split(separator: " ") {
        let word = word.filter { $0 != "\"" && $0 != "'" }
        if word.hasPrefix("UPSTASH_REDIS_URL=") { return String(word.dropFirst("UPSTASH_REDIS_URL=".count)) }
      }
    }
    return nil
  }
}
