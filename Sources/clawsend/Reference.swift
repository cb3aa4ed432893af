import Bytes
import JSON
import Message
import Ring
import Settings
import System
import Terminal

/// The message that is answered.
struct Answered {
  /// Nil where its sender gave it none, as the Python version does.
  let id: String?
  /// Nil where it is not known, or no name that can be written to.
  let from: AgentName?
  /// Whom it was for; nil for all, and where that is not known.
  var to: AgentName?

  init(id: String?, from: AgentName?) {
    self.id = id
    self.from = from
  }

  /// Whom an answer by `agent` is for: the sender, or, where that is `agent` itself, whoever its message was for.
  func recipient(for agent: AgentName) -> AgentName? { from == agent ? to : from }

  fileprivate init?(_ object: borrowing Span<UInt8>) {
    guard let members = try? MessageMembers.find(in: object) else { return nil }
    id = members.id.map { JSONString.decode(object.extracting($0.content)) }
    from = try? AgentName(JSONString.decode(object.extracting(members.from.content)))
    to = members.to.flatMap { try? AgentName(JSONString.decode(object.extracting($0.content))) }
  }
}

/// Finds the message that `--re` names: by its number in this queue, or by its id.
func find(
  _ reference: String, in state: borrowing StateFolder, _ notes: StandardError
) throws(Failure) -> Answered {
  let number = Decimal.unsigned(Array(reference.utf8).span)
  let found: Answered?
  do { found = try search(state, number: number, id: reference) } catch { throw Failure(error) }
  if let number {
    guard let found else {
      throw Failure(
        .badData, "no message \(number) in this queue", why: "there never was, or it was overwritten since",
        whatToDo: "name it by its id")
    }
    if found.id == nil { notes.note("message \(number) has no id: the answer names its sender alone") }
    return found
  }
  if found == nil { notes.note("message \(reference) is not in this queue: --to is not filled in") }
  return found ?? Answered(id: reference, from: nil)
}

private func search(
  _ state: borrowing StateFolder, number: UInt64?, id: String
) throws(QueueError) -> Answered? {
  var reader = try RingReader.open(StateFolder.queueFile, in: state.folder)
  if let number { try reader.seek(to: number) }
  while true {
    switch try reader.next() {
    case .end: return nil
    case .overwritten: continue
    case .record(let header):
      if let number {
        guard header.nextSequence > number else { continue }
        return header.kind == .message && header.sequence == number ? Answered(reader.payload) : nil
      }
      if header.kind == .message, let answered = Answered(reader.payload), answered.id == id { return answered }
    }
  }
}
