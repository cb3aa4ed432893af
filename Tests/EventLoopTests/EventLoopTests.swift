import EventLoop
import System
import TestSupport
import Testing

@Suite("The event loop, in a simulated world")
struct EventLoopTests {
  let poller = SimulatedPoller()
  let loop: EventLoop

  init() { loop = EventLoop(poller: poller) }

  @Test("a ready descriptor's handler is called with what it asked for, and no other")
  func delivery() throws {
    let first = Probe()
    let second = Probe()
    _ = try loop.add(5, .readable, first)
    _ = try loop.add(6, [.readable, .writable], second)
    poller.inject([(5, [.readable, .writable])])
    try loop.turn()
    #expect(first.readiness == [.readable])
    #expect(second.readiness.isEmpty)
  }

  @Test("a hang-up or an error comes with every direction asked for")
  func failure() throws {
    let probe = Probe()
    _ = try loop.add(5, [.readable, .writable], probe)
    poller.inject([(5, .hangUp)])
    poller.inject([(5, .error)])
    try loop.turn()
    try loop.turn()
    #expect(probe.readiness == [[.hangUp, .readable, .writable], [.error, .readable, .writable]])
  }

  @Test("after removal no event is delivered, not even one of the same batch")
  func removalOfAnother() throws {
    let first = Probe()
    let second = Probe()
    let tokens = try [loop.add(5, .readable, first), loop.add(6, .readable, second)]
    first.onReady = { [loop] _, _ in loop.remove(tokens[1]) }
    second.onReady = { [loop] _, _ in loop.remove(tokens[0]) }
    poller.inject([(6, .readable), (5, .readable)])
    try loop.turn()
    #expect(second.readiness.count == 1)
    #expect(first.readiness.isEmpty)
    #expect(poller.added.keys.sorted() == [6])
  }

  @Test("a stale event is not delivered to the descriptor that took over number and place in the same batch")
  func reuse() throws {
    let closing = Probe()
    let old = Probe()
    let new = Probe()
    _ = try loop.add(5, .readable, closing)
    let oldToken = try loop.add(6, .readable, old)
    var newToken: EventToken?
    closing.onReady = { [loop] _, _ in
      loop.remove(oldToken)
      newToken = try? loop.add(6, .readable, new)
    }
    poller.inject([(5, .readable), (6, .readable)])
    try loop.turn()
    #expect(old.readiness.isEmpty && new.readiness.isEmpty)
    #expect(newToken != nil && newToken != oldToken)
    // The stale token moves nothing of the new owner either.
    loop.setInterest([], oldToken)
    loop.remove(oldToken)
    closing.onReady = { _, _ in }
    poller.inject([(6, .readable)])
    try loop.turn()
    #expect(new.readiness == [.readable])
  }

