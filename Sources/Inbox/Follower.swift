package import System

/// Says what someone who waits for messages does next: sleep, open the queue anew, or end. It reads no queue, sleeps on
/// nothing and asks no clock.
///
/// One turn of whoever drives it is, in this order, because nothing may be missed between looking and sleeping:
///
/// 1. load the queue's wake word and whether it is superseded;
/// 2. where `isInspectionDue`, look which file has the queue's name and whether the daemon runs, and `note` it;
/// 3. read what there is in the queue;
/// 4. where that is nothing (more), do what `next` answers; to sleep means on the wake word loaded in 1.
///
/// What 1 and 2 said was true before 3 looked: a queue that was replaced, or whose daemon was gone, before a look that
/// found nothing has nothing to come.
package struct Follower: Sendable {
  /// Which file has the queue's name.
  package enum Name: Equatable, Sendable {
    /// The one that is open.
    case same
    case replaced
    /// None, for the moment.
    case missing
  }

  /// Why there is nothing more to wait for.
  package enum End: Equatable, Sendable {
    case timedOut
    case daemonGone
    /// Nothing had the queue's name when the time was over.
    case queueGone
  }

  package enum Action: Equatable, Sendable {
    /// Until the open file's wake word changes, at most so many nanoseconds.
    case sleep(UInt64)
    /// Open the file that has the name now, and go on there.
    case reopen
    case end(End)
  }

  /// How long a sleep goes on before name and daemon are looked at again, in nanoseconds. Messages do not wait for it.
  package static let inspectionInterval: UInt64 = .seconds(5)
  /// The same while no daemon runs: that it is back is worth saying soon.
  package static let absenceInterval: UInt64 = .seconds(1)
  /// How long until a missing name is looked for again.
  package static let missingInterval: UInt64 = .milliseconds(100)

  private let deadline: Instant?
  private let needsDaemon: Bool
  private var inspectionAt: Instant
  private var name = Name.same
  private var isDaemonAbsent = false
  private var wasSuperseded = false

  /// - Parameters:
  ///   - timeout: nanoseconds from now; nil: without end.
  ///   - needsDaemon: end where there is none.
  package init(now: Instant, timeout: UInt64?, needsDaemon: Bool) {
    deadline = timeout.map { now + $0 }
    self.needsDaemon = needsDaemon
    inspectionAt = now
  }

  /// - Parameter isSuperseded: what the open file says of itself: then another has its name.
  package mutating func isInspectionDue(isSuperseded: Bool, now: Instant) -> Bool {
    // Once is enough: of a file that says so and has the name all the same, nothing more is to be learnt.
    if isSuperseded, !wasSuperseded {
      wasSuperseded = true
      return true
    }
    return inspectionAt <= now
  }

  /// Takes what was seen of the world just now.
  package mutating func note(_ name: Name, isDaemonAbsent: Bool, now: Instant) {
    self.name = name
    self.isDaemonAbsent = isDaemonAbsent
    let calm = isDaemonAbsent ? Self.absenceInterval : Self.inspectionInterval
    inspectionAt = now + (name == .missing ? Self.missingInterval : calm)
  }

  /// What comes after a look that found nothing.
  package mutating func next(now: Instant) -> Action {
    if name == .replaced {
      name = .same
      wasSuperseded = false
      // The new file has a state of its own, and may be gone again already.
      inspectionAt = now
      return .reopen
    }
    if isDaemonAbsent, needsDaemon, name == .same { return .end(.daemonGone) }
    let left = deadline.map { $0 - now }
    if left == 0 { return .end(name == .missing ? .queueGone : .timedOut) }
    return .sleep(min(inspectionAt - now, left ?? .max))
  }
}
