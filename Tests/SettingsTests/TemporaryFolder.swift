import Glibc
import System

/// A fresh folder that goes, with everything in it, when its owner does.
final class TemporaryFolder: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/openclaw-bus-test.XXXXXX".utf8CString)
    path = unsafe String(cString: mkdtemp(&template))
  }

  deinit { Self.remove(path) }

  func write(_ name: String, _ text: String, permissions: UInt32 = 0o600) -> String {
    let file = path + "/" + name
    guard let stream = unsafe fopen(file, "w") else { return file }
    unsafe fputs(text, stream)
    unsafe fclose(stream)
    unsafe chmod(file, permissions)
    return file
  }

  private static func remove(_ path: String) {
    // A folder that is not empty stays, a link or file goes.
    guard unsafe Glibc.remove(path) != 0, let folder = try? Folder(path), let names = try? folder.names() else {
      return
    }
    for name in names { remove(path + "/" + name) }
    unsafe rmdir(path)
  }
}
