import EventLoop
import Glibc
import System
import Testing

@Suite("Signals")
struct SignalSourceTests {
  // Signals are sent to the test's own thread, and are blocked there only: other tests' threads are not touched. None
  // of them may be left pending when the mask is given back, so each test reads what it sends.
  private func withSignalsRestored(_ body: () throws -> Void) throws {
    var before = sigset_t()
    unsafe pthread_sigmask(SIG_BLOCK, nil, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
  }

  @Test("each of the three signals is told in the next turn, and ends nothing", arguments: Signal.allCases)
  func told(_ signal: Signal) throws {
    try withSignalsRestored {
      let source = try SignalSource()
      let loop = EventLoop(poller: try EpollPoller())
      let probe = Probe()
      try source.start(loop, probe)
      #expect(pthread_kill(pthread_self(), signal.rawValue) == 0)
      #expect(probe.signals.isEmpty)
      try loop.turn()
      #expect(probe.signals == [signal])
      source.stop()
    }
  }

  @Test("signals sent before the loop turns are all told, each once")
  func early() throws {
    try withSignalsRestored {
      let source = try SignalSource()
      for signal in Signal.allCases {
        for _ in 0..<3 { #expect(pthread_kill(pthread_self(), signal.rawValue) == 0) }
      }
      let loop = EventLoop(poller: try EpollPoller())
      let probe = Probe()
      try source.start(loop, probe)
      try loop.turn()
      #expect(Set(probe.signals) == Set(Signal.allCases))
      #expect(probe.signals.count == Signal.allCases.count)
      source.stop()
    }
  }

  @Test("writing to a closed pipe is an error, not the end of the process")
  func brokenPipe() throws {
    try withSignalsRestored {
      _ = try SignalSource()
      var pair: [Int32] = [-1, -1]
      _ = try systemCall("pipe") { unsafe pipe(&pair) }
      close(pair[0])
      #expect(unsafe write(pair[1], "x", 1) == -1)
      #expect(errno == EPIPE)
      close(pair[1])
    }
  }
}
