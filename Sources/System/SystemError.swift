internal import Glibc

/// A failed system call: which one, on what, and the error number.
package struct SystemError: Error, Equatable, CustomStringConvertible {
  /// The value of `errno`.
  package let code: Int32
  /// The call's name, as in its manual page.
  package let call: String
  /// The file or address it was about; empty where there is none.
  package let subject: String

  package init(code: Int32, call: String, subject: String = "") {
    self.code = code
    self.call = call
    self.subject = subject
  }

  /// What the system says of the error number ("No space left on device").
  package var reason: String {
    // GNU strerror_r answers a pointer to static text or into the buffer; `strerror` is enough on our one thread.
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
  }

  /// Whether the system refused for want of rights (EACCES, EPERM).
  package var isRefusal: Bool { code == EACCES || code == EPERM }

  /// Whether what was asked for does not exist (ENOENT).
  package var isMissing: Bool { code == ENOENT }

  /// Whether nobody reads any more what was to be written (EPIPE).
  package var isBrokenPipe: Bool { code == EPIPE }

  /// Whether the other side ended a connection without reading what it was sent (ECONNRESET).
  package var isReset: Bool { code == ECONNRESET }

  package var description: String {
    subject.isEmpty ? "\(reason) (\(call))" : "\(subject): \(reason) (\(call))"
  }
}

/// The one place that reads `errno`: runs `body` again while a signal interrupts it, and reads the error number only
/// after a failure (a negative result).
@inline(__always)
package func systemCall<Result: FixedWidthInteger & SignedInteger>(
  _ name: StaticString, _ subject: @autoclosure () -> String = "", _ body: () -> Result
) throws(SystemError) -> Result {
  #if STEPS
    Steps.reached(.call(String(describing: name)))
  #endif
  while true {
    let result = body()
    if result >= 0 { return result }
    let code = errno
    if code != EINTR { throw SystemError(code: code, call: String(describing: name), subject: subject()) }
  }
}
