import Inbox
import JSON
import Message
import Ring
import System

/// What a person sees of a message or a loss: one line, not yet made harmless for a terminal.
enum MessageLine {
  /// A message: number, time sent, sender, whom it is for, text.
  static func text(_ object: borrowing Span<UInt8>, _ sequence: UInt64) throws(MessageFault) -> String {
    let members = try MessageMembers.find(in: object)
    let from = JSONString.decode(object.extracting(members.from.content))
    let text = JSONString.decode(object.extracting(members.text.content))
    var to = ""
    if let value = members.to { to = " → " + JSONString.decode(object.extracting(value.content)) }
    var time = ""
    if let ts = members.ts, ts.kind == .number, let seconds = JSONNumber.double(object.extracting(ts.range)),
      seconds >= 0, seconds < 18_000_000_000
    {
      time = LocalTime(unixNanoseconds: UInt64(seconds) * 1_000_000_000).text + "  "
    }
    return "\(sequence)  \(time)\(from)\(to): \(text)"
  }

  /// A loss, where it happened.
  static func loss(_ sequence: UInt64, _ count: UInt64, _ reason: LossReason) -> String {
    "\(sequence)  \(count == 0 ? "messages" : "\(count)") lost: \(reason.name)"
  }
}

extension Consumer {
  /// The line for what `nextEntry` just answered.
  func line(_ entry: Entry) throws(InboxError) -> String {
    switch entry {
    case .loss(let sequence, let count, let reason): return MessageLine.loss(sequence, count, reason)
    case .message(let sequence):
      do { return try MessageLine.text(payload, sequence) } catch {
        throw .queue(.damaged(path: reader.path, what: "message \(sequence): \(error)"))
      }
    }
  }
}
