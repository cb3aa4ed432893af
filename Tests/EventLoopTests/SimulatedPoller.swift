import EventLoop
import System

/// A world without descriptors and without waiting: readiness is injected, and where there is none the clock jumps to
/// the deadline. Counts what the loop asks of it.
final class SimulatedPoller: Poller {
  private(set) var added: [Int32: (token: UInt64, interest: Interest)] = [:]
  private(set) var additions = 0
  private(set) var modifications = 0
  private(set) var removals = 0
  /// The deadline of every wait, in order.
  private(set) var waits: [Instant?] = []
  var time = Instant(nanoseconds: 1_000_000_000)
  private var batches: [[PollEvent]] = []

  /// Makes the next wait without a batch of its own return `descriptors` at once, with the tokens they have now.
  func inject(_ descriptors: [(Int32, Readiness)]) {
    batches.append(
      descriptors.compactMap { descriptor, readiness in
        added[descriptor].map { PollEvent(token: $0.token, readiness: readiness) }
      })
  }

  func add(_ descriptor: Int32, token: UInt64, interest: Interest) throws(SystemError) {
    additions += 1
    guard added[descriptor] == nil, !interest.isEmpty else { throw SystemError(code: 17, call: "add") }
    added[descriptor] = (token, interest)
  }

  func modify(_ descriptor: Int32, token: UInt64, interest: Interest) throws(SystemError) {
    modifications += 1
    guard added[descriptor]?.token == token, !interest.isEmpty else { throw SystemError(code: 2, call: "modify") }
    added[descriptor] = (token, interest)
  }

  func remove(_ descriptor: Int32) throws(SystemError) {
    removals += 1
    guard added.removeValue(forKey: descriptor) != nil else { throw SystemError(code: 2, call: "remove") }
  }

  func wait(until deadline: Instant?, into events: inout [PollEvent]) throws(SystemError) {
    waits.append(deadline)
    events.removeAll(keepingCapacity: true)
    if !batches.isEmpty {
      events.append(contentsOf: batches.removeFirst())
    } else if let deadline {
      time = max(time, deadline)
    }
  }

  func now() -> Instant { time }
  func wallClock() -> UInt64 { 1_700_000_000_000_000_000 + time.nanoseconds }
}

/// Handlers of all kinds that run a closure.
final class Probe: ReadinessHandler, TimerHandler, TurnHandler, SignalHandler {
  var onReady: (Readiness, EventToken) -> Void = { _, _ in }
  var onTimer: (TimerToken) -> Void = { _ in }
  var onTurn: () -> Void = {}
  var onRelease: () -> Void = {}
  private(set) var readiness: [Readiness] = []
  private(set) var signals: [Signal] = []

  func ready(_ readiness: Readiness, _ token: EventToken) {
    self.readiness.append(readiness)
    onReady(readiness, token)
  }

  func timerFired(_ token: TimerToken) { onTimer(token) }
  func turnEnded() { onTurn() }
  func received(_ signal: Signal) { signals.append(signal) }
  deinit { onRelease() }
}
