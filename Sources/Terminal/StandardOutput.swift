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
    guard !buffer.isEmpty else { return }
    do {
      let duplicate = try FileDescriptor(duplicating: descriptor)
      try duplicate.writeAll(buffer.readable)
      try duplicate.close()
    } catch {
      throw Failure(.inputOutput, "cannot write the output", why: error.reason)
    }
    buffer.removeAll()
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
  package func note(_ text: String) {
    var line = ByteBuffer(capacity: 256)
    line.append(utf8: program)
    line.append(": ")
    line.append(utf8: DisplayText.harmless(text))
    line.append(UInt8(ascii: "\n"))
    do {
      let duplicate = try FileDescriptor(duplicating: descriptor)
      try duplicate.writeAll(line.readable)
    } catch {
      // Nowhere is left to say it.
    }
  }

  package func warning(_ text: String) { note("warning: " + text) }

  package func failure(_ failure: Failure) { note(failure.line) }
}
