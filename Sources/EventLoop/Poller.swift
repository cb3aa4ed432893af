package import System

/// The directions in which a descriptor is waited for. Empty: not at all, so that not even a hang-up is reported.
package struct Interest: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let readable = Interest(rawValue: 1)
  package static let writable = Interest(rawValue: 2)
  /// For hot paths of other modules, where a literal of two members is built as an array on the heap: package
  /// declarations are not inlined across modules.
  package static let both = Interest(rawValue: 3)
}

/// What a descriptor is ready for.
package struct Readiness: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let readable = Readiness(rawValue: 1)
  package static let writable = Readiness(rawValue: 2)
  /// Both directions are shut; reading yields what is left and then the end.
  package static let hangUp = Readiness(rawValue: 4)
  /// An error is pending on the descriptor; the next read or write answers it.
  package static let error = Readiness(rawValue: 8)

  /// The same directions as an interest has: the raw values agree.
  init(_ interest: Interest) { self.init(rawValue: interest.rawValue) }
}

/// One ready descriptor, by the token it was added with.
package struct PollEvent: Sendable {
  package let token: UInt64
  package let readiness: Readiness

  package init(token: UInt64, readiness: Readiness) {
    self.token = token
    self.readiness = readiness
  }
}

/// The seam between the loop and the world: readiness of descriptors, and time. The real one is `EpollPoller`; a
/// simulation injects readiness and moves the clock to the deadline instead of waiting for it.
///
/// Readiness is level-triggered: what is ready and stays ready is reported by every `wait`.
package protocol Poller: AnyObject {
  /// Begins to report `descriptor` under `token`. It must not be added already, and `interest` is not empty.
  func add(_ descriptor: Int32, token: UInt64, interest: Interest) throws(SystemError)
  /// Changes the interest of an added descriptor to one that is not empty.
  func modify(_ descriptor: Int32, token: UInt64, interest: Interest) throws(SystemError)
  /// Stops reporting `descriptor`, which must still be open.
  func remove(_ descriptor: Int32) throws(SystemError)
  /// Waits until a descriptor is ready or `deadline` has come (nil: without end), and replaces the content of
  /// `events` with what is ready. Never returns empty before the deadline, but for a deadline weeks away.
  func wait(until deadline: Instant?, into events: inout [PollEvent]) throws(SystemError)
  /// Monotonic time.
  func now() -> Instant
  /// Nanoseconds since the Unix epoch.
  func wallClock() -> UInt64
}
