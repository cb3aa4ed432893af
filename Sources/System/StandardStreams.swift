internal import CLinux
internal import Glibc

/// What every program does with its three standard descriptors before anything else.
package enum StandardStreams {
  /// Makes sure that descriptors 0, 1 and 2 are taken and that a closed pipe is an error, not a signal.
  ///
  /// A program started with one of them closed (`clawq get >&-`) would get that number for the next file it opens, and
  /// then write its output into the queue. A descriptor that is missing is filled with /dev/null opened the wrong way
  /// round, so that using it fails with EBADF and is noticed.
  package static func prepare() {
    for (number, wrongWay) in [(Int32(0), O_WRONLY), (1, O_RDONLY), (2, O_RDONLY)] {
      guard fcntl(number, F_GETFD) < 0 else { continue }
      // The lowest free number is the missing one, since those below it are taken by now.
      _ = unsafe Glibc.open("/dev/null", wrongWay)
    }
    ignoreBrokenPipes()
    // A file at its size limit (setrlimit(2)) gives EFBIG instead of ending the process.
    _ = signal(SIGXFSZ, SIG_IGN)
    explainBusErrors()
  }

  /// A mapped file that somebody cuts short while it is in use ends the process at the next look at what is gone
  /// (SIGBUS): nothing else can be done then, but it need not happen without a word. The exit code is that of damaged
  /// data.
  private static func explainBusErrors() {
    _ = signal(SIGBUS) { _ in
      let text: StaticString =
        "openclaw-bus: a file was cut short by someone else while it was in use; stop, look, start again\n"
      // write(2) and _exit(2) are all that may be called here (signal-safety(7)).
      _ = unsafe Glibc.write(2, text.utf8Start, text.utf8CodeUnitCount)
      _exit(65)
    }
  }

  /// Whether somebody sits at the other end of `descriptor`.
  package static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// How many columns the terminal at `descriptor` has; nil where it is none, or does not say.
  package static func terminalColumns(_ descriptor: Int32) -> Int? {
    let columns = clinux_terminal_columns(descriptor)
    return columns > 0 ? Int(columns) : nil
  }

  /// Writing to a pipe or socket that nobody reads gives EPIPE instead of ending the process.
  package static func ignoreBrokenPipes() {
    _ = signal(SIGPIPE, SIG_IGN)
  }
}

/// The permissions that files and folders made from now on do not get (umask(2)).
package func setCreationMask(_ mask: UInt32) { _ = umask(mask) }

/// The user whose rights this process has.
package func effectiveUser() -> UInt32 { geteuid() }

/// This process's id.
package func processID() -> UInt64 { UInt64(getpid()) }
