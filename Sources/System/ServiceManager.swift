internal import Bytes
internal import CLinux
internal import Glibc

/// What a service manager is told of a daemon.
package enum ServiceState: Equatable, Sendable {
  /// Started, or done with reading its configuration again.
  case ready
  /// Reads its configuration again; `ready` ends it.
  case reloading
  case stopping
  /// The loop turns.
  case alive
  /// For `systemctl status`; holds no secret.
  case status(String)
}

/// The service manager that started this process, where it wants to hear from it (sd_notify(3)): one datagram for each
/// state, and nothing where it does not ask. A datagram that nobody takes is nobody's fault.
package struct ServiceManager: Sendable {
  private let socket: String?
  /// Within how many nanoseconds it wants to hear `alive`; nil: it has no watchdog for us.
  package let watchdog: UInt64?

  /// - Parameters:
  ///   - environment: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` are looked for.
  ///   - pid: ours; a watchdog that is meant for another process is not ours.
  package init(_ environment: Environment, pid: UInt64) {
    // sd_notify(3): an absolute path, or an abstract name with an '@'.
    let named = environment.text("NOTIFY_SOCKET").flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
    socket = named
    let isOurs = environment.bytes("WATCHDOG_PID").map { Decimal.unsigned($0.span) == pid } ?? true
    guard named != nil, isOurs, let text = environment.bytes("WATCHDOG_USEC"),
      let microseconds = Decimal.unsigned(text.span), microseconds > 0
    else {
      watchdog = nil
      return
    }
    let (nanoseconds, overflow) = microseconds.multipliedReportingOverflow(by: 1000)
    watchdog = overflow ? .max : nanoseconds
  }

  /// Never waits.
  package func notify(_ state: ServiceState) {
    guard let socket else { return }
    let text: String
    switch state {
    case .ready: text = "READY=1"
    // The time tells whoever waits for the reload from which on `ready` counts.
    case .reloading: text = "RELOADING=1\nMONOTONIC_USEC=\(SystemClock.monotonic().nanoseconds / 1000)"
    case .stopping: text = "STOPPING=1"
    case .alive: text = "WATCHDOG=1"
    case .status(let words):
      text = "STATUS=" + String(words.unicodeScalars.filter { !$0.isControl }.map(Character.init))
    }
    _ = try? systemCall("sendto") {
      unsafe socket.withCString { path in
        unsafe text.withCString { unsafe clinux_send_datagram(path, $0, text.utf8.count) }
      }
    }
  }
}
