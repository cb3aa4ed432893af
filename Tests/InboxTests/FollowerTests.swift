import Inbox
import System
import Testing

@Suite("Who waits for messages")
struct FollowerTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  /// One turn in which nothing is found, as its driver does it.
  private func turn(
    _ follower: inout Follower, at now: Instant, _ name: Follower.Name = .same, isDaemonAbsent: Bool = false,
    isSuperseded: Bool = false
  ) -> (inspected: Bool, action: Follower.Action) {
    let inspected = follower.isInspectionDue(isSuperseded: isSuperseded, now: now)
    if inspected { follower.note(name, isDaemonAbsent: isDaemonAbsent, now: now) }
    return (inspected, follower.next(now: now))
  }

  @Test("looks at name and daemon first of all, then every five seconds, and sleeps until then or to its deadline")
  func slices() {
    var follower = Follower(now: start, timeout: .seconds(12), needsDaemon: true)
    for (seconds, inspects, sleep) in [
      (0, true, 5), (1, false, 4), (5, true, 5), (9, false, 1), (10, true, 2), (11, false, 1),
    ]
      as [(UInt64, Bool, UInt64)]
    {
      let (inspected, action) = turn(&follower, at: start + .seconds(seconds))
      #expect(inspected == inspects && action == .sleep(.seconds(sleep)), "after \(seconds) s")
    }
    #expect(turn(&follower, at: start + .seconds(12)).action == .end(.timedOut))
  }

  @Test("ends neither early nor, by rounding, a nanosecond late")
  func deadline() {
    var follower = Follower(now: start, timeout: 1_500, needsDaemon: true)
    #expect(turn(&follower, at: start + 1_499).action == .sleep(1))
    #expect(turn(&follower, at: start + 1_500).action == .end(.timedOut))
  }

  @Test("without time looks once; without end never times out")
  func extremes() {
    var once = Follower(now: start, timeout: 0, needsDaemon: true)
    #expect(turn(&once, at: start).action == .end(.timedOut))
    var endless = Follower(now: start, timeout: nil, needsDaemon: false)
    #expect(turn(&endless, at: Instant(nanoseconds: .max)).action == .sleep(0))
    var longest = Follower(now: start, timeout: .max, needsDaemon: true)
    #expect(turn(&longest, at: start).action == .sleep(Follower.inspectionInterval))
  }

  @Test("that needs the daemon ends where there is none, before its time is over as well as after", arguments: [0, 10])
  func daemon(seconds: UInt64) {
    var follower = Follower(now: start, timeout: .seconds(seconds), needsDaemon: true)
    #expect(turn(&follower, at: start, isDaemonAbsent: true).action == .end(.daemonGone))
  }

  @Test("notices a daemon that goes at the next slice")
  func daemonGoes() {
    var follower = Follower(now: start, timeout: .seconds(60), needsDaemon: true)
    _ = turn(&follower, at: start)
    #expect(turn(&follower, at: start + .seconds(3), isDaemonAbsent: true).action == .sleep(.seconds(2)))
    #expect(turn(&follower, at: start + .seconds(5), isDaemonAbsent: true).action == .end(.daemonGone))
  }

  @Test("that needs none goes on, and looks every second whether it is back")
  func withoutDaemon() {
    var follower = Follower(now: start, timeout: nil, needsDaemon: false)
    #expect(turn(&follower, at: start, isDaemonAbsent: true).action == .sleep(.seconds(1)))
    #expect(turn(&follower, at: start + .seconds(1)) == (true, .sleep(.seconds(5))))
  }

  @Test("opens a file that has taken the name, also before it gives up for want of a daemon or of time")
  func replaced() {
    for isDaemonAbsent in [false, true] {
      var follower = Follower(now: start, timeout: 0, needsDaemon: true)
      #expect(turn(&follower, at: start, .replaced, isDaemonAbsent: isDaemonAbsent).action == .reopen)
      // And looks at once how things are around the new one.
      #expect(turn(&follower, at: start, isDaemonAbsent: isDaemonAbsent).inspected)
    }
  }

  @Test("a file that says it is superseded is looked into at once, and only once")
  func superseded() {
    var follower = Follower(now: start, timeout: nil, needsDaemon: true)
    _ = turn(&follower, at: start)
    #expect(turn(&follower, at: start + 1, .replaced, isSuperseded: true) == (true, .reopen))
    _ = turn(&follower, at: start + 2)
    // One that says so and has the name all the same: no loop without a sleep.
    #expect(turn(&follower, at: start + 3, isSuperseded: true).inspected)
    for step in 4..<10 as Range<UInt64> {
      let (inspected, action) = turn(&follower, at: start + step, isSuperseded: true)
      #expect(!inspected && action == .sleep(.seconds(5) - step + 3))
    }
  }

  @Test("waits for a name that is missing, within its time, and looks often")
  func missing() {
    var follower = Follower(now: start, timeout: .milliseconds(250), needsDaemon: true)
    var now = start
    for left in [250, 150, 50] as [UInt64] {
      let expected = min(Follower.missingInterval, .milliseconds(left))
      #expect(turn(&follower, at: now, .missing, isDaemonAbsent: true) == (true, .sleep(expected)))
      now = now + expected
    }
    #expect(turn(&follower, at: now, .missing).action == .end(.queueGone))
    var lucky = Follower(now: start, timeout: .seconds(1), needsDaemon: true)
    _ = turn(&lucky, at: start, .missing)
    #expect(turn(&lucky, at: start + Follower.missingInterval, .replaced).action == .reopen)
  }
}
