import Inbox
import Ring
import Settings
import System
import Terminal

/// A consumer who waits for what comes: drives a `Follower` on the real queue, lock and clock.
struct Following: ~Copyable {
  var consumer: Consumer
  private var follower: Follower
  private let access: Consumer.Access
  /// The file that is open. Asked before it was opened: at worst it is opened once more for nothing.
  private var identity: FileIdentity?
  private var wakeWord: UInt32 = 0

  /// - Parameters:
  ///   - timeout: in nanoseconds; nil: without end.
  ///   - needsDaemon: whether to end where there is none.
  init(
    _ access: Consumer.Access, timeout: UInt64?, needsDaemon: Bool, _ session: borrowing Session
  ) throws(Failure) {
    follower = Follower(now: SystemClock.monotonic(), timeout: timeout, needsDaemon: needsDaemon)
    identity = try session.queueIdentity()
    do { consumer = try session.open(access) } catch { throw Failure(error) }
    self.access = access
  }

  /// What is to be done before the queue is looked at.
  ///
  /// - Returns: how the daemon is, where that was looked at.
  mutating func prepare(_ session: borrowing Session) throws(Failure) -> DaemonHealth? {
    wakeWord = consumer.reader.wakeWord
    let now = SystemClock.monotonic()
    guard follower.isInspectionDue(isSuperseded: consumer.reader.isSuperseded, now: now) else { return nil }
    let current = try session.queueIdentity()
    let name: Follower.Name = current == nil ? .missing : current == identity ? .same : .replaced
    let health = try session.health(consumer)
    follower.note(name, isDaemonAbsent: health.isAbsent, now: now)
    return health
  }

  /// What is to be done when nothing (more) was found: sleeps, or opens the queue's new file.
  ///
  /// - Returns: why there is nothing to wait for; nil: look again.
  mutating func rest(_ session: borrowing Session) throws(Failure) -> Follower.End? {
    switch follower.next(now: SystemClock.monotonic()) {
    case .sleep(let nanoseconds): consumer.reader.wait(since: wakeWord, atMost: nanoseconds)
    case .reopen: try reopen(session)
    case .end(let end): return end
    }
    return nil
  }

  /// One that has a cursor goes on where that stands; one without, where it was.
  private mutating func reopen(_ session: borrowing Session) throws(Failure) {
    let current = try session.queueIdentity()
    do throws(InboxError) {
      var fresh = try session.open(access)
      if case .withoutCursor = access { try fresh.resume(at: consumer.place) }
      consumer = fresh
      identity = current
    } catch {
      // Gone again already: the next inspection says so.
      if case .queue(.missing) = error { return }
      throw Failure(error)
    }
  }
}

extension Session {
  /// Which file has the queue's name; nil where there is none for the moment.
  fileprivate func queueIdentity() throws(Failure) -> FileIdentity? {
    let isFolderGone: Bool
    do throws(SystemError) {
      if let identity = try state.folder.identity(of: StateFolder.queueFile) { return identity }
      isFolderGone = try state.folder.descriptor.status(state.path).links == 0
    } catch {
      throw Failure("cannot look at the queue", error)
    }
    // No queue will ever be in it again: one made anew in its place is another folder.
    guard !isFolderGone else { throw Failure(.noQueue, "no queue here any more", why: "\(state.path) was removed") }
    return nil
  }
}
