internal import Bytes
internal import JSON
package import RedisLink
internal import System

/// How Redis is, in one line.
package enum RedisLine {
  /// For the answers to PING and XLEN.
  package static func text(_ findings: RedisFindings) -> String {
    if let failure = findings.failure { return "Redis: \(failure)" }
    let address = findings.address.map { " at \($0)" } ?? ""
    return "Redis\(address) answers in \(milliseconds(findings.roundTrip ?? 0)) ms; \(stream(findings))"
  }

  private static func stream(_ findings: RedisFindings) -> String {
    switch findings.answers.dropFirst().first {
    case .value("1"): "its stream holds 1 message"
    case .value(let count): "its stream holds \(count) messages"
    case .refused(_, let text): "its stream cannot be used: \(text)"
    case nil: "nothing is known of its stream"
    }
  }

  /// With one decimal.
  static func milliseconds(_ nanoseconds: UInt64) -> String {
    let tenths = nanoseconds / 100_000
    return "\(tenths / 10).\(tenths % 10)"
  }
}
