import Bytes
import Daemon
import EventLoop
import JSON
import Message
import Network
import Outbox
import RedisLink
import Ring
import Settings
import Setup
import System
import Terminal

/// Puts the daemon together on the real system, runs it, and takes it down again.
func run(_ arguments: Arguments, _ notes: StandardError) throws(Failure) -> ExitCode {
  let signals: SignalSource
  let log: DaemonLog
  let loop: EventLoop
  let resolver: SystemResolver
  do {
    // First of all: a signal that comes earlier would end the process without a word.
    signals = try SignalSource()
    log = try DaemonLog(environment: .process)
    loop = EventLoop(poller: try EpollPoller())
    resolver = try SystemResolver(loop)
  } catch {
    throw Failure("cannot start", error)
  }
  let settings = try arguments.loadSettings(notes)
  let target = try redisTarget(settings)
  let transports = try RedisTransports(settings)
  let state = try arguments.openStateFolder(settings, create: true)

  let path = state.path
  let lock: FileDescriptor?
  do { lock = try state.lockForDaemon(patience: .seconds(2)) } catch { throw Failure(error) }
  guard lock != nil else {
    throw Failure(
      .tryLater, "another clawd works on \(state.path)", why: "there is one daemon for each state folder",
      whatToDo: "use that one, or name another folder with --state-dir")
  }
  let writer = try openQueue(state, settings, log)
  let files: StateFiles
  do throws(SystemError) { files = try StateFiles(state.folder) } catch { throw Failure("cannot start", error) }
  let intake: Intake
  do throws(QueueError) {
    intake = try Intake(writer, limit: settings.maxMessageBytes + Limits.receivedSlack, log: log)
  } catch {
    throw Failure(error)
  }
  guard settings.redis != .notConfigured || !intake.wasJoined else {
    throw Failure(
      .configuration, "no redis_url", why: "this queue was joined to Redis before",
      whatToDo: "set redis_url, or set it to \"local\" to go on without Redis")
  }

  let random = { (try? systemRandom()) ?? 0 }
  let manager = ServiceManager(.process, pid: processID())
  let system = DaemonSystem(
    makeLink: { handler in
      target.map {
        RedisLink(
          loop, resolver, $0, random: random, handler: handler, makeTransport: transports.make)
      }
    },
    loadSettings: { () throws(ReloadFault) in
      do throws(Failure) {
        let fresh = try arguments.loadSettings(notes)
        try transports.reload()
        return fresh
      } catch {
        throw ReloadFault(why: error.line)
      }
    },
    filesAreInPlace: {
      guard let folder = try? Folder(path), let found = try? StateFiles(folder) else { return false }
      return found == files
    },
    random: random, target: target?.checksum ?? 0, notify: manager.notify, watchdog: manager.watchdog)
  let daemon = Daemon(loop, settings, intake: intake, pid: processID(), log: log, system: system)
  log(
    .notice, "clawd \(ProgramVersion.text) on \(state.path), \(target.map { "Redis at \($0.endpoint)" } ?? "local bus")"
  )
  do throws(OutboxError) {
    try daemon.start(state: state.folder, access: settings.shareGroup ? OutboxAccess.shared : .own)
  } catch {
    throw Failure(error)
  }
  let watch = watchConfiguration(loop, settings, log) { daemon.received(.hangUp) }
  do throws(SystemError) {
    try signals.start(loop, daemon)
    try loop.run()
  } catch {
    daemon.end()
    throw Failure("cannot go on", error)
  }
  daemon.end()
  watch?.stop()
  signals.stop()
  resolver.stop()
  guard !daemon.lostItsFiles else {
    throw Failure(.inputOutput, "the queue in \(path) was removed or replaced", whatToDo: "start clawd again")
  }
  return .success
}

/// Has the configuration read again when its file is replaced; nil where there is none, or it cannot be watched.
private func watchConfiguration(
  _ loop: EventLoop, _ settings: Settings, _ log: DaemonLog, changed: @escaping () -> Void
) -> ConfigurationWatch? {
  guard let file = settings.file else { return nil }
  do throws(SystemError) { return try ConfigurationWatch(loop, path: file, changed: changed) } catch {
    log(.warning, "\(file) cannot be watched, so SIGHUP alone has it read again: \(error)")
    return nil
  }
}

