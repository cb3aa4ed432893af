package import Bytes

/// Which stream a queue's positions are of. The queue holds it in its position records (`IdentityLayout` draws them).
package struct StreamIdentity: Equatable, BitwiseCopyable, Sendable {
  package let epoch: StreamEpoch
  /// A checksum of server, database and channel, as the caller makes it: where it differs, the queue was joined elsewhere.
  package let target: UInt64

  package init(epoch: StreamEpoch, target: UInt64) {
    self.epoch = epoch
    self.target = target
  }

  /// The identity that the payload of a position record holds; nil where it holds none.
  package init?(payload: borrowing Span<UInt8>) {
    guard payload.count == IdentityLayout.byteCount else { return nil }
    var words: InlineArray<4, UInt64> = .init(repeating: 0)
    for index in 0..<payload.count { words[index >> 3] |= UInt64(payload[index]) << (UInt64(index & 7) * 8) }
    guard words[0] == IdentityLayout.magic else { return nil }
    self.init(epoch: StreamEpoch(high: words[1], low: words[2]), target: words[3])
  }

  /// The payload of a record that holds it.
  var payload: InlineArray<32, UInt8> {
    let words: InlineArray<4, UInt64> = [IdentityLayout.magic, epoch.high, epoch.low, target]
    return InlineArray { UInt8(truncatingIfNeeded: words[$0 >> 3] >> (UInt64($0 & 7) * 8)) }
  }
}

/// How far a queue has come in which stream, as its records say: found by walking over them, kept up by the writer.
struct StreamTrace: Equatable {
  /// nil where no record names a stream. Positions are then of an unknown one.
  private(set) var identity: StreamIdentity?
  /// Where the record begins that names it.
  private(set) var identityAt: UInt64 = 0
  /// That of the newest record that has one; all zero also where a stream has no entry yet.
  private(set) var position = StreamPosition()
  /// Whether a record was seen that says something of the position.
  private(set) var hasPosition = false

  /// Takes in a record behind those seen so far.
  mutating func note(_ header: RecordHeader, _ payload: borrowing Span<UInt8>, at start: UInt64) {
    if header.kind == .position, let named = StreamIdentity(payload: payload) {
      note(named, header.position, at: start)
    } else {
      note(header.position)
    }
  }

  /// Takes in a record before those seen so far: what they say counts.
  mutating func noteEarlier(_ header: RecordHeader, _ payload: borrowing Span<UInt8>, at start: UInt64) {
    guard identity == nil else { return }
    var earlier = StreamTrace()
    earlier.note(header, payload, at: start)
    self = earlier.followed(by: self)
  }

  mutating func note(_ identity: StreamIdentity, _ position: StreamPosition, at start: UInt64) {
    self.identity = identity
    identityAt = start
    self.position = position
    hasPosition = true
  }

  @inline(__always)
  mutating func note(_ position: StreamPosition) {
    guard !position.isNone else { return }
    self.position = position
    hasPosition = true
  }

  /// This trace with what the records behind it say. What is bad between them may have named another stream: then the
  /// position proves wrong when the stream is read from there. No identity at all would have the stream's start, or its
  /// end, taken for where the queue stands.
  func followed(by later: StreamTrace) -> StreamTrace {
    guard later.identity == nil else { return later }
    var whole = self
    if later.hasPosition {
      whole.position = later.position
      whole.hasPosition = true
    }
    return whole
  }
}
