internal import Bytes
package import Network
package import RESP
internal import System

/// Why the link to Redis is down.
package enum LinkFailure: Error, Equatable, Sendable, CustomStringConvertible {
  case dialing(DialFailure)
  case transport(TransportFault)
  case closedByPeer
  /// Closed while we introduced ourselves; `mayWantTLS`: in the clear, to a server that has not yet said a word.
  case closedDuringHandshake(mayWantTLS: Bool)
  /// What came is no RESP; `speaks` names what it looks like instead, where that is known.
  case malformed(RESPFault, speaks: ForeignProtocol?)
  /// Redis said it, with `text` where it did so in words.
  case redis(RedisFault, text: String)
  /// A command got no answer within so many nanoseconds.
  case noAnswer(to: String, after: UInt64)
  /// A probe was answered, and nothing was heard by the subscription for so many nanoseconds.
  case unheard(after: UInt64)

  /// What a server speaks that is not a Redis, or not as it was asked.
  package enum ForeignProtocol: Sendable {
    case tls
    case http

    /// By the first bytes: a TLS record (RFC 8446 section 5.1) of an alert or a handshake, or HTTP's status line.
    init?(_ bytes: borrowing Span<UInt8>) {
      if bytes.count >= 2, bytes[0] == 21 || bytes[0] == 22, bytes[1] == 3 {
        self = .tls
      } else if bytes.count >= 5, equal(bytes.extracting(0..<5), "HTTP/") {
        self = .http
      } else {
        return nil
      }
    }
  }

  package var description: String {
    switch self {
    case .dialing(let failure): "cannot connect: \(failure)"
    case .transport(let fault): "the connection broke: \(fault)"
    case .closedByPeer: "Redis closed the connection"
    case .closedDuringHandshake(mayWantTLS: true):
      "the server closed the connection before it answered; where it wants TLS, redis_url begins with rediss://"
    case .closedDuringHandshake(mayWantTLS: false): "the server closed the connection before it answered"
    case .malformed(_, .tls): "the server speaks TLS: redis_url must begin with rediss://"
    case .malformed(_, .http): "the server speaks HTTP, not Redis's protocol: redis_url names the wrong host or port"
    case .malformed(let fault, nil): "what came is not Redis's protocol: \(fault)"
    case .redis(let fault, let text): text.isEmpty ? fault.description : "\(fault): \(text)"
    case .noAnswer(let word, let after): "Redis did not answer \(word) within \(after / .seconds(1)) s"
    case .unheard: "a probe did not come back: the subscription is dead"
    }
  }

  /// What is wrong, without what changes from attempt to attempt: two failures with the same gist are one for the log.
  package var gist: String {
    switch self {
    // Addresses take turns, and what is wrong with a certificate is said with the time of day.
    case .dialing(let failure): Set(failure.faults.map { Self.withoutNumbers($0.description) }).sorted().joined()
    case .redis(let fault, _): fault.description
    default: Self.withoutNumbers(description)
    }
  }

  private static func withoutNumbers(_ text: String) -> String {
    String(decoding: text.utf8.filter { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }, as: UTF8.self)
  }

  /// Whether Redis sent more in one answer than we take: a page of the stream must be asked for in smaller pieces.
  package var isTooLargeAnswer: Bool {
    guard case .malformed(let fault, nil) = self else { return false }
    return fault.reason == .frameTooLong || fault.reason == .tooManyElements
  }

  /// Whether it will not go away unless somebody does something.
  package var needsPerson: Bool { leastDelay > 0 }

  /// How long to wait at least before connecting again, in nanoseconds: for what only a person can mend.
  var leastDelay: UInt64 {
    switch self {
    case .redis(.refused(let kind), _): kind.leastDelay
    case .dialing(let failure): failure.faults.contains(where: \.isCertificateFault) ? .seconds(60) : 0
    case .transport(let fault): fault.isCertificateFault ? .seconds(60) : 0
    default: 0
    }
  }
}
