internal import Bytes
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
  /// What a probe says of the stream: "<epoch>:<number>", each part empty where there is none; "-" where whoever probed
  /// may not ask. The bytes are the connection's and gone afterwards.
  func heardMark(_ mark: borrowing Span<UInt8>)
  /// Redis has answered for the batch: an outcome for each object, in order. Where one was refused and its kind's reaction
  /// is to hold or to drop, `linkHeld` or `linkDown` follows. The batch is empty afterwards.
  func published(_ outcomes: [PublishOutcome])
  /// Redis refused the batch; nothing of it was stored. As above, `linkHeld` or `linkDown` may follow.
  func publishRefused(_ kind: RedisErrorKind, text: String)
  /// This server permits no scripts, as it says with `text`: messages are stored without epoch and number. Said once, until a
  /// script was permitted again.
  func linkStoresWithoutScript(because text: String)
  /// The answers to `fetch`, in the order of the requests.
  func fetched(meta: StreamMeta)
  /// A page; the request is `page` or `newest`. The bytes are the connection's and gone afterwards.
  func fetched(page: borrowing StreamPage, for request: StreamRequest)
  /// A number; the request is `length` or `trim`.
  func fetched(count: UInt64, for request: StreamRequest)
  /// Redis refused a request. As above, `linkHeld` or `linkDown` may follow.
  func fetchRefused(_ request: StreamRequest, _ kind: RedisErrorKind, text: String)
}

/// Where the server is, who we are to it, and what we listen to.
package struct RedisTarget: Sendable {
  package let endpoint: Endpoint
  package let login: RedisLogin
  package let channel: String
  /// How many messages the stream keeps, at least 1 (`stream_max_length`).
  package let streamMaxLength: Int
  /// Whether the transport is TLS: for what is said of faults.
  package let isEncrypted: Bool

  package init(
    endpoint: Endpoint, login: RedisLogin, channel: String, streamMaxLength: Int, isEncrypted: Bool = false
  ) {
    self.endpoint = endpoint
    self.login = login
    self.channel = channel
    self.streamMaxLength = streamMaxLength
    self.isEncrypted = isEncrypted
  }

  /// Tells one server, database and channel from others: for a queue that remembers where it was joined. Holds no secret.
  package var checksum: UInt64 {
    var place = ByteBuffer(capacity: 256)
    place.append(utf8: "\(endpoint) \(login.database) \(channel)")
    var checksum = CRC32C()
    checksum.update(place.readable)
    return UInt64(checksum.value)
  }
}
