import Daemon
import EventLoop
import Network
import System
import TestSupport
import Testing

/// When the service manager is told what.
@Suite struct ServiceTests {
  private func count(_ state: ServiceState, _ test: SimulatedDaemon) -> Int {
    test.notified.filter { $0 == state }.count
  }

  @Test("it is ready when messages are taken, whether Redis answers or not, and says how Redis is")
  func ready() throws {
    let test = try SimulatedDaemon()
    test.redis.connectFault = .closed
    try test.start()
    #expect(count(.ready, test) == 1)
    try test.comeBack()
    #expect(count(.ready, test) == 1)
    let states = test.notified.filter { if case .status = $0 { true } else { false } }
    #expect(states.first == .status("Redis: connecting"))
    #expect(states.contains(.status("Redis: waiting")))
    #expect(states.last == .status("Redis: ready"))
    // Each change once.
    #expect(zip(states, states.dropFirst()).allSatisfy { $0 != $1 })
  }

  @Test("the watchdog is fed twice in each of its spans, and every 30 seconds where nobody asks")
  func watchdog() throws {
    var choice = Choice(isLocal: true)
    choice.watchdog = .seconds(10)
    let test = try SimulatedDaemon(choice)
    try test.start()
    try test.run(for: .seconds(61))
    #expect(count(.alive, test) == 12)
    let other = try SimulatedDaemon(isLocal: true)
    try other.start()
    try other.run(for: .seconds(61))
    #expect(count(.alive, other) == 2)
  }

  @Test("a reload is announced, and ends ready, also where the configuration cannot be used")
  func reload() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    let before = test.notified.count
    test.daemon.received(.hangUp)
    test.configuration = nil
    test.daemon.received(.hangUp)
    #expect(Array(test.notified.dropFirst(before)) == [.reloading, .ready, .reloading, .ready])
  }

  @Test("that it stops is said at once")
  func stopping() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    test.daemon.received(.terminate)
    #expect(test.notified.last == .stopping)
  }
}
