internal import Bytes
internal import Glibc
package import System

/// What `clawq status` says of the outbox. Found by looking, without the daemon and without writing anything.
package struct OutboxStatus: Equatable, Sendable {
  /// One of its folders.
  package struct Part: Equatable, Sendable {
    /// The entries in it.
    package fileprivate(set) var count = 0
    /// Nanoseconds since the first message in it was sent; nil where it holds none.
    package fileprivate(set) var oldestAge: UInt64?
  }

  /// What waits to be sent.
  package private(set) var new = Part()
  /// What is in Redis, and not yet mirrored.
  package private(set) var stored = Part()
  /// What can never be sent.
  package private(set) var failed = Part()

  /// Looks into the outbox of the open state folder; all zero where there is none. Listing 10,000 takes 5 ms.
  ///
  /// - Parameter now: nanoseconds since the Unix epoch.
  package init(state: borrowing Folder, now: UInt64) throws(SystemError) {
    guard let outbox = try OutboxSurvey.open(OutboxLayout.folder, in: state) else { return }
    new = try Self.look(OutboxLayout.new, in: outbox, now)
    stored = try Self.look(OutboxLayout.stored, in: outbox, now)
    failed = try Self.look(OutboxLayout.failed, in: outbox, now)
  }

  private static func look(_ name: String, in outbox: borrowing Folder, _ now: UInt64) throws(SystemError) -> Part {
    var part = Part()
    guard let folder = try OutboxSurvey.open(name, in: outbox) else { return part }
    let hasReasons = name == OutboxLayout.failed
    // By their names, so that one file is asked for its time and not each: the smallest number was sent first. What has
    // none (in `failed/`) counts only where nothing has.
    var first: (name: OutboxName, text: String)?
    var strange: String?
    try folder.forEachName { bytes in
      guard !hasReasons || !isReason(bytes) else { return }
      part.count += 1
      // In `failed/` a name may have something behind it.
      if let name = OutboxName(bytes.extracting(first: OutboxName.characterCount)) {
        if first.map({ name < $0.name }) ?? true { first = (name, String(repairing: bytes)) }
      } else if strange == nil {
        strange = String(repairing: bytes)
      }
    }
    guard let oldest = first?.text ?? strange else { return part }
    do {
      let modified = try folder.status(of: oldest).modified
      part.oldestAge = now > modified ? now - modified : 0
    } catch {
      // Taken away since it was listed: what is there now is younger, and nothing has waited noticeably.
      guard error.code == ENOENT else { throw error }
      part.oldestAge = 0
    }
    return part
  }

  private static func isReason(_ name: borrowing Span<UInt8>) -> Bool {
    let suffix = OutboxLayout.reasonSuffix.utf8CodeUnitCount
    return name.count > suffix && equal(name.extracting((name.count - suffix)..<name.count), OutboxLayout.reasonSuffix)
  }
}
