internal import Glibc

/// A moment on the monotonic clock, in nanoseconds; only differences mean anything.
package struct Instant: Comparable, Hashable, BitwiseCopyable, Sendable {
  package var nanoseconds: UInt64

  package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// The moment `duration` nanoseconds later; the end of time where that would overflow.
  package static func + (instant: Instant, duration: UInt64) -> Instant {
    let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration)
    return Instant(nanoseconds: overflow ? .max : sum)
  }

  /// Nanoseconds from `earlier` to `later`; 0 where they are the other way round.
  package static func - (later: Instant, earlier: Instant) -> UInt64 {
    later.nanoseconds > earlier.nanoseconds ? later.nanoseconds - earlier.nanoseconds : 0
  }

  package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
}

/// The system's clocks. Machines never ask them: they are given the time.
package enum SystemClock {
  /// Monotonic time; stands still while the machine sleeps.
  package static func monotonic() -> Instant {
    Instant(nanoseconds: read(CLOCK_MONOTONIC))
  }

  /// Nanoseconds since the Unix epoch (0 where the clock stands before it).
  package static func wall() -> UInt64 { read(CLOCK_REALTIME) }

  /// Waits, and blocks the thread: only where no loop turns yet.
  package static func sleep(nanoseconds: UInt64) {
    var time = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    // A signal ends it early, which is as good.
    _ = unsafe nanosleep(&time, nil)
  }

  private static func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    // Cannot fail: both clocks exist on every Linux and the address is ours.
    unsafe clock_gettime(clock, &time)
    guard time.tv_sec >= 0 else { return 0 }
    let (nanoseconds, overflow) = UInt64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max : nanoseconds + UInt64(time.tv_nsec)
  }
}

extension UInt64 {
  /// Durations, in the nanoseconds that `Instant` counts.
  package static func seconds(_ count: UInt64) -> UInt64 { count * 1_000_000_000 }
  package static func milliseconds(_ count: UInt64) -> UInt64 { count * 1_000_000 }
}
