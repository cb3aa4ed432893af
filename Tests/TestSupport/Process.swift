package import Glibc

/// A process that a test started, and ends by its own id.
package final class TestProcess {
  package let id: pid_t
  private let output: Int32
  private var status: Int32?

  /// Starts `path` with `arguments`; its standard output can be read, its standard error is the test's.
  package init(_ path: String, _ arguments: [String]) {
    var ends: [Int32] = [-1, -1]
    // A socket pair, because it can be made close-on-exec in one call: a sibling that inherited our end would keep the
    // output open.
    guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      fatalError("socketpair: error \(errno)")
    }
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    let copies = unsafe ([path] + arguments).map { unsafe strdup($0) }
    defer { unsafe copies.forEach { unsafe free($0) } }
    var id: pid_t = 0
    let code = unsafe posix_spawn(&id, path, &actions, nil, copies + [nil], environ)
    guard code == 0 else { fatalError("\(path): error \(code)") }
    close(ends[1])
    output = ends[0]
    self.id = id
  }

  deinit {
    kill()
    close(output)
  }

  /// Kills it (SIGKILL) and waits for its end.
  package func kill() {
    guard status == nil else { return }
    Glibc.kill(id, SIGKILL)
    _ = wait()
  }

  package func signal(_ number: Int32) { if status == nil { Glibc.kill(id, number) } }

  package var isRunning: Bool {
    guard status == nil else { return false }
    var raw: Int32 = 0
    if unsafe waitpid(id, &raw, WNOHANG) == id { status = Self.exitCode(raw) }
    return status == nil
  }

  private static func exitCode(_ raw: Int32) -> Int32 { raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + raw & 0x7F }

  /// Waits for its end and answers its exit code, or 128 and the signal that ended it.
  package func wait() -> Int32 {
    if status == nil {
      var raw: Int32 = 0
      while unsafe waitpid(id, &raw, 0) < 0 && errno == EINTR {}
      status = Self.exitCode(raw)
    }
    return status ?? -1
  }

  /// Everything that it printed, until it closes its output.
  package func readOutput() -> String {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe read(output, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk[..<count]
    }
  }
}

/// Runs a program to its end; answers its exit code and output.
package func run(_ path: String, _ arguments: [String]) -> (code: Int32, output: String) {
  let process = TestProcess(path, arguments)
  let output = process.readOutput()
  return (process.wait(), output)
}

/// A program of this package, built beside the tests.
package func builtProgram(_ name: String) -> String {
  var path = [CChar](repeating: 0, count: 4096)
  let count = unsafe readlink("/proc/self/exe", &path, path.count - 1)
  guard count > 0 else { fatalError("readlink: error \(errno)") }
  let own = String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  let folder = own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
  return folder + "/" + name
}
