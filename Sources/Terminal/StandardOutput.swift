package import Bytes
internal import System

/// A program's output, collected and then written whole: whoever moves a cursor first learns that the reader of the
/// output has all of it.
package struct StandardOutput: ~Copyable {
  /// What is to be written.
  package var buffer: ByteBuffer
  private let descriptor: Int32

  /// - Parameter descriptor: stays open and its owner's.
  package init(descriptor: Int32 = 1) {
    buffer = ByteBuffer(capacity: 1024)
    self.descriptor = descriptor
  }

  /// Writes out all that was collected, waiting where the reader is slow.
  ///
  /// - Throws: `inputOutput` where not all of it was taken: the disk is full (ENOSPC), the pipe is closed (EPIPE),
  ///   there is no standard output (EBADF). The buffer is then still full.
  package mutating func write() throws(Failure) {
    do throws(SystemError) { try writeAll() } catch { throw Self.failure(error) }
  }

  /// As `write`, but it is no fault where nobody reads it any more (`tail | head`): false then.
  package mutating func writeWhileRead() throws(Failure) -> Bool {
    do throws(SystemError) { try writeAll() } catch {
      guard error.isBrokenPipe else { throw Self.failure(error) }
      return false
    }
    return true
  }

  private mutating func writeAll() throws(SystemError) {
    guard !buffer.isEmpty else { return }
    let duplicate = try FileDescriptor(duplicating: descriptor)
    try duplicate.writeAll(buffer.readable)
    try duplicate.close()
    buffer.removeAll()
  }

  private static func failure(_ error: SystemError) -> Failure {
    Failure(.inputOutput, "cannot write the output", why: error.reason)
  }
}

/// Notes and warnings for people, on stderr. A program never fails because nobody hears them.
package struct StandardError: Sendable {
  /// Stands before each line.
  package let program: String
  private let descriptor: Int32

  package init(program: String, descriptor: Int32 = 2) {
    self.program = program
    self.descriptor = descriptor
  }

  /// Writes one line, made harmless for a terminal.
  package func note(_ text: String) { write("", .plain, text) }

  package func warning(_ text: String) { write("warning: ", .warning, text) }

  package func failure(_ failure: Failure) { write("", .alarm, failure.line) }

  /// - Parameter ink: where a person sees it, of the word that says what it is, or of the whole where there is none.
  private func write(_ word: StaticString, _ ink: Style.Ink, _ text: String) {
    let style = Style.of(descriptor)
    let harmless = DisplayText.harmless(text)
    var line = ByteBuffer(capacity: 256)
    line.append(utf8: program)
    line.append(": ")
    style.paint(ink, &line) { line in
      if word.utf8CodeUnitCount > 0 { line.append(word) } else { line.append(utf8: harmless) }
    }
    if word.utf8CodeUnitCount > 0 { line.append(utf8: harmless) }
    line.append(UInt8(ascii: "\n"))
    do {
      let duplicate = try FileDescriptor(duplicating: descriptor)
      try duplicate.writeAll(line.readable)
    } catch {
      // Nowhere is left to say it.
    }
  }
}
