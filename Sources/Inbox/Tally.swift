package import Ring

/// What `clawq status` counts for a consumer. Always `read == total - unread - lost`.
package struct Tally: Equatable, Sendable {
  /// Sequence numbers given since this consumer began.
  package let total: UInt64
  /// Of them: waiting to be read, what a filter passes over not counted.
  package let unread: UInt64
  /// Of them: reported lost, or to be reported with the next batch. A loss of unknown number counts for the one number
  /// that it occupies.
  package let lost: UInt64
  package var read: UInt64 { total - unread - lost }
  /// What kept everything behind it from being counted, where that is damage in the queue.
  package var damage: QueueError?
}

extension Consumer {
  /// Counts; what the consumer has come to is at the queue's end afterwards, or at the damage that hides the rest.
  package mutating func tally() throws(InboxError) -> Tally {
    var unread: UInt64 = 0
    var lost = lostBefore
    var damage: QueueError?
    do throws(InboxError) {
      while let entry = try nextEntry() {
        switch entry {
        case .message: unread += 1
        // A damaged cursor file may say anything of what was lost before.
        case .loss(_, let count, _): lost = lost.addingReportingOverflow(count).overflow ? .max : lost + count
        }
      }
    } catch {
      guard let found = error.damage else { throw error }
      damage = found
    }
    let total = next >= start ? next - start : 0
    lost = min(lost, total)
    return Tally(total: total, unread: min(unread, total - lost), lost: lost, damage: damage)
  }
}
