internal import CLinux
internal import Glibc

/// How a program ends that prints without end, for a person who looks on. It holds nothing that would have to be given
/// back, so the signals end it where it stands. It writes whole lines: only one that waits for a slow reader is cut.
package enum QuietEnding {
  /// From now on SIGINT, by which people leave such a program, ends it with exit code 0. Where whoever started it has
  /// SIGINT ignored (a job in the background of a script), it stays so.
  package static func atInterrupt() {
    var standing = sigaction()
    guard unsafe sigaction(SIGINT, nil, &standing) == 0, standing.isDefault else { return }
    _ = signal(SIGINT) { _ in _exit(0) }
  }

  /// From now on the program ends with exit code 0 as soon as the last reader of its standard output is gone, also while
  /// it sleeps. Only for a pipe: the settings of a terminal are shared with others.
  ///
  /// Linux sends SIGIO when the last reader closes its end (F_SETOWN of fcntl(2)), and also when there is room again:
  /// the handler looks which it was.
  package static func whenOutputIsUnread() {
    var status = stat()
    guard unsafe fstat(1, &status) == 0, status.st_mode & S_IFMT == S_IFIFO else { return }
    _ = signal(SIGIO) { _ in QuietEnding.endIfOutputIsUnread() }
    let flags = fcntl(1, F_GETFL)
    guard flags >= 0, fcntl(1, F_SETOWN, getpid()) == 0 else { return }
    _ = fcntl(1, F_SETFL, flags | O_ASYNC)
    // It may have been closed before anybody would have told.
    endIfOutputIsUnread()
  }

  /// poll(2) and _exit(2) may be called in a handler (signal-safety(7)).
  private static func endIfOutputIsUnread() {
    var request = pollfd(fd: 1, events: 0, revents: 0)
    if unsafe poll(&request, 1, 0) > 0, request.revents & Int16(POLLERR) != 0 { _exit(0) }
  }
}

extension sigaction {
  /// Whether nobody has asked for anything else than the signal's own action.
  fileprivate var isDefault: Bool {
    unsafe unsafeBitCast(__sigaction_handler.sa_handler, to: Int.self) == 0
  }
}
