import Glibc
import System
import TestSupport
import Testing

/// What a service manager hears (sd_notify(3)).
@Suite struct ServiceManagerTests {
  /// The manager's end: a datagram socket.
  private final class Listener {
    let descriptor: Int32

    init(_ path: String) throws {
      descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      let bytes = Array(path.utf8)
      unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
        for (index, byte) in bytes.enumerated() {
          unsafe room[index] = index == 0 && byte == UInt8(ascii: "@") ? 0 : byte
        }
      }
      let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
      let bound = unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
      }
      try #require(bound == 0)
    }

    deinit { close(descriptor) }

    /// The next datagram; nil where none came.
    func next() -> String? {
      var bytes = [UInt8](repeating: 0, count: 512)
      let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
      return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
    }
  }

  @Test("each state is one datagram, to a path and to an abstract name")
  func datagrams() throws {
    let temporary = TemporaryFolder()
    for name in [temporary.path + "/notify", "@" + temporary.path] {
      let listener = try Listener(name)
      let manager = ServiceManager(Environment(["NOTIFY_SOCKET": name]), pid: 1)
      manager.notify(.ready)
      #expect(listener.next() == "READY=1")
      manager.notify(.alive)
      #expect(listener.next() == "WATCHDOG=1")
      manager.notify(.stopping)
      #expect(listener.next() == "STOPPING=1")
      manager.notify(.status("a\nREADY=1"))
      #expect(listener.next() == "STATUS=aREADY=1")
      let before = SystemClock.monotonic().nanoseconds / 1000
      manager.notify(.reloading)
      let lines = try #require(listener.next()).split(separator: "\n")
      #expect(lines.first == "RELOADING=1")
      let last = try #require(lines.last)
      let time = try #require(UInt64(last.dropFirst("MONOTONIC_USEC=".count)))
      #expect((before...SystemClock.monotonic().nanoseconds / 1000).contains(time))
      #expect(listener.next() == nil)
    }
  }

  @Test("nobody who listens, a name that cannot be, and no manager at all are no fault")
  func nobody() {
    for name in ["/nonexistent/socket", "relative", "@", "/" + String(repeating: "x", count: 200)] {
      ServiceManager(Environment(["NOTIFY_SOCKET": name]), pid: 1).notify(.ready)
    }
    ServiceManager(Environment([String: String]()), pid: 1).notify(.ready)
  }

  @Test("the watchdog counts only where it is a number and meant for this process")
  func watchdog() {
    func watchdog(_ variables: [String: String]) -> UInt64? {
      ServiceManager(Environment(variables.merging(["NOTIFY_SOCKET": "@x"]) { first, _ in first }), pid: 7).watchdog
    }
    #expect(watchdog(["WATCHDOG_USEC": "90000000"]) == .seconds(90))
    #expect(watchdog(["WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "7"]) == .seconds(90))
    #expect(watchdog(["WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "8"]) == nil)
    #expect(watchdog([:]) == nil)
    #expect(watchdog(["WATCHDOG_USEC": "0"]) == nil)
    #expect(watchdog(["WATCHDOG_USEC": "-1"]) == nil)
    #expect(watchdog(["WATCHDOG_USEC": "18446744073709551615"]) == .max)
    #expect(ServiceManager(Environment(["WATCHDOG_USEC": "1000"]), pid: 7).watchdog == nil)
  }
}
