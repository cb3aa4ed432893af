internal import Bytes
internal import CLinux
internal import Glibc
package import System

/// The signals a daemon is told things with.
package enum Signal: Int32, CaseIterable, Sendable {
  /// SIGHUP: read the configuration again.
  case hangUp = 1
  /// SIGINT: stop, from a terminal.
  case interrupt = 2
  /// SIGTERM: stop, from the service manager.
  case terminate = 15
}

/// Is told of signals, in an ordinary turn of the loop: nothing ever runs inside a signal handler.
package protocol SignalHandler: AnyObject {
  func received(_ signal: Signal)
}

/// Signals as readable events (signalfd(2)).
///
/// Make it first of all, before other threads exist (name resolution starts some) and before anything slow: a signal
/// sent earlier has its default action and ends the process; one sent later waits until the loop turns. The signals
/// stay blocked when the source goes, and SIGPIPE ignored: writing to a closed pipe or socket is an error to handle.
package final class SignalSource: ReadinessHandler {
  /// sizeof(struct signalfd_siginfo), part of the kernel's interface; the signal's number is its first 32 bits.
  private static let recordBytes = 128

  private let descriptor: FileDescriptor
  private var buffer = ByteBuffer(capacity: Signal.allCases.count * SignalSource.recordBytes)
  private weak var loop: EventLoop?
  private var token: EventToken?
  private weak var handler: (any SignalHandler)?

  package init() throws(SystemError) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in Signal.allCases { unsafe sigaddset(&set, signal.rawValue) }
    _ = try systemCall("sigprocmask") { unsafe sigprocmask(SIG_BLOCK, &set, nil) }
    StandardStreams.ignoreBrokenPipes()
    descriptor = FileDescriptor(
      owning: try systemCall("signalfd") { unsafe signalfd(-1, &set, clinux_signalfd_flags) })
  }

  /// Begins to tell `handler`, which is not kept alive. Signals that came since `init` are told in the next turn.
  package func start(_ loop: EventLoop, _ handler: any SignalHandler) throws(SystemError) {
    precondition(token == nil, "the signal source is already started")
    token = try loop.add(descriptor.raw, .readable, self)
    self.loop = loop
    self.handler = handler
  }

  /// Stops telling. The loop holds a started source, so without this it lives as long as the loop.
  package func stop() {
    if let token { loop?.remove(token) }
    token = nil
    handler = nil
  }

  package func ready(_ readiness: Readiness, _ token: EventToken) {
    // One read takes all: a blocked signal is pending at most once for the process and once for the thread, and what
    // is left over makes the descriptor ready again.
    guard case .bytes = try? descriptor.read(into: &buffer, atLeast: Self.recordBytes) else { return }
    while buffer.count >= Self.recordBytes {
      let number = unsafe buffer.readable.bytes.unsafeLoadUnaligned(as: Int32.self)
      buffer.consume(Self.recordBytes)
      if let signal = Signal(rawValue: number) { handler?.received(signal) }
    }
    buffer.removeAll()
  }
}
