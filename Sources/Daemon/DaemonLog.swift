internal import Bytes
package import System

/// How much a line of the log matters; the raw values are syslog's (RFC 5424 section 6.2.1), which sd-daemon(3) uses.
package enum LogLevel: UInt8, Sendable {
  case error = 3
  case warning = 4
  case notice = 5
  case info = 6

  var word: String {
    switch self {
    case .error: "error: "
    case .warning: "warning: "
    case .notice, .info: ""
    }
  }
}

/// The daemon's log: lines on stderr. Under journald each begins with its priority, elsewhere with the local time. No
/// secret is ever given to it.
package final class DaemonLog {
  private let forJournal: Bool
  private let output: FileDescriptor
  /// Lines that nobody could take.
  private var dropped = 0
  /// A pipe that is ready takes PIPE_BUF (4,096) bytes at once; a longer line is cut.
  private static let lineBytes = 4000

  package init(environment: Environment) throws(SystemError) {
    output = try FileDescriptor(duplicating: 2)
    // Set by systemd for services whose output goes to the journal, and inherited by everything they start: it holds
    // only where it names the file that stderr is (systemd.exec(5)).
    let status = try output.status()
    forJournal = environment.text("JOURNAL_STREAM") == "\(status.device):\(status.inode)"
  }

  /// - Parameter forJournal: whether the output is the journal's, which wants priorities instead of times.
  package init(_ output: consuming FileDescriptor, forJournal: Bool) {
    self.output = output
    self.forJournal = forJournal
  }

  package func callAsFunction(_ level: LogLevel, _ text: String) {
    var line = ByteBuffer(capacity: 256)
    if forJournal {
      line.append(utf8: "<\(level.rawValue)>")
    } else {
      line.append(utf8: LocalTime(unixNanoseconds: SystemClock.wall()).text + " " + level.word)
    }
    // One line each, whatever a message's sender or a server put into a name or an error.
    for scalar in text.unicodeScalars {
      line.append(utf8: scalar.isControl ? " " : String(scalar))
    }
    if line.count > Self.lineBytes { line.truncate(to: Self.lineBytes) }
    line.append("\n")
    write(line)
  }

  /// A log that nobody reads must not stop the bus: where a line would have to wait, it is dropped and counted.
  private func write(_ line: borrowing ByteBuffer) {
    guard output.isWritable() else {
      dropped += 1
      return
    }
    do {
      if dropped > 0 {
        var note = ByteBuffer(capacity: 64)
        note.append(utf8: "(\(dropped) lines were dropped: nobody read them)\n")
        try output.writeAll(note.readable)
        dropped = 0
        guard output.isWritable() else {
          dropped = 1
          return
        }
      }
      try output.writeAll(line.readable)
    } catch {
      dropped += 1
    }
  }
}
