import Bytes
import Inbox
import Message
import Outbox
import Ring
import Settings
import System
import Terminal

/// Puts one message into the outbox and prints its id; with `--wait`, waits for what becomes of it.
func send(_ arguments: Arguments, _ notes: StandardError) throws(Failure) -> ExitCode {
  let from = try arguments.agentName(ofOperand: 0, called: "NAME")
  let patience = try Patience(arguments)
  let settings = try arguments.loadSettings(notes)
  let text = try messageText(arguments, limit: settings.maxMessageBytes)
  let state = try arguments.openStateFolder(settings)
  let presence: StateFolder.DaemonPresence
  do { presence = try state.daemonPresence() } catch { throw Failure(error) }
  guard presence != .neverRan else {
    throw Failure(
      .noQueue, "no bus in \(state.path)", why: "clawd has never run here",
      whatToDo: "start clawd, or name another folder with --state-dir")
  }

  var to = try arguments.agentName(Options.to)
  var re: String?
  if let reference = try arguments.text(Options.re) {
    let answered = try find(reference, in: state, notes)
    re = answered.id
    to = to ?? answered.recipient(for: from)
  }

  let wall = SystemClock.wall()
  let id: ULID
  do {
    id = ULID(milliseconds: wall / 1_000_000, random: (try systemRandom(), try systemRandom()))
  } catch {
    throw Failure("not sent", error)
  }
  let message = OutgoingMessage(
    id: id, from: from, to: to, re: re, timestamp: wall / 1000, time: LocalTime(unixNanoseconds: wall).isoText)
  var object = ByteBuffer(capacity: text.count + 512)
  do {
    try message.encode(text: text.readable, limit: settings.maxMessageBytes, to: &object)
  } catch {
    throw Failure(error)
  }
  var sender = try openOutbox(state, settings)
  let name: OutboxName
  do { name = try sender.send(object.readable, id: id, sync: arguments.has(Options.sync)) } catch {
    throw Failure(error)
  }

  let asJSON = arguments.has(Options.json)
  // One object for each message, and its state is known only at the end.
  if patience == nil || !asJSON {
    var output = StandardOutput()
    if asJSON { output.buffer.append(contentsOf: object.readable) } else { id.write(to: &output.buffer) }
    try report(id, &output)
  }
  if let complaint = complaint(state, isLocked: presence == .running, now: wall / 1000, { $0.complaint }) {
    notes.warning("accepted; but \(complaint)")
  }
  guard let patience else { return .success }
  let end = Ending(of: name, sender, state, patience)
  if asJSON {
    var output = StandardOutput()
    end.writeJSON(object.readable, to: &output.buffer)
    try report(id, &output)
  }
  if let failure = end.failure(id) { throw failure }
  return .success
}

private func openOutbox(_ state: borrowing StateFolder, _ settings: Settings) throws(Failure) -> OutboxSender {
  do { return try OutboxSender(state: state.folder, access: settings.shareGroup ? .shared : .own) } catch {
    throw Failure(error)
  }
}

/// Prints what a program needs to speak of the message later. It is in the outbox already, so a closed output is no
/// reason to call it unsent.
func report(_ id: ULID, _ output: inout StandardOutput) throws(Failure) {
  output.buffer.append("\n")
  do { try output.write() } catch {
    throw Failure(
      .inputOutput, "message \(id.text) was sent, but its id could not be printed", why: error.why,
      whatToDo: "do not send it again")
  }
}

/// What `judge` has to say of the daemon; nil where nothing is wrong.
func complaint(
  _ state: borrowing StateFolder, isLocked: Bool, now: UInt64, _ judge: (DaemonHealth) -> String?
) -> String? {
  do throws(QueueError) {
    let reader = try RingReader.open(StateFolder.queueFile, in: state.folder)
    return judge(DaemonHealth(isLocked: isLocked, status: reader.daemonStatus, now: now))
  } catch {
    return "the queue cannot be read: \(error.description)"
  }
}

/// The text: the words joined by a blank, or standard input.
private func messageText(_ arguments: Arguments, limit: Int) throws(Failure) -> ByteBuffer {
  let words = arguments.operands.dropFirst()
  guard let first = words.first else {
    throw Failure(
      .usage, "no text to send", whatToDo: "write it after the name, or give - and write it to standard input")
  }
  var text = ByteBuffer(capacity: 4096)
  if words.count == 1, equal(first.span, "-") {
    do {
      let input = try FileDescriptor(duplicating: 0)
      guard try input.readWhole(limit: limit + 1, into: &text) else {
        throw Failure(OutgoingFault.tooLarge(bytes: text.count, limit: limit))
      }
    } catch let failure as Failure {
      throw failure
    } catch let error as SystemError {
      throw Failure("cannot read the text from standard input", error)
    } catch {
      throw Failure(.inputOutput, "\(error)")
    }
    let last = text.count - 1
    if last >= 0, text.readable[last] == UInt8(ascii: "\n") { text.truncate(to: last) }
    return text
  }
  for (index, word) in words.enumerated() {
    if index > 0 { text.append(UInt8(ascii: " ")) }
    text.append(contentsOf: word.span)
  }
  return text
}

extension Failure {
  fileprivate init(_ fault: OutgoingFault) {
    self.init(.badData, "not sent", why: fault.description)
  }
}