/// Opens the queue file, says what became of it, and sets the consumers' marks right after a crash of the machine.
private func openQueue(
  _ state: borrowing StateFolder, _ settings: Settings, _ log: DaemonLog
) throws(Failure) -> RingWriter {
  let writer: RingWriter
  do {
    writer = try RingWriter.open(
      StateFolder.queueFile, in: state.folder, capacity: settings.queueBytes, permissions: state.filePermissions,
      lossReason: LossReason.reset.rawValue, now: SystemClock.wall() / 1000)
  } catch {
    guard case .damaged(let path, let what) = error else { throw Failure(error) }
    // What can be repaired was repaired: this cannot.
    throw Failure(
      .badData, "cannot use \(path)", why: "it is damaged: \(what)",
      whatToDo: "move it away, keep it for whoever wants to look into it, and start clawd, which makes a new one")
  }
  switch writer.outcome {
  case .opened: break
  case .created: log(.notice, "made a new queue of \(writer.capacity) bytes")
  case .recovered(let rebooted, let lost, let oldest):
    let cause = rebooted ? "the machine was started anew" : "some of the queue file was damaged"
    let losses = lost == 0 ? [] : [lost == 1 ? "1 message was lost" : "\(lost) messages were lost"]
    let given = oldest.map { ["the messages before number \($0) had to be given up"] } ?? []
    let cost = losses + given
    log(
      cost.isEmpty ? .notice : .error, "\(cause): \(cost.isEmpty ? "nothing was lost" : cost.joined(separator: "; "))")
  case .replaced(let aside):
    log(.error, "nothing in the queue could be read any more: it was kept as \(aside), and a new one made")
  }
  switch writer.rebuilding {
  case .notNeeded: break
  case .done(let capacity, let version, let dropped):
    let change =
      capacity == writer.capacity
      ? "brought the queue from format \(version) to \(QueueLayout.version)"
      : "the queue has \(writer.capacity) bytes now instead of \(capacity)"
    log(.notice, "\(change); \(dropped == 0 ? "all of it was kept" : "the oldest \(dropped) numbers did not fit")")
  case .failed(let error):
    let wish =
      writer.capacity == UInt64(settings.queueBytes)
      ? "could not be brought into the present format"
      : "could not be given \(settings.queueBytes) bytes instead of \(writer.capacity)"
    log(.warning, "the queue \(wish), and is used as it is: \(error)")
  }
  guard writer.largestPayload >= settings.maxMessageBytes + Limits.receivedSlack else {
    throw Failure(
      .configuration, "max_message_bytes is \(settings.maxMessageBytes)",
      why: "the queue \(writer.path) has \(writer.capacity) bytes and takes messages of "
        + "\(writer.largestPayload - Limits.receivedSlack)",
      whatToDo: "lower max_message_bytes, or make room for a queue of queue_bytes and start clawd again")
  }
  prepareCursors(state, writer, log)
  return writer
}

/// Makes the default consumer's read mark, which exists from the queue's birth, and sets back the marks that are ahead
/// of the queue. No failure here keeps messages from coming in: whoever reads meets it again.
private func prepareCursors(_ state: borrowing StateFolder, _ writer: borrowing RingWriter, _ log: DaemonLog) {
  do {
    let cursors = try Folder(
      making: StateFolder.cursorsFolder, in: state.folder, permissions: state.folderPermissions)
    try Cursor.clamp(in: cursors, to: writer.nextSequence)
    if try Cursor.open(Cursor.defaultName, in: cursors, writable: false) == nil {
      _ = try Cursor.make(
        Cursor.defaultName, in: cursors, generation: writer.generation, start: 1, permissions: state.filePermissions)
    }
  } catch {
    log(.warning, "the consumers' read marks: \(error)")
  }
}

/// Which files queue and lock are, whatever their names are given to later.
private struct StateFiles: Equatable {
  private let queue: FileIdentity
  private let lock: FileIdentity

  init(_ folder: borrowing Folder) throws(SystemError) {
    queue = try folder.status(of: StateFolder.queueFile).identity
    lock = try folder.status(of: StateFolder.lockFile).identity
  }
}
