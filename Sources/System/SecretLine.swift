internal import Bytes
internal import Glibc

/// A line typed at a terminal that is not to be seen.
package enum SecretLine {
  package enum Outcome: Equatable {
    case line(String)
    /// Ctrl-C, Ctrl-D on an empty line, or the terminal went.
    case cancelled
  }

  /// Reads one line from the terminal at `descriptor` without showing it. Keys are taken one by one, Ctrl-C among them,
  /// so that the terminal is as it was when this ends, however it does.
  ///
  /// - Parameters:
  ///   - limit: bytes; what is typed beyond is not taken.
  ///   - prompt: asks for the line. It is called when nothing that is typed is shown any more, and nothing is thrown away
  ///     from then on: who pastes at once is heard.
  package static func read(_ descriptor: Int32, limit: Int, prompt: () -> Void) -> Outcome {
    var before = termios()
    guard unsafe tcgetattr(descriptor, &before) == 0 else { return .cancelled }
    var quiet = before
    quiet.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
    guard unsafe tcsetattr(descriptor, TCSANOW, &quiet) == 0 else { return .cancelled }
    defer { _ = unsafe tcsetattr(descriptor, TCSANOW, &before) }
    prompt()
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while let count = try? systemCall("read", "", { unsafe Glibc.read(descriptor, &byte, 1) }), count == 1 {
      switch byte {
      case 0x0A, 0x0D: return .line(String(repairing: line.span))
      case 0x03: return .cancelled
      case 0x04:
        if line.isEmpty { return .cancelled }
        return .line(String(repairing: line.span))
      case 0x08, 0x7F: _ = line.popLast()
      // Ctrl-U: the whole line.
      case 0x15: line.removeAll()
      default: if line.count < limit { line.append(byte) }
      }
    }
    return .cancelled
  }
}
