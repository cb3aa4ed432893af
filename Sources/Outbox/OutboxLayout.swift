/// The names of everything in the outbox; they stand nowhere else.
///
///     <state folder>/outbox/
///       tmp/<ulid>                 being written; nobody looks at it
///       new/<number>-<ulid>        sent: the rename to here is the commit
///       stored/<number>-<ulid>     in Redis, not yet mirrored; empty as long as no mirror can be configured
///       failed/<number>-<ulid>     can never be sent, and beside it
///       failed/<name>.reason       why, one line of text
///       counts                     the next number and what is waiting (OutboxCounts)
///       counts.lock                held while `counts` is made anew
///       counts.aside               the new `counts` until it is complete
///
/// A message goes from `new/` to `failed/`, or from `new/` to where it should be and is gone. With a mirror it goes by way
/// of `stored/`, and is gone when it is mirrored. Each step is one rename or unlink, so that at every moment a message
/// is in one place, and what is in none is done.
///
/// `<number>` has 20 digits with zeros in front, so that the order of the bytes is the order of sending.
package enum OutboxLayout {
  package static let folder = "outbox"
  package static let temporary = "tmp"
  package static let new = "new"
  package static let stored = "stored"
  package static let failed = "failed"
  static let counts = "counts"
  static let countsLock = "counts.lock"
  static let countsAside = "counts.aside"
  static let reasonSuffix: StaticString = ".reason"

  /// A number has this many digits, the length of the largest UInt64.
  static let numberDigits = 20
  /// The greatest number a name may carry: far beyond what is ever reached, and so far below the end of UInt64 that
  /// no number of senders adding at once comes near it.
  static let maximumNumber: UInt64 = 1_000_000_000_000_000_000
}

/// The permissions that the outbox gives to what it makes.
package struct OutboxAccess: Sendable {
  package let filePermissions: UInt32
  package let folderPermissions: UInt32
  /// Whether messages of other users are taken, and permissions set past the creation mask.
  package let isShared: Bool

  /// One user alone: 0600 and 0700.
  package static let own = OutboxAccess(filePermissions: 0o600, folderPermissions: 0o700, isShared: false)
  /// A group (`share_group`): 0660 and 2770, so that files inherit the group.
  package static let shared = OutboxAccess(filePermissions: 0o660, folderPermissions: 0o2770, isShared: true)
}

/// How much may wait in `new/`.
package struct OutboxQuota: Equatable, Sendable {
  package let messages: UInt64
  package let bytes: UInt64

  /// - Precondition: fits the counts page: `messages` below 2^24, `bytes` below 2^40.
  package init(messages: Int, bytes: Int) {
    precondition((0..<1 << 24).contains(messages) && (0..<1 << 40).contains(bytes), "a quota the page cannot count")
    self.messages = UInt64(messages)
    self.bytes = UInt64(bytes)
  }
}
