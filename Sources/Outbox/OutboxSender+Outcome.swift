internal import Bytes
internal import Glibc
package import System

/// What has become of a message that was sent.
package enum OutboxOutcome: Equatable, Sendable {
  /// It waits in `new/`.
  case waiting
  /// `clawd` has taken it away: it is where it should be, in Redis, or on a local bus in the queue.
  case stored
  /// It can never be sent, for this reason, and is kept in this file.
  case failed(reason: String, path: String)
}

extension OutboxSender {
  /// Looks what has become of the message that `send` answered with `name`. What vanished is done: whoever removes a file
  /// from `new/` by hand is taken for `clawd`.
  ///
  /// - Parameter state: the state folder in which the outbox was opened.
  /// - Throws: `folderRemoved` where the outbox is not the one any more in which the message was put, so that nobody can
  ///   say.
  package func outcome(of name: OutboxName, state: borrowing Folder) throws(OutboxError) -> OutboxOutcome {
    let text = name.text
    var failure: OutboxOutcome?
    let isWaiting: Bool
    var isOurs: Bool
    do throws(SystemError) {
      // `clawd` moves it from `new/` to `failed/` in one step. So whoever looks into `new/` first and then into `failed/`
      // misses it in neither; the other way round, it could be moved between the two looks.
      isWaiting = try new.contains(text)
      if !isWaiting { failure = try self.failure(text) }
      // Asked last: what was removed before is noticed.
      isOurs = try isInPlace(outbox, OutboxLayout.folder, in: state)
      if isOurs { isOurs = try isInPlace(new, OutboxLayout.new, in: outbox) }
    } catch {
      throw OutboxError(error)
    }
    if let failure { return failure }
    guard isOurs else { throw .folderRemoved(new.path) }
    return isWaiting ? .waiting : .stored
  }

  /// The message in `failed/` with its reason; nil where it is not there.
  private func failure(_ name: String) throws(SystemError) -> OutboxOutcome? {
    let failed: Folder
    do { failed = try Folder(OutboxLayout.failed, in: outbox) } catch {
      // Then the outbox is not in place, or nothing ever failed.
      if error.code == ENOENT { return nil }
      throw error
    }
    guard try failed.contains(name) else { return nil }
    var line = ByteBuffer(capacity: 256)
    do {
      let file = try failed.open("\(name)\(OutboxLayout.reasonSuffix)", [.readOnly, .nonBlocking])
      _ = try file.readWhole(limit: Limits.outboxReasonBytes + 1, into: &line)
    } catch {
      // The disk was full when it should have been written: clawd's log has it.
    }
    if line.count > 0, line.readable[line.count - 1] == UInt8(ascii: "\n") { line.truncate(to: line.count - 1) }
    let reason = line.isEmpty ? "the reason could not be written down" : String(repairing: line.readable)
    return .failed(reason: reason, path: failed.path + "/" + name)
  }
}

/// Whether `parent` has the open `folder` under the name `name`.
private func isInPlace(
  _ folder: borrowing Folder, _ name: String, in parent: borrowing Folder
) throws(SystemError) -> Bool {
  try parent.identity(of: name) == folder.descriptor.status(folder.path).identity
}
