package import JSON

/// Where the members of a message stand in its bytes. Of duplicate members the last counts, as in most readers of JSON.
package struct MessageMembers: Equatable, Sendable {
  /// Always strings.
  package let from: JSONValue
  package let text: JSONValue

  /// As the sender gave them, of any kind.
  package let ts: JSONValue?
  package let time: JSONValue?

  /// Strings; nil also where the sender gave something else.
  package let id: JSONValue?
  package let to: JSONValue?
  package let re: JSONValue?

  /// Members that are not the sender's to give: present where they are not nil, of any kind.
  package let bus: JSONValue?
  package let seq: JSONValue?
  package let lost: JSONValue?

  /// Validates all of `bytes` and finds the members, in one pass that allocates nothing.
  package static func find(in bytes: borrowing Span<UInt8>) throws(MessageFault) -> MessageMembers {
    var last = LastMembers()
    do throws(JSONFault) {
      var scanner = try JSONObjectScanner(copy bytes)
      while let member = try scanner.next() {
        if let name = MemberName(member, in: bytes) { last.set(name, member.value) }
      }
    } catch {
      throw MessageFault(error, of: bytes)
    }
    return MessageMembers(
      from: try required(last.from, .from), text: try required(last.text, .text), ts: last.ts, time: last.time,
      id: string(last.id), to: string(last.to), re: string(last.re), bus: last.bus, seq: last.seq, lost: last.lost)
  }

  private static func required(
    _ value: JSONValue?, _ member: MessageFault.Required
  ) throws(MessageFault) -> JSONValue {
    guard let value else { throw .missing(member) }
    guard value.kind == .string else { throw .notString(member) }
    return value
  }

  private static func string(_ value: JSONValue?) -> JSONValue? { value?.kind == .string ? value : nil }
}

/// What has been seen of a message: of each name the last.
private struct LastMembers {
  var from: JSONValue?
  var text: JSONValue?
  var ts: JSONValue?
  var time: JSONValue?
  var id: JSONValue?
  var to: JSONValue?
  var re: JSONValue?
  var bus: JSONValue?
  var seq: JSONValue?
  var lost: JSONValue?

  @inline(__always)
  mutating func set(_ name: MemberName, _ value: JSONValue) {
    switch name {
    case .from: from = value
    case .text: text = value
    case .ts: ts = value
    case .time: time = value
    case .id: id = value
    case .to: to = value
    case .re: re = value
    case .bus: bus = value
    case .seq: seq = value
    case .lost: lost = value
    }
  }
}
