internal import Bytes
internal import CLinux
internal import Glibc

/// How a process ended.
package enum ProcessEnding: Equatable, Sendable {
  /// With the code it gave, 0 to 255.
  case exited(Int32)
  /// By a signal, of that number.
  case signaled(Int32)
}

/// A program that was started from here: no shell, its signals as a shell would give them, in a process group of its own.
///
/// Owns the process: whoever lets go of it before `ending` has answered leaves a process that nobody waits for.
package struct ChildProcess: ~Copyable {
  package let pid: Int32
  /// Readable once the process has ended (pidfd_open(2)).
  package let ended: FileDescriptor

  /// Starts `arguments[0]`, looked for in `PATH` where it has no slash.
  ///
  /// - Parameters:
  ///   - arguments: not empty; none holds a NUL.
  ///   - variables: `NAME=value`, in place of what our own environment has under the name, or beside it; no NUL.
  ///   - input: its descriptor 0; `output` and `error` its 1 and 2. They stay the caller's.
  /// - Throws: where it could not be started; the subject is the program.
  package init(
    _ arguments: [String], variables: [String] = [], input: borrowing FileDescriptor,
    output: borrowing FileDescriptor, error: borrowing FileDescriptor
  ) throws(SystemError) {
    let program = arguments.first ?? ""
    let words = try Self.terminated(arguments, subject: program)
    let additions = try Self.terminated(variables, subject: program)
    let (inputRaw, outputRaw, errorRaw) = (input.raw, output.raw, error.raw)
    let pid = try systemCall("posix_spawn", program) {
      unsafe words.withUnsafeBufferPointer { words in
        unsafe additions.withUnsafeBufferPointer { additions in
          unsafe clinux_spawn(
            words.baseAddress, arguments.count, additions.baseAddress, variables.count, inputRaw, outputRaw, errorRaw)
        }
      }
    }
    let raw: Int32
    do throws(SystemError) {
      raw = Int32(truncatingIfNeeded: try systemCall("pidfd_open") { clinux_pidfd_open(pid) })
    } catch {
      // It is ours and nobody will hear of it: it must not go on.
      Glibc.kill(-pid, SIGKILL)
      var status: Int32 = 0
      _ = unsafe waitpid(pid, &status, 0)
      throw error
    }
    self.pid = pid
    ended = FileDescriptor(owning: raw)
  }

  /// How it ended; nil while it runs. Asked again after it answered, it fails: the process is gone.
  package func ending() throws(SystemError) -> ProcessEnding? {
    let pid = self.pid
    var result: Int32 = 0
    _ = try systemCall("waitpid") {
      result = clinux_reap(pid)
      return result == -1 ? Int32(-1) : 0
    }
    return switch result {
    case -2: nil
    case 256...: .signaled(result - 256)
    default: .exited(result)
    }
  }

  /// Asks the process and all that it started in its group to end (SIGTERM), or ends them (SIGKILL). Only before `ending`
  /// has answered: the number may be another's afterwards.
  package func end(byForce: Bool) {
    Glibc.kill(-pid, byForce ? SIGKILL : SIGTERM)
  }

  /// Becomes another program, which has our descriptors; returns only where that fails.
  package static func become(_ arguments: [String]) -> SystemError {
    let program = arguments.first ?? ""
    do throws(SystemError) {
      let words = try terminated(arguments, subject: program)
      _ = try systemCall("execvp", program) {
        unsafe words.withUnsafeBufferPointer { unsafe clinux_become($0.baseAddress, arguments.count) }
      }
    } catch {
      return error
    }
    preconditionFailure("execvp does not return 0")
  }

  /// The texts one behind the other, each with a final 0.
  private static func terminated(_ texts: [String], subject: String) throws(SystemError) -> [CChar] {
    var all: [CChar] = []
    for text in texts {
      for byte in text.utf8 {
        guard byte != 0 else { throw SystemError(code: EINVAL, call: "posix_spawn", subject: subject) }
        all.append(CChar(bitPattern: byte))
      }
      all.append(0)
    }
    return all
  }
}

/// Bytes on their way from one process to another (pipe(2)).
package struct Pipe: ~Copyable {
  /// Does not block.
  package let reader: FileDescriptor
  package let writer: FileDescriptor

  package init() throws(SystemError) {
    var ends: [Int32] = [-1, -1]
    _ = try systemCall("pipe") { unsafe ends.withUnsafeMutableBufferPointer { unsafe clinux_pipe($0.baseAddress) } }
    reader = FileDescriptor(owning: ends[0])
    writer = FileDescriptor(owning: ends[1])
  }

  /// Keeps the reading end alone: once every copy of the other is closed, reading finds the end.
  package consuming func keepReader() -> FileDescriptor { reader }
}

extension FileDescriptor {
  /// A file without a name that holds `content`, to be read from its start: what a process reads as its input, with
  /// nobody who must go on writing.
  package init(holding content: borrowing Span<UInt8>) throws(SystemError) {
    let raw = try systemCall("memfd_create") { unsafe clinux_memory_file("input") }
    let file = FileDescriptor(owning: Int32(truncatingIfNeeded: raw))
    try file.writeAll(content)
    let descriptor = file.raw
    _ = try systemCall("lseek") { lseek(descriptor, 0, SEEK_SET) }
    self = file
  }
}
