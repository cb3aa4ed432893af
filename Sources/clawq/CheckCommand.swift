import Bytes
import Inbox
import JSON
import Message
import System
import Terminal

/// The lines that check shows below the count, and their width.
private let linesShown = 10
private let columnsShown = 80

/// Says how much is new and shows the beginning of it.
func check(_ session: borrowing Session) throws(Failure) -> ExitCode {
  var consumer = try session.consumer(marking: false)
  var output = StandardOutput()
  let asJSON = session.arguments.has(Options.json)
  // One more than are shown tells whether there are more.
  let linesKept = asJSON ? 0 : linesShown + 1
  let style = Style.of(1)
  var lines = MessageLines(columns: min(StandardStreams.terminalColumns(1) ?? columnsShown, columnsShown), style: style)
  var messages = 0
  var losses = 0
  var lost: UInt64 = 0
  do {
    while let entry = try consumer.nextEntry() {
      switch entry {
      case .message(let sequence):
        messages += 1
        if lines.count < linesKept { lines.add(consumer.payload, sequence) }
      case .loss(let sequence, let count, let reason):
        losses += 1
        lost = lost.addingReportingOverflow(count).overflow ? .max : lost + count
        if lines.count < linesKept { lines.addLoss(sequence, count: count, reason) }
      }
    }
  } catch {
    guard messages + losses > 0, let damage = error.damage else { throw Failure(error) }
    session.notes.warning("nothing more can be read behind this: \(Failure(damage).line)")
  }
  if asJSON {
    var json = JSONWriter()
    json.beginObject(&output.buffer)
    json.name("new", &output.buffer)
    json.value(UInt64(messages), &output.buffer)
    json.name("lost", &output.buffer)
    json.value(lost, &output.buffer)
    json.endObject(&output.buffer)
    output.buffer.append("\n")
  } else {
    let total = messages + losses
    var summary = messages == 0 ? "no new messages" : counted(messages, "new message")
    if losses > 0 { summary += lost > 0 ? ", \(lost) lost" : ", some lost" }
    if total > 0 { summary += " (read with: clawq get\(session.readerFlags))" }
    output.buffer.append(utf8: summary + "\n")
    let isCut = total > linesShown
    lines.write(first: isCut ? linesShown - 1 : linesShown, to: &output.buffer)
    if isCut {
      style.paint(.dim, &output.buffer) { $0.append(utf8: "… and \(total - linesShown + 1) more") }
      output.buffer.append("\n")
    }
  }
  try output.write()
  try session.complain(consumer)
  return session.exitCode(messages: messages, losses: losses)
}

extension Session {
  /// The flags that make `get` read what this command looked at.
  var readerFlags: String {
    var flags = ""
    if arguments.has(Options.as), let agent = identity.agent { flags += " --as \(agent.text)" }
    if arguments.has(Options.consumer) { flags += " --consumer \(consumerName)" }
    if arguments.has(Options.unfiltered) { flags += " --unfiltered" }
    return DisplayText.harmless(flags)
  }
}