  @Test("an object removed in its own callback is released only after the turn")
  func releaseAfterTurn() throws {
    var released = false
    var releasedInside = false
    var probe: Probe? = Probe()
    probe?.onRelease = { released = true }
    let token = try loop.add(5, .readable, #require(probe))
    let turns = Probe()
    probe?.onReady = { [loop] _, token in
      loop.remove(token)
      releasedInside = released
    }
    probe = nil
    turns.onTurn = { releasedInside = releasedInside || released }
    _ = loop.atEndOfTurn(turns)
    poller.inject([(5, .readable)])
    try loop.turn()
    #expect(released && !releasedInside)
    loop.remove(token)
  }

  @Test("an object may use the loop while it is being released")
  func releaseReenters() throws {
    let other = try loop.add(7, .readable, Probe())
    var probe: Probe? = Probe()
    probe?.onRelease = { [loop] in loop.remove(other) }
    let token = try loop.add(5, .readable, #require(probe))
    probe = nil
    loop.remove(token)
    #expect(poller.added.isEmpty)
  }

  @Test("however often interest changes in a turn, the poller is told once, before the next wait")
  func interestOncePerTurn() throws {
    let probe = Probe()
    let token = try loop.add(5, .readable, probe)
    probe.onReady = { [loop] _, token in
      for _ in 0..<10 {
        loop.setInterest([.readable, .writable], token)
        loop.setInterest(.readable, token)
      }
      loop.setInterest(.writable, token)
    }
    poller.inject([(5, .readable)])
    try loop.turn()
    #expect(poller.modifications == 0)
    poller.inject([])
    try loop.turn()
    #expect(poller.modifications == 1)
    #expect(poller.added[5]?.interest == .writable)
    // There and back again is no change.
    loop.setInterest(.readable, token)
    loop.setInterest(.writable, token)
    poller.inject([])
    try loop.turn()
    #expect(poller.modifications == 1)
  }

  @Test("a descriptor that nobody waits for is out of the poller, and comes back with its token")
  func noInterest() throws {
    let probe = Probe()
    let token = try loop.add(5, [], probe)
    #expect(poller.additions == 0)
    loop.setInterest(.readable, token)
    poller.inject([])
    try loop.turn()
    #expect(poller.added[5]?.interest == .readable)
    poller.inject([(5, .readable)])
    try loop.turn()
    #expect(probe.readiness == [.readable])
    loop.setInterest([], token)
    poller.inject([(5, .hangUp)])
    try loop.turn()
    #expect(probe.readiness == [.readable])
    #expect(poller.added.isEmpty)
    loop.remove(token)
    #expect(poller.removals == 1)
  }

  @Test("what was paused earlier in the turn is not delivered in it")
  func pausedInBatch() throws {
    let first = Probe()
    let second = Probe()
    _ = try loop.add(5, .readable, first)
    let token = try loop.add(6, .readable, second)
    first.onReady = { [loop] _, _ in loop.setInterest([], token) }
    poller.inject([(5, .readable), (6, [.readable, .hangUp])])
    try loop.turn()
    #expect(second.readiness.isEmpty)
  }

  @Test("a descriptor that the poller refuses is an error, and holds no handler")
  func refused() throws {
    _ = try loop.add(5, .readable, Probe())
    weak var refused: Probe?
    do {
      let probe = Probe()
      refused = probe
      #expect(throws: SystemError.self) { try loop.add(5, .readable, probe) }
    }
    #expect(refused == nil)
  }

  @Test("turn handlers run once at the end of every turn, in the order added, until removed")
  func turnHandlers() throws {
    var log: [String] = []
    let ready = Probe()
    let first = Probe()
    let second = Probe()
    let timer = Probe()
    ready.onReady = { _, _ in log.append("ready") }
    timer.onTimer = { _ in log.append("timer") }
    _ = try loop.add(5, .readable, ready)
    first.onTurn = { log.append("first") }
    second.onTurn = { log.append("second") }
    let token = loop.atEndOfTurn(first)
    _ = loop.atEndOfTurn(second)
    _ = loop.arm(at: poller.time, timer)
    poller.inject([(5, .readable)])
    try loop.turn()
    #expect(log == ["ready", "timer", "first", "second"])
    first.onTurn = { [loop] in
      log.append("last")
      loop.remove(token)
      loop.remove(token)
    }
    log = []
    for _ in 0..<2 {
      poller.inject([])
      try loop.turn()
    }
    #expect(log == ["last", "second", "second"])
  }

  @Test("run ends after the turn in which stop was called, and can be run again")
  func stopping() throws {
    var turns = 0
    let probe = Probe()
    probe.onTurn = { [loop] in
      turns += 1
      if turns % 3 == 0 { loop.stop() }
    }
    _ = loop.atEndOfTurn(probe)
    try loop.run()
    #expect(turns == 3)
    try loop.run()
    #expect(turns == 6)
  }

  @Test("an idle loop asks for one wait without end, and nothing else")
  func idle() throws {
    _ = try loop.add(5, .readable, Probe())
    try loop.turn()
    #expect(poller.waits == [nil])
    #expect((poller.additions, poller.modifications, poller.removals) == (1, 0, 0))
  }

  @Test("random additions, removals, changes and events reach exactly the handlers that are there and want them")
  func randomised() throws {
    var generator = SeededGenerator()
    struct Model {
      var probe: Probe
      var token: EventToken
      var interest: Interest
    }
    let interests: [Interest] = [[], .readable, .writable, [.readable, .writable]]
    var models: [Int32: Model] = [:]
    for step in 0..<3_000 {
      let descriptor = Int32.random(in: 3..<20, using: &generator)
      let interest = interests.randomElement(using: &generator) ?? []
      switch Int.random(in: 0..<4, using: &generator) {
      case 0 where models[descriptor] == nil:
        let probe = Probe()
        models[descriptor] = Model(
          probe: probe, token: try loop.add(descriptor, interest, probe), interest: interest)
      case 1:
        if let model = models.removeValue(forKey: descriptor) { loop.remove(model.token) }
      case 2:
        if let model = models[descriptor] {
          loop.setInterest(interest, model.token)
          models[descriptor]?.interest = interest
        }
      default:
        let events = (0..<4).map { _ in Int32.random(in: 3..<20, using: &generator) }
        let before = models.mapValues { $0.probe.readiness.count }
        poller.inject([])
        try loop.turn()
        poller.inject(events.map { ($0, [.readable, .writable]) })
        try loop.turn()
        for (descriptor, model) in models {
          let expected = model.interest.isEmpty ? 0 : events.count { $0 == descriptor }
          let got = model.probe.readiness.count - (before[descriptor] ?? 0)
          #expect(got == expected, "step \(step), \(generator)")
          let applied = poller.added[descriptor]?.interest ?? []
          #expect(applied == model.interest, "step \(step), \(generator)")
        }
      }
    }
  }
}
