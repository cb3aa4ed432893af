import Glibc
package import System

/// A folder of a test's own, removed with all it holds when the test lets go of it.
package final class TemporaryFolder: Sendable {
  package let path: String

  /// - Parameter inMemory: on a file system without a disk where there is one, for tests that write a great deal.
  package init(inMemory: Bool = false) {
    let hasMemory = unsafe access("/dev/shm", W_OK | X_OK) == 0
    let parent = inMemory && hasMemory ? "/dev/shm" : "/tmp"
    var template = Array("\(parent)/openclaw-bus-test-XXXXXX".utf8CString)
    guard let made = unsafe mkdtemp(&template) else { fatalError("mkdtemp: error \(errno)") }
    path = unsafe String(cString: made)
  }

  deinit { _ = run("/bin/rm", ["-rf", path]) }

  package func open() throws -> Folder { try Folder(path) }

  /// Makes a file in it and answers its path.
  package func write(_ name: String, _ text: String, permissions: UInt32 = 0o600) -> String {
    let file = path + "/" + name
    setContents(file, Array(text.utf8))
    guard unsafe chmod(file, permissions) == 0 else { fatalError("\(file): error \(errno)") }
    return file
  }
}
