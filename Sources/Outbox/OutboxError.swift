internal import Bytes
internal import Glibc
package import System

/// Why the outbox did not do what was asked.
package enum OutboxError: Error, Equatable, CustomStringConvertible {
  /// There is no outbox at this path: no `clawd` ever ran here.
  case missing(String)
  /// The folder at this path was removed, moved or replaced while it was open. Opening the outbox anew mends it.
  case folderRemoved(String)
  /// As much is waiting as may; nothing was sent. Trying later helps.
  case quotaFull(OutboxCounted, limit: OutboxQuota)
  /// The disk, or the user's share of it, is full (ENOSPC, EDQUOT); nothing was sent.
  case diskFull(SystemError)
  /// The counts page was written by a newer version of this program.
  case newerVersion(UInt64, path: String)
  /// The counts page went bad while it was open. Opening the outbox anew rebuilds it.
  case damagedCounts(String)
  /// This can never be sent.
  case refused(OutboxReason)
  /// Sent, but whether it survives the death of the machine is not known (`sync` only).
  case notDurable(OutboxName, SystemError)
  case system(SystemError)

  /// The case that `error` is.
  init(_ error: SystemError) {
    self = error.code == ENOSPC || error.code == EDQUOT ? .diskFull(error) : .system(error)
  }

  package var description: String {
    switch self {
    case .missing(let path): "\(path): no outbox here; clawd makes it when it first runs"
    case .folderRemoved(let path): "\(path): the folder was removed or replaced while in use"
    case .quotaFull(let counted, let limit):
      "the outbox is full: \(counted.messages) messages and \(counted.bytes) bytes wait to be sent; "
        + "the limits are \(limit.messages) messages and \(limit.bytes) bytes"
    case .diskFull(let error): "the disk is full: \(error)"
    case .newerVersion(let version, let path): "\(path): written by a newer version (format \(version))"
    case .damagedCounts(let path): "\(path): damaged while in use"
    case .refused(let reason): reason.text
    case .notDurable(let name, let error):
      "message \(name.id.text) was sent but may not survive a crash of the machine: \(error)"
    case .system(let error): error.description
    }
  }
}

/// Why a message can never be sent: what stands in its `.reason` file.
package enum OutboxReason: Equatable, Sendable {
  /// Not `<number>-<ulid>`.
  case badName
  /// A folder, link, pipe, socket or device.
  case notRegularFile
  /// Written by another user, whose messages are not taken here.
  case foreignOwner(UInt32)
  /// Its permissions do not let us read it.
  case unreadable
  case empty
  /// More bytes than a message may have.
  case tooLarge(limit: Int)
  /// What the caller found wrong with the content.
  case rejected(String)

  /// One line without control characters, at most `Limits.outboxReasonBytes` long.
  package var text: String {
    switch self {
    case .badName: "the name is not that of a message"
    case .notRegularFile: "not a regular file"
    case .foreignOwner(let user): "written by another user (uid \(user))"
    case .unreadable: "not readable"
    case .empty: "empty"
    case .tooLarge(let limit): "larger than \(limit) bytes"
    case .rejected(let text): Self.oneLine(text)
    }
  }

  private static func oneLine(_ text: String) -> String {
    var line = String.UnicodeScalarView()
    var count = 0
    for scalar in text.unicodeScalars {
      count += UTF8.width(scalar)
      guard count <= Limits.outboxReasonBytes else { break }
      // The two separators are line ends to some readers.
      line.append(scalar.isControl || 0x2028...0x2029 ~= scalar.value ? " " : scalar)
    }
    return String(line)
  }
}
