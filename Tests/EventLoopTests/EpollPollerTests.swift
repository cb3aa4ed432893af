import Bytes
import Glibc
import System
import Testing

@testable import EventLoop

/// Two connected stream sockets that never wait.
func socketPair() throws -> (Int32, Int32) {
  var pair: [Int32] = [-1, -1]
  let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
  _ = try systemCall("socketpair") { unsafe socketpair(AF_UNIX, kind, 0, &pair) }
  return (pair[0], pair[1])
}

@Suite("The loop on real epoll")
struct EpollPollerTests {
  let loop: EventLoop

  init() throws { loop = EventLoop(poller: try EpollPoller()) }

  @Test("timeouts are rounded up to the next millisecond, and cut to what epoll takes")
  func rounding() {
    let start = Instant(nanoseconds: 5_000_000_000)
    func timeout(_ nanoseconds: UInt64) -> Int32 { EpollPoller.timeout(until: start + nanoseconds, from: start) }
    #expect(timeout(0) == 0)
    #expect(timeout(1) == 1)
    #expect(timeout(999_999) == 1)
    #expect(timeout(1_000_000) == 1)
    #expect(timeout(1_000_001) == 2)
    #expect(timeout(.seconds(30)) == 30_000)
    #expect(timeout(.max) == .max)
    #expect(EpollPoller.timeout(until: Instant(nanoseconds: 1), from: start) == 0)
    #expect(EpollPoller.timeout(until: nil, from: start) == -1)
  }

  @Test("what was written to one end makes the other readable, with its own token")
  func sockets() throws {
    let (left, right) = try socketPair()
    defer {
      close(left)
      close(right)
    }
    let probe = Probe()
    var tokens: [EventToken] = []
    probe.onReady = { _, token in tokens.append(token) }
    let token = try loop.add(right, .readable, probe)
    let writable = Probe()
    let leftToken = try loop.add(left, .writable, writable)
    #expect(unsafe write(left, "x", 1) == 1)
    try loop.turn()
    #expect(probe.readiness == [.readable])
    #expect(writable.readiness == [.writable])
    #expect(tokens == [token])
    // Level-triggered: it was not read.
    try loop.turn()
    #expect(probe.readiness == [.readable, .readable])
    loop.remove(token)
    loop.remove(leftToken)
  }

  @Test("the end of a pipe is told to its reader, a lost reader to the writer")
  func pipes() throws {
    for closeReader in [false, true] {
      var pair: [Int32] = [-1, -1]
      _ = try systemCall("pipe") { unsafe pipe(&pair) }
      let watched = closeReader ? pair[1] : pair[0]
      close(closeReader ? pair[0] : pair[1])
      let probe = Probe()
      let token = try loop.add(watched, closeReader ? .writable : .readable, probe)
      try loop.turn()
      #expect(probe.readiness == [closeReader ? [.writable, .error] : [.readable, .hangUp]])
      loop.remove(token)
      close(watched)
    }
  }

  @Test("a hung-up descriptor that nobody waits for does not keep the loop awake")
  func pausedHangUp() throws {
    let (left, right) = try socketPair()
    let probe = Probe()
    let token = try loop.add(right, .readable, probe)
    close(left)
    try loop.turn()
    #expect(probe.readiness == [[.readable, .hangUp]])
    loop.setInterest([], token)
    let timer = Probe()
    var fired = false
    timer.onTimer = { _ in fired = true }
    _ = loop.arm(after: .milliseconds(3), timer)
    // One turn, so the wait lasted until the timer.
    try loop.turn()
    #expect(fired)
    #expect(probe.readiness.count == 1)
    loop.remove(token)
    close(right)
  }

  @Test("a timer is never met early, so one turn is enough for it")
  func noEarlyWake() throws {
    for nanoseconds in [1, 1_000, 999_999, 1_000_001, 2_345_678] as [UInt64] {
      let timer = Probe()
      var firedAt: Instant?
      timer.onTimer = { [loop] _ in firedAt = loop.now }
      let deadline = loop.now + nanoseconds
      _ = loop.arm(at: deadline, timer)
      try loop.turn()
      let time = try #require(firedAt)
      #expect(time >= deadline)
    }
  }

  @Test("a descriptor that epoll cannot watch is an error of the call that adds it")
  func unwatchable() throws {
    let file = try systemCall("open") { unsafe open("/proc/self/status", O_RDONLY) }
    defer { close(file) }
    #expect(throws: SystemError(code: EBADF, call: "epoll_ctl")) { try loop.add(-1, .readable, Probe()) }
    let folder = try systemCall("open") { unsafe open("/", O_RDONLY) }
    defer { close(folder) }
    #expect(throws: SystemError(code: EPERM, call: "epoll_ctl")) { try loop.add(folder, .readable, Probe()) }
  }

  @Test("a number given out again within a batch belongs to its new owner alone")
  func reuse() throws {
    let (left, right) = try socketPair()
    let (trigger, triggered) = try socketPair()
    defer {
      close(left)
      close(trigger)
      close(triggered)
    }
    let old = Probe()
    let new = Probe()
    let closing = Probe()
    // Whichever of the two is served first replaces the other's socket, under the same number.
    var oldToken: EventToken?
    let closingToken = try loop.add(triggered, .readable, closing)
    oldToken = try loop.add(right, .readable, old)
    var newToken: EventToken?
    var other: Int32 = -1
    closing.onReady = { [loop] _, token in
      guard newToken == nil, let oldToken, let (mine, theirs) = try? socketPair() else { return }
      loop.remove(oldToken)
      dup2(theirs, right)
      close(theirs)
      other = mine
      newToken = try? loop.add(right, .readable, new)
      loop.setInterest([], token)
    }
    #expect(unsafe write(trigger, "x", 1) == 1)
    #expect(unsafe write(left, "x", 1) == 1)
    try loop.turn()
    #expect(newToken != nil)
    #expect(new.readiness.isEmpty)
    #expect(unsafe write(other, "x", 1) == 1)
    try loop.turn()
    #expect(new.readiness == [.readable])
    if let newToken { loop.remove(newToken) }
    loop.remove(closingToken)
    close(other)
    close(right)
  }
}
