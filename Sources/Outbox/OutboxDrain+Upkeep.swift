internal import Bytes
internal import Glibc
internal import System

extension OutboxDrain {
  /// Sets the counts to what is really in `new/` and `tmp/`, and the next number beyond every number used: mends what
  /// killed senders had claimed and what was done by hand. At start and hourly. The work of listing all files.
  ///
  /// Senders go on meanwhile. Where none moved during the survey the counts are exact afterwards; else they may be
  /// off by what moved, until the next time.
  package mutating func recount() throws(OutboxError) {
    try checkInPlace()
    try renewCounts()
    do {
      for isLast in [false, false, true] {
        let before = counts.held
        let survey = try OutboxSurvey(of: outbox)
        counts.raiseNextNumber(to: survey.numberAfter)
        if counts.replace(before, with: survey.counted) { return }
        if isLast { counts.correct(from: before, to: survey.counted) }
      }
    } catch {
      throw OutboxError(error)
    }
  }

  /// Removes what killed senders left in `tmp/`: files last written more than `age` before `now`, both in nanoseconds,
  /// `now` since the Unix epoch. Answers how many. Call it before `recount`, which gives their quota back.
  ///
  /// A sender that is alive and that slow finds its file gone, says so, and has sent nothing.
  package func cleanTemporary(olderThan age: UInt64, now: UInt64) throws(OutboxError) -> Int {
    var removed = 0
    do throws(SystemError) {
      for name in try temporary.names() {
        do throws(SystemError) {
          let status = try temporary.status(of: name)
          // A time in the future counts as now.
          guard now > status.modified, now - status.modified > age, !status.isFolder else { continue }
          if try temporary.remove(name) { removed += 1 }
        } catch {
          // Renamed by its sender meanwhile, or a name that is not UTF-8 and so none of ours.
          guard error.code == ENOENT else { throw error }
        }
      }
    } catch {
      throw OutboxError(error)
    }
    return removed
  }

  /// Throws `folderRemoved` unless the folders we hold are those that senders find under their names.
  package func checkInPlace() throws(OutboxError) {
    try check(outbox, OutboxLayout.folder, in: state)
    try check(temporary, OutboxLayout.temporary, in: outbox)
    try check(new, OutboxLayout.new, in: outbox)
    try check(failed, OutboxLayout.failed, in: outbox)
  }

  private func check(
    _ folder: borrowing Folder, _ name: String, in parent: borrowing Folder
  ) throws(OutboxError) {
    do {
      let ours = try folder.descriptor.status(folder.path)
      let found = try parent.status(of: name)
      if ours.device == found.device, ours.inode == found.inode { return }
    } catch {
      guard error.code == ENOENT else { throw OutboxError(error) }
    }
    throw .folderRemoved(folder.path)
  }

  /// Turns to the page that senders find, if it is no longer ours.
  private mutating func renewCounts() throws(OutboxError) {
    counts = try OutboxCounts.open(in: outbox, access)
  }
}
