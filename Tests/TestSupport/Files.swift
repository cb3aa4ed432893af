internal import Glibc

/// The whole content of a file, past all our own code: how a test looks at what was really written.
package func contents(_ path: String) -> [UInt8] {
  let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { fatalError("\(path): error \(errno)") }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 64 * 1024)
  while true {
    let count = unsafe read(descriptor, &chunk, chunk.count)
    guard count >= 0 else { fatalError("\(path): error \(errno)") }
    if count == 0 { return bytes }
    bytes += chunk[..<count]
  }
}

/// Makes the file `path` hold exactly `bytes`. A file that exists stays the same file: who has it mapped sees them.
package func setContents(_ path: String, _ bytes: [UInt8]) {
  let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600 as mode_t)
  guard descriptor >= 0, ftruncate(descriptor, bytes.count) == 0 else { fatalError("\(path): error \(errno)") }
  close(descriptor)
  overwrite(path, at: 0, bytes)
}

/// Puts `bytes` into an existing file at `offset`.
package func overwrite(_ path: String, at offset: Int, _ bytes: [UInt8]) {
  let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
  guard descriptor >= 0 else { fatalError("\(path): error \(errno)") }
  defer { close(descriptor) }
  let count = unsafe pwrite(descriptor, bytes, bytes.count, offset)
  guard count == bytes.count else { fatalError("\(path): wrote \(count) of \(bytes.count), error \(errno)") }
}

/// A thread of its own for `body`, which may block as long as it likes; `join` waits for its end.
package final class TestThread {
  private final class Work {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  private var thread = pthread_t()

  package init(_ body: @escaping @Sendable () -> Void) {
    let work = unsafe Unmanaged.passRetained(Work(body)).toOpaque()
    let code = unsafe pthread_create(
      &thread, nil,
      { work in
        if let work = unsafe work { unsafe Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body() }
        return nil
      }, work)
    guard code == 0 else { fatalError("pthread_create: error \(code)") }
  }

  package func join() { _ = pthread_join(thread, nil) }
}
