internal import Bytes
package import System

/// A program to be run without a shell, and what it is given.
package struct CommandRequest: Sendable {
  /// The program and its arguments; not empty.
  package var arguments: [String]
  /// `NAME=value`, in place of or beside what our own environment has.
  package var variables: [String] = []
  /// What it reads as its standard input.
  package var input: [UInt8] = []
  /// After how long it is asked to end, in nanoseconds; 2 s later it is ended by force.
  package var deadline = UInt64.seconds(30)

  package init(_ arguments: [String]) { self.arguments = arguments }
}

/// What became of a program that was run.
package struct CommandOutcome: Equatable, Sendable {
  package enum Ending: Equatable, Sendable {
    case process(ProcessEnding)
    /// It did not end by itself in time.
    case timedOut
    /// It could not be started, or not be waited for.
    case failed(SystemError)
  }

  package let ending: Ending
  /// The first `Limits.commandOutputBytes` of what it wrote to its standard output; `errors` of the other one.
  package let output: [UInt8]
  package let errors: [UInt8]
  /// Whether there was more output than that.
  package let isCut: Bool

  package var succeeded: Bool { ending == .process(.exited(0)) }
}

/// One run of a program, from a loop that goes on turning.
///
///     start ─▶ running ─deadline─▶ asked to end ─2 s─▶ ended by force
///                 └──────────────────┴─────────────────────┴──▶ the process is gone: told once
///
/// It is over when the process itself is gone: what it left running behind it, with our pipes open, is not waited for, but
/// after a deadline its whole group is gone too.
package final class CommandRun: ReadinessHandler, TimerHandler {
  /// Between asking and force, in nanoseconds.
  private static let patience = UInt64.seconds(2)

  /// One of its two outputs.
  private final class Stream {
    let reader: FileDescriptor
    let token: EventToken
    private(set) var kept = ByteBuffer(capacity: 1024)
    private(set) var isCut = false

    init(_ reader: consuming FileDescriptor, _ loop: EventLoop, _ handler: any ReadinessHandler) throws(SystemError) {
      token = try loop.add(reader.raw, .readable, handler)
      self.reader = reader
    }

    /// Reads what is there; false at the end. What is over the limit is read all the same: the program must not wait
    /// for us.
    func drain(_ scratch: inout ByteBuffer) -> Bool {
      for _ in 0..<CommandRun.readsPerTurn {
        scratch.removeAll()
        guard let progress = try? reader.read(into: &scratch, atLeast: 4096), progress != .end else { return false }
        guard case .bytes(let count) = progress else { return true }
        let room = Limits.commandOutputBytes - kept.count
        kept.append(contentsOf: scratch.readable.extracting(0..<min(room, count)))
        isCut = isCut || count > room
      }
      return true
    }
  }

  private static let readsPerTurn = 16

  private let loop: EventLoop
  private var process: ChildProcess?
  private var output: Stream?
  private var errors: Stream?
  private var exitToken: EventToken?
  private var timer: TimerToken?
  private var isAsked = false
  private var failure: SystemError?
  private var scratch = ByteBuffer(capacity: 4096)
  private var told: ((CommandOutcome) -> Void)?

  package init(_ loop: EventLoop) { self.loop = loop }

  /// Starts the program. `told` is called once, from a later turn; until then the loop holds this object.
  package func start(_ request: CommandRequest, _ told: @escaping (CommandOutcome) -> Void) {
    precondition(self.told == nil, "a run is started once at a time")
    self.told = told
    do throws(SystemError) {
      try begin(request)
      timer = loop.arm(after: request.deadline, self)
    } catch {
      failure = error
      timer = loop.arm(at: loop.now, self)
    }
  }

  /// Ends it by force, and tells nobody: for a daemon that stops.
  package func cancel() {
    process?.end(byForce: true)
    _ = try? process?.ending()
    letGo()
    told = nil
  }

  private func begin(_ request: CommandRequest) throws(SystemError) {
    let input = try FileDescriptor(holding: request.input.span)
    let outputPipe = try Pipe()
    let errorPipe = try Pipe()
    let process = try ChildProcess(
      request.arguments, variables: request.variables, input: input, output: outputPipe.writer, error: errorPipe.writer)
    // Owned from here on, so that a failure below does not leave it unheard.
    exitToken = nil
    let ended = process.ended.raw
    self.process = consume process
    do throws(SystemError) {
      exitToken = try loop.add(ended, .readable, self)
      output = try Stream(outputPipe.keepReader(), loop, self)
      errors = try Stream(errorPipe.keepReader(), loop, self)
    } catch {
      self.process?.end(byForce: true)
      throw error
    }
  }

  package func ready(_ readiness: Readiness, _ token: EventToken) {
    if token == exitToken { return finish(timedOut: isAsked) }
    for stream in [output, errors] {
      if let stream, stream.token == token, !stream.drain(&scratch) { loop.remove(token) }
    }
  }

  package func timerFired(_ token: TimerToken) {
    timer = nil
    if failure != nil { return finish(timedOut: false) }
    process?.end(byForce: isAsked)
    isAsked = true
    timer = loop.arm(after: Self.patience, self)
  }

  private func finish(timedOut: Bool) {
    var ending = CommandOutcome.Ending.timedOut
    if let failure {
      ending = .failed(failure)
    } else if process != nil {
      do throws(SystemError) {
        // Still running: the loop was told of something else.
        guard let found = try process?.ending() else { return }
        if !timedOut { ending = .process(found) }
      } catch {
        ending = .failed(error)
      }
    }
    _ = output?.drain(&scratch)
    _ = errors?.drain(&scratch)
    let outcome = CommandOutcome(
      ending: ending, output: output.map { [UInt8](copying: $0.kept.readable) } ?? [],
      errors: errors.map { [UInt8](copying: $0.kept.readable) } ?? [],
      isCut: (output?.isCut ?? false) || (errors?.isCut ?? false))
    letGo()
    let told = self.told
    self.told = nil
    told?(outcome)
  }

  private func letGo() {
    if let exitToken { loop.remove(exitToken) }
    if let output { loop.remove(output.token) }
    if let errors { loop.remove(errors.token) }
    if let timer { loop.cancel(timer) }
    exitToken = nil
    timer = nil
    output = nil
    errors = nil
    process = nil
    failure = nil
    isAsked = false
  }
}

extension CommandRequest {
  /// Runs it to its end, from a program that has nothing else to do meanwhile.
  package func run() throws(SystemError) -> CommandOutcome {
    let loop = EventLoop(poller: try EpollPoller())
    let run = CommandRun(loop)
    var outcome: CommandOutcome?
    run.start(self) {
      outcome = $0
      loop.stop()
    }
    try loop.run()
    loop.forgetAll()
    guard let outcome else { preconditionFailure("the loop ends only when the program has") }
    return outcome
  }
}
