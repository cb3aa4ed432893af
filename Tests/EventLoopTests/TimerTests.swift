import EventLoop
import System
import TestSupport
import Testing

@Suite("Timers, on a simulated clock")
struct TimerTests {
  let poller = SimulatedPoller()
  let loop: EventLoop
  let log = Log()

  final class Log { var entries: [String] = [] }

  init() { loop = EventLoop(poller: poller) }

  private func timer(_ name: String, _ then: @escaping (TimerToken) -> Void = { _ in }) -> Probe {
    let probe = Probe()
    probe.onTimer = { [log] token in
      log.entries.append(name)
      then(token)
    }
    return probe
  }

  @Test("the loop waits until the first deadline, and for ever when there is none")
  func deadlines() throws {
    let start = poller.time
    _ = loop.arm(after: .seconds(30), timer("b"))
    _ = loop.arm(after: .seconds(10), timer("a"))
    for _ in 0..<3 { try loop.turn() }
    #expect(poller.waits == [start + .seconds(10), start + .seconds(30), nil])
    #expect(log.entries == ["a", "b"])
  }

  @Test("due timers fire in order of deadline, equal ones by age")
  func order() throws {
    let start = poller.time
    for (name, deadline) in [("d", 9), ("b", 5), ("a", 1), ("c", 5), ("e", 9)] as [(String, UInt64)] {
      _ = loop.arm(at: start + .seconds(deadline), timer(name))
    }
    poller.time = start + .seconds(20)
    try loop.turn()
    #expect(log.entries == ["a", "b", "c", "d", "e"])
  }

  @Test("a timer does not fire before its deadline")
  func notEarly() throws {
    _ = loop.arm(after: 2, timer("a"))
    poller.inject([])
    poller.time = poller.time + 1
    try loop.turn()
    #expect(log.entries.isEmpty)
    poller.inject([])
    poller.time = poller.time + 1
    try loop.turn()
    #expect(log.entries == ["a"])
  }

  @Test("a cancelled timer does not fire, also when cancelled by one that fires in the same turn")
  func cancelling() throws {
    var second: TimerToken?
    _ = loop.arm(after: 1, timer("a") { [loop] _ in if let second { loop.cancel(second) } })
    second = loop.arm(after: 1, timer("b"))
    loop.cancel(loop.arm(after: 1, timer("c")))
    _ = loop.arm(after: 1, timer("d"))
    try loop.turn()
    #expect(log.entries == ["a", "d"])
  }

  @Test("an event cancels the deadline that came together with it")
  func eventBeforeTimer() throws {
    let token = loop.arm(after: 1, timer("late"))
    let probe = Probe()
    probe.onReady = { [loop] _, _ in loop.cancel(token) }
    _ = try loop.add(5, .readable, probe)
    poller.inject([(5, .readable)])
    poller.time = poller.time + 100
    try loop.turn()
    #expect(probe.readiness == [.readable])
    #expect(log.entries.isEmpty)
  }

  @Test("a timer armed in a callback with a deadline in the past fires in the next turn, not in this one")
  func armingThePast() throws {
    let past = Instant(nanoseconds: 0)
    let again = Probe()
    again.onTimer = { [loop, log, unowned again] _ in
      log.entries.append("again")
      _ = loop.arm(at: past, again)
    }
    _ = loop.arm(after: 1, again)
    let probe = Probe()
    probe.onReady = { [loop] _, _ in _ = loop.arm(at: past, timer("from event")) }
    _ = try loop.add(5, .readable, probe)
    poller.inject([(5, .readable)])
    poller.time = poller.time + 1
    try loop.turn()
    #expect(log.entries == ["again"])
    try loop.turn()
    #expect(log.entries == ["again", "from event", "again"])
    try loop.turn()
    #expect(log.entries == ["again", "from event", "again", "again"])
  }

  @Test("a token that is spent or cancelled cancels nothing else")
  func staleTokens() throws {
    let spent = loop.arm(after: 1, timer("a"))
    try loop.turn()
    let cancelled = loop.arm(after: 1, timer("b"))
    loop.cancel(cancelled)
    _ = loop.arm(after: 1, timer("c"))
    loop.cancel(spent)
    loop.cancel(cancelled)
    try loop.turn()
    #expect(log.entries == ["a", "c"])
  }

  @Test("a deadline beyond the end of time is the end of time")
  func overflow() throws {
    poller.time = Instant(nanoseconds: .max - 10)
    _ = loop.arm(after: .max, timer("end"))
    _ = loop.arm(after: 5, timer("before"))
    try loop.turn()
    #expect(log.entries == ["before"])
    try loop.turn()
    #expect(log.entries == ["before", "end"])
  }

  @Test("time stands still within a turn")
  func oneTimePerTurn() throws {
    var seen: [Instant] = []
    let start = poller.time
    _ = loop.arm(
      after: 1,
      timer("a") { [loop, poller] _ in
        poller.time = poller.time + .seconds(7)
        seen.append(loop.now)
      })
    try loop.turn()
    #expect(seen == [start + 1])
    #expect(loop.now == start + 1 + .seconds(7))
  }

  @Test("a fired timer's handler is released after the turn")
  func release() throws {
    weak var handler: Probe?
    do {
      let probe = timer("a") { [log] _ in log.entries.append(handler == nil ? "released" : "alive") }
      handler = probe
      _ = loop.arm(after: 1, probe)
    }
    #expect(handler != nil)
    try loop.turn()
    #expect(log.entries == ["a", "alive"])
    #expect(handler == nil)
  }

  @Test("random armings and cancellations fire in the order a sort gives")
  func randomised() throws {
    var generator = SeededGenerator()
    var expected: [(deadline: Instant, age: Int, name: String)] = []
    var tokens: [String: TimerToken] = [:]
    for age in 0..<2_000 {
      let deadline = Instant(nanoseconds: .seconds(2) + UInt64.random(in: 0..<300, using: &generator))
      switch Int.random(in: 0..<4, using: &generator) {
      case 0:
        guard let victim = expected.randomElement(using: &generator), let token = tokens[victim.name] else { continue }
        loop.cancel(token)
        expected.removeAll { $0.name == victim.name }
      default:
        tokens["\(age)"] = loop.arm(at: deadline, timer("\(age)"))
        expected.append((deadline, age, "\(age)"))
      }
    }
    expected.sort { ($0.deadline, $0.age) < ($1.deadline, $1.age) }
    while log.entries.count < expected.count {
      let before = log.entries.count
      try loop.turn()
      guard log.entries.count > before else { break }
    }
    #expect(log.entries == expected.map(\.name), "\(generator)")
  }
}
