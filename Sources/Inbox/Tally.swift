internal import Ring

/// What `clawq status` counts for a consumer. Always `read == total - unread - lost`.
package struct Tally: Equatable, Sendable {
  /// Sequence numbers given since this consumer began.
  package let total: UInt64
  /// Of them: waiting to be read, what a filter passes over not counted.
  package let unread: UInt64
  /// Of them: reported lost, or to be reported with the next batch.
  package let lost: UInt64
  package var read: UInt64 { total - unread - lost }
}

extension Consumer {
  /// Counts; what the consumer has come to is at the queue's end afterwards.
  package mutating func tally() throws(InboxError) -> Tally {
    let rest = try countRest()
    let total = next >= start ? next - start : 0
    // The sum of two numbers of messages that a queue can hold; a damaged cursor file may say anything.
    let lost = min(lostBefore.addingReportingOverflow(rest.lost).overflow ? total : lostBefore + rest.lost, total)
    return Tally(total: total, unread: min(UInt64(rest.messages), total - lost), lost: lost)
  }
}
