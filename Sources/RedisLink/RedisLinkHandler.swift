package import Network

/// Is told what the link does. None of these may stop or restart the link from inside.
package protocol RedisLinkHandler: AnyObject {
  /// The path is proved: what is published from here on comes back.
  func linkReady()
  /// Redis lives and takes nothing now. What it sends is still received; nothing may be published until `linkReady`.
  func linkHeld(_ kind: RedisErrorKind, text: String)
  /// The link is down; it tries again after `delay` nanoseconds. Of everything published and not yet answered the
  /// outcome is unknown.
  func linkDown(_ failure: LinkFailure, retryAfter delay: UInt64)
  /// From now on the path is proved in this way, because Redis refused a better one with `text`.
  func linkProbes(by method: ProbeMethod, because text: String)
  /// A message of the channel. The bytes are the connection's and gone afterwards.
  func received(_ payload: borrowing Span<UInt8>)
  /// A message of the channel that was too long to be kept; the link goes on behind it.
  func receivedOversized(_ byteCount: Int)
  /// Redis has the message that `publish` was given this token for.
  func published(_ token: UInt64)
  /// Redis refused that message. Where its kind's reaction is to hold or to drop, `linkHeld` or `linkDown` follows.
  func refused(_ token: UInt64, _ kind: RedisErrorKind, text: String)
}

/// Where the server is, who we are to it, and what we listen to.
package struct RedisTarget: Sendable {
  package let endpoint: Endpoint
  package let login: RedisLogin
  package let channel: String
  /// Whether the transport is TLS: for what is said of faults.
  package let isEncrypted: Bool

  package init(endpoint: Endpoint, login: RedisLogin, channel: String, isEncrypted: Bool = false) {
    self.endpoint = endpoint
    self.login = login
    self.channel = channel
    self.isEncrypted = isEncrypted
  }
}
