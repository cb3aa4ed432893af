internal import Bytes
internal import JSON

extension MessageMembers {
  /// Whether the message is for `agent`: addressed to it or to everyone, and not its own. Allocates nothing.
  ///
  /// - Parameter bytes: those that the members were found in.
  package func isFor(_ agent: AgentName, in bytes: borrowing Span<UInt8>) -> Bool {
    if agent.matches(from, in: bytes) { return false }
    // An empty name is nobody's: whoever writes it means no one in particular.
    guard let to, !to.content.isEmpty else { return true }
    return agent.matches(to, in: bytes) || Self.everyone.contains { $0.matches(to, in: bytes) }
  }

  /// What senders write in `to` when they mean everyone, beside leaving it out.
  private static let everyone = ["all", "*"].compactMap { try? AgentName($0) }
}
