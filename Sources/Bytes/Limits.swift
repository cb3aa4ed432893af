/// Every size limit of the project stands here, with the relations between them checked by `Limits.relationsHold`.
///
/// All values are bytes unless the name says otherwise.
@usableFromInline
package enum Limits {
  /// The largest encoded object a sender may give, by default (`max_message_bytes`).
  package static let defaultMessageBytes = 256 * 1024
  /// The range that `max_message_bytes` may be set to.
  package static let messageBytesRange = 1024...(4 * 1024 * 1024)
  /// What a receiver allows beyond the sender's limit: the `bus` member that the publish script appends.
  package static let receivedSlack = 256

  /// The capacity of the queue file, by default (`queue_bytes`), and the range it may be set to: powers of two.
  package static let defaultQueueBytes = 16 * 1024 * 1024
  package static let queueBytesRange = (64 * 1024)...(1024 * 1024 * 1024)
  /// The queue holds at least this many of the largest message, so that a reader can work on one while the writer
  /// overwrites others.
  package static let queueMessagesAtLeast = 8
  /// What a record of the queue takes beyond its message, at most: header, trailer and the filling up to whole words.
  package static let recordOverhead = 80

  /// The smallest capacity of the queue file, a power of two, for the largest message that a sender may give.
  ///
  /// - Parameter messageBytes: within `messageBytesRange`, so that nothing here overflows.
  package static func leastQueueBytes(forMessageBytes messageBytes: Int) -> Int {
    let needed = queueMessagesAtLeast * (messageBytes + receivedSlack + recordOverhead)
    var least = queueBytesRange.lowerBound
    while least < needed { least *= 2 }
    return least
  }

  /// Mapped regions of a file start at multiples of this: 16 KiB and 64 KiB pages exist on aarch64.
  // Computed: a stored one of another module is looked up and checked for its initialisation at each use, and this one is
  // used for every word of the queue file.
  @inlinable package static var mappingAlignment: Int { 64 * 1024 }

  /// The outbox's quota: messages and bytes waiting to be sent.
  package static let outboxMessages = 10_000
  package static let outboxBytes = 64 * 1024 * 1024
  /// The line that says why a message can never be sent, and how much of a strange file name is kept in `failed/`.
  package static let outboxReasonBytes = 1024
  package static let outboxStrangeNameBytes = 128
  /// Names of waiting messages held in memory before the folder is listed anew instead.
  package static let outboxNames = 4 * outboxMessages
  /// Messages: how many the stream in Redis keeps, by default (`stream_max_length`; Upstash's free database is small),
  /// the range it may be set to, and how far back a first start may begin (`first_start`).
  package static let defaultStreamLength = 10_000
  package static let streamLengthRange = 100...10_000_000
  package static let firstStartMessages = 1...1_000_000
  /// Messages and bytes in flight to Redis at once.
  package static let publishBatchMessages = 64
  package static let publishBatchBytes = 1024 * 1024
  /// The largest number of a message within its epoch: Lua counts in doubles, which know every whole number up to here.
  package static let largestStreamNumber: UInt64 = 1 << 53

  /// RESP: nesting, elements in one frame, and the longest line (simple string, error, number).
  package static let respDepth = 32
  package static let respElements = 65_536
  package static let respLineBytes = 16 * 1024
  /// RESP: the longest bulk string is the largest message that any setting allows, so that one over our own setting
  /// is still read whole and counted as too large. A frame (a page of the stream) holds several.
  package static let respBulkBytes = messageBytesRange.upperBound + receivedSlack
  package static let respFrameBytes = 64 * 1024 * 1024
  /// The fewest entries of the stream that are asked for at once: so many of the largest fit into a frame.
  package static let streamPageAtLeast = 8
  /// Live messages that are held back while the stream is read.
  package static let heldBytes = 1024 * 1024
  /// RESP: a longer bulk string, up to the longest that Redis sends (`proto-max-bulk-len`), is skipped and not kept.
  package static let respSkippedBytes = 512 * 1024 * 1024

  /// JSON: nesting of objects and arrays.
  package static let jsonDepth = 128

  /// An agent's name, in bytes of UTF-8.
  package static let agentNameBytes = 1...64
  /// A configuration file larger than this is refused.
  package static let settingsFileBytes = 1024 * 1024
  /// The root of an HTTP service in the configuration; and a secret in a file of its own.
  package static let urlBytes = 2048
  package static let secretFileBytes = 16 * 1024
  /// Of what a command that we run writes to each of its outputs, as much is kept.
  package static let commandOutputBytes = 64 * 1024
  /// A channel's name, in bytes.
  package static let channelNameBytes = 1...256

  /// A host's name (RFC 1035 allows 253; a scoped IPv6 address is shorter), and how many of its addresses are tried.
  package static let hostNameBytes = 255
  package static let resolvedAddresses = 32

  /// How much is asked from a socket at once.
  package static let socketReadBytes = 256 * 1024

  /// TLS: how much ciphertext is asked from a socket at once, the largest record (RFC 5246 section 6.2.3), a part of which
  /// may be left over, and the room for both.
  package static let tlsReadBytes = 64 * 1024
  /// TLS: what a server's part of the handshake may have; OpenSSL takes a certificate chain of 100 KiB.
  package static let tlsHandshakeBytes = 256 * 1024
  package static let tlsRecordBytes = 5 + (1 << 14) + 2048
  package static let tlsIncomingBytes = tlsReadBytes + tlsRecordBytes
  /// TLS: how much plaintext is sealed in one go, what its records add to it at most, and the room for both.
  package static let tlsWriteBytes = 64 * 1024
  package static let tlsRecordOverhead = 1024
  package static let tlsOutgoingBytes = tlsWriteBytes + 2 * tlsRecordOverhead

  /// Whether the limits fit each other; a test asserts it.
  package static var relationsHold: Bool {
    messageBytesRange.contains(defaultMessageBytes)
      && queueBytesRange.contains(defaultQueueBytes)
      && defaultQueueBytes >= leastQueueBytes(forMessageBytes: defaultMessageBytes)
      && queueBytesRange.upperBound >= leastQueueBytes(forMessageBytes: messageBytesRange.upperBound)
      && streamLengthRange.contains(defaultStreamLength)
      && publishBatchBytes >= defaultMessageBytes
      && outboxBytes >= messageBytesRange.upperBound
      && queueBytesRange.lowerBound >= mappingAlignment
      && respBulkBytes >= messageBytesRange.upperBound + receivedSlack
      && respFrameBytes >= streamPageAtLeast * (respBulkBytes + 512)
      && respSkippedBytes >= respBulkBytes
      // A record of TLS 1.3 holds at most 2^14 bytes and adds 5 + 1 + 16; one of TLS 1.2 as many.
      && tlsRecordOverhead >= (tlsWriteBytes / (1 << 14) + 1) * 128
  }
}
