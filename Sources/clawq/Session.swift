import Bytes
import Inbox
import Message
import Ring
import Settings
import System
import Terminal

enum Options {
  static let `as` = Option(
    "as", "NAME", help: "read as this agent: its own cursor, and only what is for it and not by it")
  static let consumer = Option("consumer", "NAME", help: "use this cursor, whoever reads")
  static let unfiltered = Option(flag: "unfiltered", help: "everything, also what is for others or by oneself")
  static let exitCode = Option(flag: "exit-code", help: "exit 1 where nothing is new, 3 where messages were lost")
  static let waitExitCode = Option(
    flag: "exit-code", help: "exit 124 where nothing came in time, 3 where messages were lost")
  static let json = Option(flag: "json", help: "print JSON")
  static let timeout = Option("timeout", "S", help: "at most S seconds, whole or decimal (else 60); 0: look once")
  static let last = Option("last", "N", help: "the last N messages first (else 10)")
  static let all = Option(flag: "all", help: "everything, however much")
  static let max = Option("max", "N", help: "at most N messages")
  static let lines = Option(flag: "lines", help: "one JSON object a line instead of an array")
  static let peek = Option(flag: "peek", help: "mark nothing read")
  static let again = Option(flag: "again", help: "the last batch once more; marks nothing")
  static let from = Option("from", "SEQ", help: "from this number on, read or not; marks nothing")
}

/// What every command of clawq begins with: configuration, state folder, and who reads.
struct Session: ~Copyable {
  let arguments: Arguments
  let notes: StandardError
  let state: StateFolder
  let identity: ConsumerIdentity
  /// What the person called the consumer, for messages.
  let consumerName: String

  init(_ arguments: Arguments, _ notes: StandardError) throws(Failure) {
    let settings = try arguments.loadSettings(notes)
    let agent = try arguments.agentName(Options.as) ?? settings.localAgentName
    let consumer = try arguments.agentName(Options.consumer)
    let state = try arguments.openStateFolder(settings)
    self.arguments = arguments
    self.notes = notes
    self.state = state
    identity = ConsumerIdentity(agent: agent, consumer: consumer, unfiltered: arguments.has(Options.unfiltered))
    consumerName = (consumer ?? agent)?.text ?? Cursor.defaultName
  }

  /// Opens the queue for the consumer, and says so where nobody knows it yet.
  ///
  /// - Parameter marking: whether its cursor may be made and moved.
  func consumer(marking: Bool) throws(Failure) -> Consumer {
    let consumer: Consumer
    do { consumer = try open(access(marking: marking)) } catch { throw Failure(error) }
    introduce(consumer)
    return consumer
  }

  func access(marking: Bool) -> Consumer.Access {
    marking ? .readWrite(file: state.filePermissions, folder: state.folderPermissions) : .readOnly
  }

  /// - Parameter atEnd: stand behind the newest record.
  func open(_ access: Consumer.Access, atEnd: Bool = false) throws(InboxError) -> Consumer {
    try Consumer.open(
      identity, queue: StateFolder.queueFile, cursors: StateFolder.cursorsFolder, in: state.folder, access,
      atEnd: atEnd)
  }

  /// A consumer that was never seen may be a mistyped one: say so, and who is known.
  func introduce(_ consumer: borrowing Consumer) {
    guard consumer.mark == nil, identity.cursor != Cursor.defaultName else { return }
    let cursors = try? Folder(StateFolder.cursorsFolder, in: state.folder)
    var known: [String] = []
    switch cursors {
    case .some(let cursors):
      known = ((try? cursors.names()) ?? []).filter { !$0.hasPrefix(".") && $0 != identity.cursor }
    case .none: break
    }
    let names = known.map { AgentName(fileName: $0)?.text ?? $0 }.sorted().prefix(20)
    let others = names.isEmpty ? "" : "; known so far: \(names.joined(separator: ", "))"
    notes.note("\(consumerName) reads here for the first time and begins at the oldest message there is\(others)")
  }

  /// How the daemon is, by its lock and its status page.
  func health(_ consumer: borrowing Consumer) throws(Failure) -> DaemonHealth {
    let presence: StateFolder.DaemonPresence
    do { presence = try state.daemonPresence() } catch { throw Failure(error) }
    return DaemonHealth(
      isLocked: presence == .running, status: consumer.reader.daemonStatus, now: SystemClock.wall() / 1000)
  }

  /// Silence is a bug: says what keeps messages from coming and going.
  func complain(_ consumer: borrowing Consumer) throws(Failure) {
    if let complaint = try health(consumer).complaint { notes.warning(complaint) }
  }

  /// The exit code of a command that found so many messages and losses.
  func exitCode(messages: Int, losses: Int) -> ExitCode {
    guard arguments.has(Options.exitCode) else { return .success }
    if losses > 0 { return .losses }
    return messages > 0 ? .success : .nothingNew
  }
}
