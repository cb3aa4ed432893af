package import System

/// Names a descriptor in the loop until it is removed; never used twice.
package struct EventToken: Hashable, Sendable { let raw: UInt64 }

/// Names an armed timer until it has fired or was cancelled; never used twice.
package struct TimerToken: Hashable, Sendable { let raw: UInt64 }

/// Names an end-of-turn handler until it is removed; never used twice.
package struct TurnToken: Hashable, Sendable { let raw: UInt64 }

/// Is told when its descriptor is ready.
package protocol ReadinessHandler: AnyObject {
  /// `readiness` has at least one direction that was asked for: a hang-up or an error comes with all of them, so that
  /// one who only reads or writes meets it there.
  func ready(_ readiness: Readiness, _ token: EventToken)
}

/// Is told when its timer's deadline has come.
package protocol TimerHandler: AnyObject {
  /// The token is already spent: to go on, arm a new timer.
  func timerFired(_ token: TimerToken)
}

/// Is told at the end of every turn.
package protocol TurnHandler: AnyObject {
  /// What the turn's events piled up is now to be done once: flush, wake.
  func turnEnded()
}

/// The one thread's loop: descriptors, timers and end-of-turn work.
///
/// A turn, in this order:
///
///      changed interests ─▶ wait ─▶ due timers are fixed ─▶ ready descriptors ─▶ due timers ─▶ turn handlers ─▶ release
///
/// - Whatever a callback removes is not called any more, also not for events of this turn; its handler is released
///   only at the end of the turn, so no object goes while one of its methods runs.
/// - A timer armed in a turn fires in a later one at the earliest, so a deadline in the past cannot hold up the rest.
/// - Readiness comes before timers: an answer that came together with its own deadline was in time.
/// - Without a timer the wait has no end: nothing ticks.
///
/// The loop holds its handlers strongly until they are removed, fired or cancelled.
package final class EventLoop {
  private struct Watched {
    let descriptor: Int32
    let handler: any ReadinessHandler
    var wanted: Interest
    /// What the poller knows; empty: it does not have the descriptor.
    var applied: Interest
    var isListedAsChanged = false
  }

  private struct Hook {
    let raw: UInt64
    /// Nil: removed, and taken out of the list after the turn.
    var handler: (any TurnHandler)?
  }

  private let poller: any Poller
  private var watched = SlotTable<Watched>()
  private var timers = TimerQueue()
  private var hooks: [Hook] = []
  private var hooksAdded: UInt64 = 0
  /// Whether `run` returns when this turn has ended.
  package private(set) var isStopping = false
  /// The time of the turn under way; nil between turns.
  private var turnTime: Instant?
  /// The wall clock as this turn has seen it; nil until it looks, and between turns.
  private var turnWallClock: UInt64?

  // Lists kept for their memory, so that a turn allocates nothing.
  private var events: [PollEvent] = []
  private var changed: [UInt64] = []
  private var due: [UInt64] = []
  private var retired: [AnyObject] = []
  private var releasing: [AnyObject] = []
  private var isReleasing = false

  package init(poller: any Poller) { self.poller = poller }

  /// Monotonic time. Within a turn, the time at which it began: one look at the clock serves all callbacks.
  package var now: Instant { turnTime ?? poller.now() }

  /// Nanoseconds since the Unix epoch. Within a turn, the time at which it was first asked for: what one read brings
  /// came together, and a look at the clock is not cheap beside a message.
  package var wallClock: UInt64 {
    if let turnWallClock { return turnWallClock }
    let time = poller.wallClock()
    if turnTime != nil { turnWallClock = time }
    return time
  }

  // MARK: Descriptors

  /// Begins to wait for `descriptor`. It stays the caller's, who must `remove` it *before* closing it: the number may
  /// be given out again at once, and removing it later would hit the new owner.
  package func add(
    _ descriptor: Int32, _ interest: Interest, _ handler: any ReadinessHandler
  ) throws(SystemError) -> EventToken {
    let token = watched.insert(
      Watched(descriptor: descriptor, handler: handler, wanted: interest, applied: interest))
    guard !interest.isEmpty else { return EventToken(raw: token) }
    do {
      try poller.add(descriptor, token: token, interest: interest)
    } catch {
      _ = watched.remove(token)
      throw error
    }
    return EventToken(raw: token)
  }

  /// Changes what is waited for, from now on: an event of this turn that is no longer wanted is not delivered. The
  /// poller is told once, before the next wait, however often this is called. Does nothing for a removed token.
  package func setInterest(_ interest: Interest, _ token: EventToken) {
    guard let current = watched[token.raw], current.wanted != interest else { return }
    watched.update(token.raw) {
      $0.wanted = interest
      $0.isListedAsChanged = true
    }
    if !current.isListedAsChanged { changed.append(token.raw) }
  }

  /// Stops waiting; the handler is not called again. Does nothing for a removed token.
  package func remove(_ token: EventToken) {
    guard let gone = watched.remove(token.raw) else { return }
    if !gone.applied.isEmpty {
      do {
        try poller.remove(gone.descriptor)
      } catch {
        // The poller forgets a closed descriptor by itself, so in release builds this is harmless.
        assertionFailure("a descriptor was closed before it was removed from the loop: \(error)")
      }
    }
    retire(gone.handler)
  }

  /// Tells the poller the wanted interest. A descriptor that nobody waits for is taken out of it altogether: epoll
  /// reports a hang-up even where nothing is asked for, again and again.
  private func applyInterests() throws(SystemError) {
    for index in 0..<changed.count {
      let token = changed[index]
      guard let current = watched[token] else { continue }
      watched.update(token) { $0.isListedAsChanged = false }
      guard current.wanted != current.applied else { continue }
      if current.applied.isEmpty {
        try poller.add(current.descriptor, token: token, interest: current.wanted)
      } else if current.wanted.isEmpty {
        try poller.remove(current.descriptor)
      } else {
        try poller.modify(current.descriptor, token: token, interest: current.wanted)
      }
      watched.update(token) { $0.applied = current.wanted }
    }
    changed.removeAll(keepingCapacity: true)
  }

  // MARK: Timers

  /// Calls `handler` once, in the first turn that begins at or after `deadline` and after this one.
  package func arm(at deadline: Instant, _ handler: any TimerHandler) -> TimerToken {
    TimerToken(raw: timers.arm(at: deadline, handler))
  }

  /// Calls `handler` once, `duration` nanoseconds from now.
  package func arm(after duration: UInt64, _ handler: any TimerHandler) -> TimerToken {
    arm(at: now + duration, handler)
  }

  /// Makes sure that the timer does not fire. Does nothing where it has fired or was cancelled.
  package func cancel(_ token: TimerToken) {
    if let handler = timers.cancel(token.raw) { retire(handler) }
  }

  // MARK: End of turn

  /// Calls `handler` at the end of every turn, also of this one, after those added before it.
  package func atEndOfTurn(_ handler: any TurnHandler) -> TurnToken {
    hooksAdded += 1
    hooks.append(Hook(raw: hooksAdded, handler: handler))
    return TurnToken(raw: hooksAdded)
  }

  /// Does nothing for a removed token.
  package func remove(_ token: TurnToken) {
    guard let index = hooks.firstIndex(where: { $0.raw == token.raw }), let handler = hooks[index].handler else {
      return
    }
    hooks[index].handler = nil
    retire(handler)
  }

  // MARK: Turning

  /// Turns until `stop` is called. Throws only where the poller itself fails.
  package func run() throws(SystemError) {
    while !isStopping { try turn() }
    isStopping = false
  }

  /// Makes `run` return when this turn has ended, its turn handlers included; before `run`, at once.
  package func stop() { isStopping = true }

  /// Forgets all that was added and armed: for the end of a loop before that of its process. Handlers and loop hold each
  /// other, and what the handlers have open would stay so.
  package func forgetAll() {
    let gone = (watched, timers, hooks)
    watched = SlotTable()
    timers = TimerQueue()
    hooks = []
    // What ends with this may still call `remove` and `cancel`.
    withExtendedLifetime(gone) {}
  }

  /// Waits once and serves what has become ready or due.
  package func turn() throws(SystemError) {
    precondition(turnTime == nil, "a turn inside a turn")
    try applyInterests()
    try poller.wait(until: timers.nextDeadline, into: &events)
    let time = poller.now()
    turnTime = time
    timers.collect(dueAt: time, into: &due)
    for index in 0..<events.count { deliver(events[index]) }
    for index in 0..<due.count {
      guard let handler = timers.fire(due[index]) else { continue }
      handler.timerFired(TimerToken(raw: due[index]))
      retire(handler)
    }
    due.removeAll(keepingCapacity: true)
    endTurn()
  }

  private func deliver(_ event: PollEvent) {
    guard let target = watched[event.token] else { return }
    let wanted = Readiness(target.wanted)
    let readiness =
      event.readiness.isDisjoint(with: [.hangUp, .error])
      ? event.readiness.intersection(wanted) : event.readiness.union(wanted)
    guard !readiness.isDisjoint(with: wanted) else { return }
    target.handler.ready(readiness, EventToken(raw: event.token))
  }

  private func endTurn() {
    // By index, with the count read anew: a hook may add hooks.
    var index = 0
    while index < hooks.count {
      hooks[index].handler?.turnEnded()
      index += 1
    }
    hooks.removeAll { $0.handler == nil }
    turnTime = nil
    turnWallClock = nil
    releaseRetired()
  }

  // MARK: Release

  private func retire(_ handler: AnyObject) {
    retired.append(handler)
    if turnTime == nil { releaseRetired() }
  }

  /// Lets the retired handlers go. Their `deinit` may call the loop and so retire more: never while their own list is
  /// being changed, hence two lists.
  private func releaseRetired() {
    guard !isReleasing else { return }
    isReleasing = true
    while !retired.isEmpty {
      swap(&retired, &releasing)
      releasing.removeAll(keepingCapacity: true)
    }
    isReleasing = false
  }
}
