/// The version of all three programs (https://semver.org); it stands here alone.
package enum ProgramVersion {
  private static let major: UInt64 = 0
  private static let minor: UInt64 = 1
  private static let patch: UInt64 = 0

  /// As people write it: 0.1.0
  package static var text: String { text(packed: packed) }

  /// As the status page holds it: `major << 32 | minor << 16 | patch`.
  package static let packed = major << 32 | minor << 16 | patch

  /// The version that another program's status page holds.
  package static func text(packed: UInt64) -> String {
    "\(packed >> 32).\(packed >> 16 & 0xFFFF).\(packed & 0xFFFF)"
  }
}
