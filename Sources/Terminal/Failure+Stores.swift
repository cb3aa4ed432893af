package import Inbox
package import Outbox
package import Ring
internal import System

// What a fault of queue, cursor or outbox means at the command line: one home for the three programs.

extension Failure {
  package init(_ error: QueueError) {
    switch error {
    case .missing(let path):
      self.init(.noQueue, "no queue here", why: "\(path) does not exist", whatToDo: "start clawd, which makes it")
    case .foreign(let path):
      self.init(
        .badData, "cannot use \(path)", why: "it is not a queue file of openclaw-bus",
        whatToDo: "move it away, or name another folder with --state-dir")
    case .newerVersion(let path, let version):
      self.init(
        .badData, "cannot use \(path)", why: "a newer version made it (format \(version))",
        whatToDo: "update this program")
    case .damaged(let path, let what):
      self.init(
        .badData, "cannot use \(path)", why: "it is damaged: \(what)",
        whatToDo: "restart clawd, which repairs what can be repaired; where it refuses, keep a copy, move it away and "
          + "start clawd, which makes a new one")
    case .overrun:
      self.init(.tryLater, error.description, whatToDo: "try again")
    case .system(let system):
      self.init("cannot use the queue", system)
    }
  }

  package init(_ error: CursorError) {
    switch error {
    case .damaged(let path):
      self.init(
        .badData, "cannot use the read mark \(path)", why: "it is damaged",
        whatToDo: "remove it; this consumer then begins at the oldest message again")
    case .newerVersion(let path):
      self.init(
        .badData, "cannot use the read mark \(path)", why: "a newer version made it", whatToDo: "update this program")
    case .system(let system):
      self.init("cannot use the read mark", system)
    }
  }

  package init(_ error: InboxError) {
    switch error {
    case .queue(let queue): self.init(queue)
    case .cursor(let cursor): self.init(cursor)
    }
  }

  package init(_ error: OutboxError) {
    switch error {
    case .missing(let path):
      self.init(
        .noQueue, "no outbox here", why: "\(path) does not exist: clawd has never run here", whatToDo: "start clawd")
    case .quotaFull:
      self.init(
        .tryLater, "not sent", why: error.description, whatToDo: "see clawq status for what holds it up, then try again"
      )
    case .diskFull(let system):
      self.init(
        .inputOutput, "not sent", why: system.subject.isEmpty ? system.reason : "\(system.subject): \(system.reason)",
        whatToDo: "free some space, then try again")
    case .newerVersion:
      self.init(.badData, "cannot use the outbox", why: error.description, whatToDo: "update this program")
    case .notDurable:
      self.init(.inputOutput, error.description, whatToDo: "do not send it again")
    case .refused(let reason):
      self.init(.badData, "cannot be sent", why: reason.text)
    case .damagedCounts, .folderRemoved:
      self.init(.tryLater, error.description, whatToDo: "try again")
    case .system(let system):
      self.init("cannot use the outbox", system)
    }
  }
}
