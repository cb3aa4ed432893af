internal import Bytes
internal import Glibc
internal import System

/// What systemd hands to a service without letting it stand in its environment or in a file that others can read
/// (systemd.exec(5), "Credentials").
enum SettingsCredential {
  /// The value of the credential `name`; nil where there is none. Of a setting that is a path, the path.
  static func find(
    _ name: String, for setting: Setting, _ environment: Environment
  ) throws(SettingsFault) -> (GivenValue, SettingSource)? {
    guard let folder = environment.text("CREDENTIALS_DIRECTORY"), folder.hasPrefix("/") else { return nil }
    let path = folder + "/" + name
    var content = ByteBuffer(capacity: 256)
    let isWhole: Bool
    do throws(SystemError) {
      let descriptor = try FileDescriptor(opening: path, [.readOnly, .nonBlocking])
      guard setting.key == .redisURL else { return (.typed(path), .credential(path)) }
      isWhole = try descriptor.readWhole(limit: Limits.secretFileBytes, into: &content)
    } catch {
      if error.code == ENOENT { return nil }
      throw .unreadable(path: path, reason: error.reason)
    }
    guard isWhole else { throw .tooLarge(path: path) }
    return (.typed(text(content.readable)), .credential(path))
  }

  /// Without the white space around it: an editor puts a line end behind the last line.
  private static func text(_ bytes: borrowing Span<UInt8>) -> String {
    var range = 0..<bytes.count
    while let last = range.last, bytes[last] <= 0x20 { range = range.lowerBound..<last }
    while let first = range.first, bytes[first] <= 0x20 { range = (first + 1)..<range.upperBound }
    return String(repairing: bytes.extracting(range))
  }
}
