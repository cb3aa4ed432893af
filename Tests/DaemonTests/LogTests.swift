import Daemon
import Glibc
import Synchronization
import System
import TestSupport
import Testing

@Suite("The daemon's log")
struct LogTests {
  @Test("a pipe that nobody reads stops nothing: its lines are dropped, and counted when somebody reads again")
  func fullPipe() throws {
    var ends: [Int32] = [-1, -1]
    try #require(unsafe pipe(&ends) == 0)
    let reader = ends[0]
    defer { close(reader) }
    // Fill it up, then let writers wait again as they do on a service's stderr.
    let filler = [UInt8](repeating: UInt8(ascii: "x"), count: 4096)
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
    while unsafe write(ends[1], filler, filler.count) > 0 {}
    _ = fcntl(ends[1], F_SETFL, 0)
    _ = fcntl(reader, F_SETFL, O_NONBLOCK)
    let log = DaemonLog(FileDescriptor(owning: ends[1]), forJournal: true)
    // A log that waits is let go after ten seconds, so that this test then fails and does not hang.
    let returned = Flag()
    let rescuer = TestThread {
      for _ in 0..<1000 where !returned.isSet { usleep(10_000) }
      _ = drain(reader)
    }
    log(.info, "one")
    log(.info, "two")
    returned.set()
    rescuer.join()
    log(.info, "three")
    #expect(drain(reader) == "(2 lines were dropped: nobody read them)\n<6>three\n")
  }
}

/// Something that a thread is told once.
private final class Flag: Sendable {
  private let value = Atomic<Bool>(false)
  var isSet: Bool { value.load(ordering: .acquiring) }
  func set() { value.store(true, ordering: .releasing) }
}

/// All that a non-blocking descriptor has now.
private func drain(_ descriptor: Int32) -> String {
  var text: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = unsafe read(descriptor, &chunk, chunk.count)
    guard count > 0 else { return String(decoding: text, as: UTF8.self) }
    text += chunk[..<count]
  }
}
