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
  var uncounted = 0
  var isDamaged = false
  do {
    while let entry = try consumer.nextEntry() {
      switch entry {
      case .message(let sequence):
        messages += 1
        if lines.count < linesKept { lines.add(consumer.payload, sequence) }
      case .loss(let sequence, let count, let reason):
        losses += 1
        let told = reason.told(count)
        if told == 0 { uncounted += 1 }
        lost = lost.addingReportingOverflow(told).overflow ? .max : lost + told
        if lines.count < linesKept { lines.addLoss(sequence, count: count, reason) }
      }
    }
  } catch {
    guard messages + losses > 0, let damage = error.damage else { throw Failure(error) }
    isDamaged = true
    session.notes.warning("nothing more can be read behind this: \(Failure(damage).line)")
  }
  if asJSON {
    var json = JSONWriter()
    json.beginObject(&output.buffer)
    json.name("new", &output.buffer)
    json.value(UInt64(messages), &output.buffer)
    json.name("lost", &output.buffer)
    json.value(lost, &output.buffer)
    // Also those of unknown number: a queue created anew is one.
    json.name("losses", &output.buffer)
    json.value(UInt64(losses), &output.buffer)
    json.name("damaged", &output.buffer)
    json.value(isDamaged, &output.buffer)
    json.endObject(&output.buffer)
    output.buffer.append("\n")
  } else {
    let total = messages + losses
    output.buffer.append(summaryOf: messages)
    if losses > 0 { output.buffer.append(utf8: ", \(lossCount(lost, uncounted: uncounted)) lost") }
    if total > 0 {
      output.buffer.append(" (read with: clawq get")
      if let flags = session.readerFlags { output.buffer.append(utf8: flags) }
      output.buffer.append(")")
    }
    output.buffer.append("\n")
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

extension ByteBuffer {
  fileprivate mutating func append(summaryOf messages: Int) {
    if messages == 0 {
      append("no")
    } else {
      append(decimal: UInt64(messages))
    }
    append(messages == 1 ? " new message" : " new messages")
  }
}

/// How many were lost, to precede "lost".
///
/// - Parameter uncounted: how many losses of unknown number there are beside the `lost` messages.
func lossCount(_ lost: UInt64, uncounted: Int) -> String {
  uncounted == 0 ? "\(lost)" : lost == 0 ? "some" : "at least \(lost)"
}

extension Session {
  /// The flags that make `get` read what this command looked at, with the same mark; nil where it takes none. Paths, which
  /// would make a line of their own, are not spelt out.
  var readerFlags: String? {
    if arguments.has(.stateDir) || arguments.has(.config) { return " with the same options" }
    var flags = ""
    func add(_ option: Option) {
      guard arguments.has(option), let text = try? arguments.text(option) else { return }
      flags += " --\(option.name) \(Self.quoted(text))"
    }
    add(Options.as)
    add(Options.consumer)
    if arguments.has(Options.unfiltered) { flags += " --unfiltered" }
    return flags.isEmpty ? nil : DisplayText.harmless(flags)
  }

  /// As a shell takes it for one word.
  private static func quoted(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...:
        true
      case UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
      default: false
      }
    }
    return isPlain
      ? text : "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
