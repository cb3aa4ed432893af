import Bytes
import Glibc
import Settings
import System
import Terminal
import Testing

@Suite struct OutputTests {
  private func failure(writingTo descriptor: Int32, _ count: Int = 10) -> Failure? {
    var output = StandardOutput(descriptor: descriptor)
    for _ in 0..<count { output.buffer.append(UInt8(ascii: "x")) }
    do throws(Failure) {
      try output.write()
      return nil
    } catch {
      #expect(output.buffer.count == count)
      return error
    }
  }

  @Test("a full disk is an error")
  func fullDisk() throws {
    let full = try FileDescriptor(opening: "/dev/full", .writeOnly)
    #expect(failure(writingTo: full.raw)?.exitCode == .inputOutput)
    // Nothing to write is no fault.
    #expect(failure(writingTo: full.raw, 0) == nil)
  }

  @Test("a pipe that nobody reads is an error, not the end of the process")
  func closedPipe() throws {
    StandardStreams.ignoreBrokenPipes()
    var ends: [Int32] = [0, 0]
    #expect(unsafe pipe(&ends) == 0)
    close(ends[0])
    #expect(failure(writingTo: ends[1])?.exitCode == .inputOutput)
    close(ends[1])
  }

  @Test("a descriptor that is closed or not open for writing is an error")
  func closedDescriptor() throws {
    #expect(failure(writingTo: -1)?.exitCode == .inputOutput)
    let wrongWay = try FileDescriptor(opening: "/dev/null", .readOnly)
    #expect(failure(writingTo: wrongWay.raw)?.exitCode == .inputOutput)
  }

  @Test("all that was collected arrives, also through a pipe that takes it in pieces and does not block")
  func whole() throws {
    var ends: [Int32] = [0, 0]
    #expect(unsafe pipe(&ends) == 0)
    let (reading, writing) = (ends[0], ends[1])
    _ = fcntl(writing, F_SETFL, O_NONBLOCK)
    let total = 300_000
    // The reader needs a second thread here: it is the other program of a pipeline.
    var thread = pthread_t()
    let result = UnsafeMutablePointer<Int>.allocate(capacity: 2)
    unsafe result[0] = Int(reading)
    unsafe result[1] = 0
    unsafe pthread_create(
      &thread, nil,
      { raw in
        let result = unsafe raw!.assumingMemoryBound(to: Int.self)
        var chunk = [UInt8](repeating: 0, count: 1000)
        while true {
          var request = unsafe pollfd(fd: Int32(result[0]), events: Int16(POLLIN), revents: 0)
          unsafe poll(&request, 1, -1)
          let count = unsafe read(Int32(result[0]), &chunk, 1000)
          if count == 0 { return nil }
          if count > 0 { unsafe result[1] += count }
        }
      }, result)
    #expect(failure(writingTo: writing, total) == nil)
    close(writing)
    pthread_join(thread, nil)
    #expect(unsafe result[1] == total)
    unsafe result.deallocate()
    close(reading)
  }

  @Test("a note is one harmless line with the program's name, and never fails")
  func notes() throws {
    var ends: [Int32] = [0, 0]
    #expect(unsafe pipe(&ends) == 0)
    let reading = FileDescriptor(owning: ends[0])
    let notes = StandardError(program: "clawq", descriptor: ends[1])
    notes.warning("a\nb\u{1b}[2J")
    notes.failure(Failure(.usage, "what", why: "why", whatToDo: "do this"))
    notes.failure(Failure(.usage, "what", whatToDo: "do this"))
    close(ends[1])
    var buffer = ByteBuffer(capacity: 100)
    _ = try reading.readWhole(limit: 1000, into: &buffer)
    #expect(
      String(repairing: buffer.readable)
        == "clawq: warning: a⏎b\\x1b[2J\nclawq: what: why; do this\nclawq: what; do this\n")
    notes.note("nobody listens")
    StandardError(program: "clawq", descriptor: -1).note("nobody can")
  }

  @Test("a configuration fault ends with 78 and says file, place and reason on one line")
  func settingsFaults() {
    let failure = Failure(SettingsFault.malformed(path: "/c", line: 2, column: 3, reason: "a colon"))
    #expect(failure.exitCode == .configuration)
    #expect(failure.line == "cannot read the configuration /c: line 2, column 3: a colon")
  }

  @Test("every state folder error has an exit code of ours and keeps its mend")
  func stateFolderErrors() {
    let system = SystemError(code: EIO, call: "open", subject: "/x")
    let errors: [(StateFolderError, ExitCode)] = [
      (.notLocated("why"), .configuration), (.missing(path: "/x"), .noQueue), (.notFolder(path: "/x"), .permission),
      (.symbolicLink(path: "/x"), .permission), (.foreign(path: "/x"), .permission),
      (.writableByOthers(path: "/x", mend: 0o700), .permission), (.denied(system), .permission),
      (.failed(system), .inputOutput),
    ]
    for (error, code) in errors { #expect(Failure(error).exitCode == code) }
    #expect(Failure(StateFolderError.writableByOthers(path: "/x", mend: 0o700)).line.hasSuffix("; chmod 700 /x"))
    #expect(Failure("cannot read", SystemError(code: EACCES, call: "open")).exitCode == .permission)
    #expect(Failure("cannot read", system).line == "cannot read (/x): Input/output error")
  }
}
