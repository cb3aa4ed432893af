internal import System

/// The armed timers, in order; a value without a clock, which the loop drives.
///
/// A sorted array and not a heap: the daemon has about a dozen timers, so inserting moves a few hundred bytes, the
/// next deadline is the last entry, and cancelling finds its entry by bisection where a heap would keep the place of
/// every entry up to date.
struct TimerQueue {
  /// Latest deadline first; of equal deadlines the youngest first. So the next to fire is the last.
  private struct Entry {
    let deadline: Instant
    /// Counts armings: the order among equal deadlines.
    let age: UInt64
    let token: UInt64

    func fires(before other: Entry) -> Bool {
      deadline == other.deadline ? age < other.age : deadline < other.deadline
    }
  }

  private struct Armed {
    let handler: any TimerHandler
    /// Nil while it is due: taken out of the order, about to be fired.
    var entry: Entry?
  }

  private var timers = SlotTable<Armed>()
  private var order: [Entry] = []
  private var armings: UInt64 = 0

  var nextDeadline: Instant? { order.last?.deadline }

  mutating func arm(at deadline: Instant, _ handler: any TimerHandler) -> UInt64 {
    armings += 1
    let token = timers.insert(Armed(handler: handler, entry: nil))
    let entry = Entry(deadline: deadline, age: armings, token: token)
    timers.update(token) { $0.entry = entry }
    order.insert(entry, at: position(of: entry))
    return token
  }

  /// Answers the handler that will now not be called, for the caller to release; nil where the token is stale.
  mutating func cancel(_ token: UInt64) -> (any TimerHandler)? {
    guard let armed = timers.remove(token) else { return nil }
    if let entry = armed.entry { order.remove(at: position(of: entry)) }
    return armed.handler
  }

  /// Takes all timers due at `now` out of the order and appends their tokens to `due`, in the order to fire.
  mutating func collect(dueAt now: Instant, into due: inout [UInt64]) {
    while let next = order.last, next.deadline <= now {
      order.removeLast()
      timers.update(next.token) { $0.entry = nil }
      due.append(next.token)
    }
  }

  /// Ends a collected timer and answers its handler, to be called; nil where it was cancelled since.
  mutating func fire(_ token: UInt64) -> (any TimerHandler)? {
    timers.remove(token)?.handler
  }

  /// Where `entry` stands, or belongs.
  private func position(of entry: Entry) -> Int {
    var low = 0
    var high = order.count
    while low < high {
      let middle = low + (high - low) / 2
      if entry.fires(before: order[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
