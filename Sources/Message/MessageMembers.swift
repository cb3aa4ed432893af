package import JSON

/// Where the members of a message stand in its bytes. Of duplicate members the last counts, as in most readers of JSON.
package struct MessageMembers: Sendable {
  /// Of each name the last member, at the name's number: one store for each member, whichever it is.
  private var last: InlineArray<10, JSONValue> = .init(repeating: .absent)

  /// Whether a `bus` stands before the one that counts.
  private(set) var repeatsBus = false

  /// Always strings.
  package var from: JSONValue { last[MemberName.from.rawValue] }
  package var text: JSONValue { last[MemberName.text.rawValue] }

  /// As the sender gave them, of any kind.
  package var ts: JSONValue? { value(.ts) }
  package var time: JSONValue? { value(.time) }

  /// Strings; nil also where the sender gave something else.
  package var id: JSONValue? { string(.id) }
  package var to: JSONValue? { string(.to) }
  package var re: JSONValue? { string(.re) }

  /// Not the sender's to give: present where it is not nil, of any kind.
  package var bus: JSONValue? { value(.bus) }

  /// Validates all of `bytes` and finds the members, in one pass that allocates nothing.
  package static func find(in bytes: borrowing Span<UInt8>) throws(MessageFault) -> MessageMembers {
    var members = MessageMembers()
    do throws(JSONFault) {
      var scanner = try JSONObjectScanner(copy bytes)
      while let member = try scanner.next() {
        guard let name = MemberName(member, in: bytes) else { continue }
        if name == .bus, members.bus != nil { members.repeatsBus = true }
        members.last[name.rawValue] = member.value
      }
    } catch {
      throw MessageFault(error, of: bytes)
    }
    if members.from.kind != .string { throw members.from.isAbsent ? .missing(.from) : .notString(.from) }
    if members.text.kind != .string { throw members.text.isAbsent ? .missing(.text) : .notString(.text) }
    return members
  }

  private func value(_ name: MemberName) -> JSONValue? {
    let value = last[name.rawValue]
    return value.isAbsent ? nil : value
  }

  private func string(_ name: MemberName) -> JSONValue? {
    let value = last[name.rawValue]
    return value.kind == .string ? value : nil
  }
}
