internal import CLinux
internal import Glibc
package import System

/// Level-triggered epoll(7) and the system's clocks.
@safe
package final class EpollPoller: Poller {
  /// The most events taken at once. More wait in the kernel for the next turn, behind those already served.
  private static let batch = 128

  private let epoll: FileDescriptor
  /// Where epoll_wait writes: `batch` events, ours alone.
  private let ready: UnsafeMutablePointer<epoll_event>

  package init() throws(SystemError) {
    epoll = FileDescriptor(owning: try systemCall("epoll_create1") { epoll_create1(clinux_epoll_close_on_exec) })
    unsafe ready = .allocate(capacity: Self.batch)
    unsafe ready.initialize(repeating: epoll_event(), count: Self.batch)
  }

  deinit { unsafe ready.deallocate() }

  package func add(_ descriptor: Int32, token: UInt64, interest: Interest) throws(SystemError) {
    try control(EPOLL_CTL_ADD, descriptor, token, interest)
  }

  package func modify(_ descriptor: Int32, token: UInt64, interest: Interest) throws(SystemError) {
    try control(EPOLL_CTL_MOD, descriptor, token, interest)
  }

  package func remove(_ descriptor: Int32) throws(SystemError) {
    try control(EPOLL_CTL_DEL, descriptor, 0, [])
  }

  private func control(
    _ operation: Int32, _ descriptor: Int32, _ token: UInt64, _ interest: Interest
  ) throws(SystemError) {
    // EPOLLRDHUP is not asked for: a reader sees the end by reading, and for one who does not read it would be
    // reported again and again.
    var mask: UInt32 = 0
    if interest.contains(.readable) { mask |= clinux_epoll_in }
    if interest.contains(.writable) { mask |= clinux_epoll_out }
    var event = unsafe epoll_event(events: mask, data: epoll_data_t(u64: token))
    let raw = epoll.raw
    _ = try systemCall("epoll_ctl") { unsafe epoll_ctl(raw, operation, descriptor, &event) }
  }

  package func wait(until deadline: Instant?, into events: inout [PollEvent]) throws(SystemError) {
    events.removeAll(keepingCapacity: true)
    let raw = epoll.raw
    // The timeout is computed anew each time a signal (SIGCONT, say) interrupts the call.
    let count = try systemCall("epoll_wait") {
      unsafe epoll_wait(raw, ready, Int32(Self.batch), Self.timeout(until: deadline, from: now()))
    }
    for index in 0..<Int(count) {
      let event = unsafe ready[index]
      var readiness: Readiness = []
      let mask = unsafe event.events
      if mask & clinux_epoll_in != 0 { readiness.insert(.readable) }
      if mask & clinux_epoll_out != 0 { readiness.insert(.writable) }
      if mask & clinux_epoll_hang_up != 0 { readiness.insert(.hangUp) }
      if mask & clinux_epoll_error != 0 { readiness.insert(.error) }
      unsafe events.append(PollEvent(token: event.data.u64, readiness: readiness))
    }
  }

  /// The milliseconds that epoll_wait takes for a deadline: rounded up, because waking a fraction of a millisecond
  /// early means going round the loop until it has passed. -1 waits without end; what does not fit (24 days) is cut.
  static func timeout(until deadline: Instant?, from now: Instant) -> Int32 {
    guard let deadline else { return -1 }
    let nanoseconds = deadline - now
    let milliseconds = nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 == 0 ? 0 : 1)
    return Int32(clamping: milliseconds)
  }

  package func now() -> Instant { SystemClock.monotonic() }
  package func wallClock() -> UInt64 { SystemClock.wall() }
}
