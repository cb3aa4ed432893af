internal import Glibc

/// A redis-server of a test's own, on a free port of the loopback, without a file on disk.
package final class RealRedis {
  /// It could not be started: a failure of the test that needs it, never a reason to skip it.
  package struct NotStarted: Error, CustomStringConvertible {
    package let description: String
  }

  package let port: UInt16
  private let folder = TemporaryFolder()
  private var process: TestProcess

  package init() throws {
    let program = try Self.program()
    // Between the choice and the start somebody else may take the port.
    for _ in 0..<5 {
      let port = Self.freePort()
      let process = Self.start(program, port, folder)
      if Self.answers(port, process) {
        self.port = port
        self.process = process
        return
      }
      process.kill()
    }
    throw NotStarted(
      description: "\(program) does not start: " + String(decoding: contents(folder.path + "/log"), as: UTF8.self))
  }

  /// Kills the server, as a crash would.
  package func kill() { process.kill() }

  /// Starts it again on the same port, empty.
  package func restart() throws {
    process = Self.start(try Self.program(), port, folder)
    guard Self.answers(port, process) else { throw NotStarted(description: "redis-server does not start again") }
  }

  private static func start(_ program: String, _ port: UInt16, _ folder: TemporaryFolder) -> TestProcess {
    TestProcess(
      program,
      [
        "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder.path,
        "--logfile", folder.path + "/log",
      ])
  }

  /// The server in `REDIS_SERVER`, else the first in the path.
  private static func program() throws -> String {
    if let given = unsafe getenv("REDIS_SERVER") { return unsafe String(cString: given) }
    let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? "/usr/bin"
    for folder in path.split(separator: ":") where unsafe access("\(folder)/redis-server", X_OK) == 0 {
      return "\(folder)/redis-server"
    }
    throw NotStarted(description: "redis-server is not installed: apt-get install redis-server")
  }

  static func address(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  private static func freePort() -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = address(0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    unsafe withUnsafeMutablePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        guard unsafe bind(descriptor, $0, size) == 0, unsafe getsockname(descriptor, $0, &size) == 0 else {
          fatalError("no free port: error \(errno)")
        }
      }
    }
    return UInt16(bigEndian: address.sin_port)
  }

  /// Waits until something listens there, as long as the process lives; at most 20 s.
  private static func answers(_ port: UInt16, _ process: TestProcess) -> Bool {
    for _ in 0..<2000 where process.isRunning {
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      defer { close(descriptor) }
      var address = address(port)
      let code = unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      if code == 0 { return process.isRunning }
      usleep(10_000)
    }
    return false
  }
}
