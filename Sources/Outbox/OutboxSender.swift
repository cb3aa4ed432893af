package import Bytes
internal import Glibc
package import System

/// The sending side: what `clawsend` does, in about ten system calls.
///
/// A send claims its place in the quota, writes the message to `tmp/`, takes a number and renames the file to `new/`.
/// The rename is the commit: before it nothing is visible, after it the message survives the death of every process.
/// The number is taken immediately before the rename, so of two sends one after the other the first has the smaller
/// number, whatever the clock says.
package struct OutboxSender: ~Copyable {
  let outbox: Folder
  private let temporary: Folder
  let new: Folder
  private let access: OutboxAccess
  private let quota: OutboxQuota
  private var counts: OutboxCounts

  /// Opens the outbox in the open state folder; `missing` where `clawd` has not made one.
  ///
  /// - Parameter quota: the default is that of `Limits`.
  package init(
    state: borrowing Folder, access: OutboxAccess = .own,
    quota: OutboxQuota = OutboxQuota(messages: Limits.outboxMessages, bytes: Limits.outboxBytes)
  ) throws(OutboxError) {
    let outbox = try Self.open(OutboxLayout.folder, in: state)
    let temporary = try Self.open(OutboxLayout.temporary, in: outbox)
    let new = try Self.open(OutboxLayout.new, in: outbox)
    counts = try OutboxCounts.open(in: outbox, access)
    self.outbox = outbox
    self.temporary = temporary
    self.new = new
    self.access = access
    self.quota = quota
  }

  private static func open(_ name: String, in parent: borrowing Folder) throws(OutboxError) -> Folder {
    do {
      return try Folder(name, in: parent)
    } catch {
      throw error.code == ENOENT ? .missing(parent.path + "/" + name) : OutboxError(error)
    }
  }

  /// Sends `message`. On any error but `notDurable` nothing was sent, and what was claimed is given back.
  ///
  /// - Parameters:
  ///   - message: the encoded object, 1...Limits.messageBytesRange.upperBound bytes. The caller has checked it.
  ///   - id: the message's own id, used once.
  ///   - sync: whether to wait until the message survives the death of the machine.
  package mutating func send(
    _ message: borrowing Span<UInt8>, id: ULID, sync: Bool = false
  ) throws(OutboxError) -> OutboxName {
    try stage(message, id: id, sync: sync)
    let name = try commit(id: id, byteCount: message.count)
    if sync {
      do {
        try new.sync()
        // So that a number given after a crash of the machine is greater than this one.
        try counts.file.sync()
      } catch {
        throw .notDurable(name, error)
      }
    }
    return name
  }

  /// Claims the quota and writes `tmp/<id>`.
  mutating func stage(_ message: borrowing Span<UInt8>, id: ULID, sync: Bool) throws(OutboxError) {
    let byteCount = message.count
    guard byteCount > 0 else { throw .refused(.empty) }
    let limit = Limits.messageBytesRange.upperBound
    guard byteCount <= limit else { throw .refused(.tooLarge(limit: limit)) }
    try renewCounts()
    try counts.claim(bytes: UInt64(byteCount), of: quota)
    do {
      try write(message, as: id.text, sync: sync)
    } catch {
      counts.release(bytes: UInt64(byteCount))
      throw explain(error)
    }
  }

  /// Takes the number and renames `tmp/<id>` to `new/`.
  mutating func commit(id: ULID, byteCount: Int) throws(OutboxError) -> OutboxName {
    let text = id.text
    do {
      let name = OutboxName(number: try counts.takeNumber(), id: id)
      try place(text, as: name.text)
      return name
    } catch {
      _ = try? temporary.remove(text)
      counts.release(bytes: UInt64(byteCount))
      throw error
    }
  }

  private func write(_ message: borrowing Span<UInt8>, as name: String, sync: Bool) throws(SystemError) {
    let file = try temporary.open(name, [.writeOnly, .createNew], permissions: access.filePermissions)
    do {
      if access.isShared { try file.setPermissions(access.filePermissions) }
      try file.writeAll(message)
      if sync { try file.sync() }
    } catch {
      _ = try? temporary.remove(name)
      throw error
    }
  }

  private func place(_ temporaryName: String, as name: String) throws(OutboxError) {
    do throws(SystemError) {
      guard try temporary.renameWithoutReplacing(temporaryName, to: name, in: new) else {
        throw SystemError(code: EEXIST, call: "rename", subject: new.path + "/" + name)
      }
    } catch {
      throw explain(error)
    }
  }

  /// A sender may live longer than its page: one that was removed counts for nobody.
  private mutating func renewCounts() throws(OutboxError) {
    let isRemoved: Bool
    do { isRemoved = try counts.isRemoved() } catch { throw OutboxError(error) }
    if isRemoved { counts = try OutboxCounts.open(in: outbox, access) }
  }

  /// A removed folder answers "no such file" for everything in it: say what is meant.
  private func explain(_ error: SystemError) -> OutboxError {
    guard error.code == ENOENT else { return OutboxError(error) }
    if isRemoved(temporary) { return .folderRemoved(temporary.path) }
    if isRemoved(new) { return .folderRemoved(new.path) }
    return .system(error)
  }
}

/// Whether the open `folder` has been deleted.
func isRemoved(_ folder: borrowing Folder) -> Bool {
  do {
    return try folder.descriptor.status().links == 0
  } catch {
    // fstat of an open descriptor fails only where the file system itself does, which is another error's story.
    return false
  }
}
