package import Bytes

/// What a record is.
package enum RecordKind: UInt8, Sendable {
  /// A sender's object; occupies one sequence number.
  case message = 1
  /// Messages that could not be delivered; occupies one sequence number for each.
  case loss = 2
  /// A move of the stream position without a message; occupies none.
  case position = 3
}

/// A place in the Redis stream. All zero where the bus has no stream.
package struct StreamPosition: Equatable, Sendable {
  /// The number the publish script gave the message within its epoch.
  package var busSequence: UInt64
  /// The stream id.
  package var milliseconds: UInt64
  package var sequence: UInt64

  package init(busSequence: UInt64 = 0, milliseconds: UInt64 = 0, sequence: UInt64 = 0) {
    self.busSequence = busSequence
    self.milliseconds = milliseconds
    self.sequence = sequence
  }

  /// - Parameter busSequence: within the stream's epoch.
  package init(busSequence: UInt64, id: StreamID) {
    self.init(busSequence: busSequence, milliseconds: id.milliseconds, sequence: id.sequence)
  }

  /// The stream id; `StreamID.zero` where no entry was seen yet.
  package var id: StreamID { StreamID(milliseconds: milliseconds, sequence: sequence) }

  /// All zero: in a record, that it does not move the position.
  @inline(__always)
  var isNone: Bool { busSequence | milliseconds | sequence == 0 }
}

/// A record without its payload.
package struct RecordHeader: Equatable, Sendable {
  package var kind: RecordKind
  /// The first sequence number it occupies; of a record that occupies none, the next one to come.
  package var sequence: UInt64
  /// How many sequence numbers it occupies.
  package var span: UInt64
  /// Why messages were lost: the raw value of a loss reason; 0 in other kinds.
  package var reason: UInt8 = 0
  /// 0: the one channel there is.
  package var channel: UInt8 = 0
  package var position = StreamPosition()
  /// Microseconds since the Unix epoch.
  package var receivedAt: UInt64
  /// The payload's length in bytes.
  package var length: Int = 0

  package init(kind: RecordKind, sequence: UInt64, span: UInt64, receivedAt: UInt64) {
    self.kind = kind
    self.sequence = sequence
    self.span = span
    self.receivedAt = receivedAt
  }

  /// The sequence number after this record.
  package var nextSequence: UInt64 { sequence &+ span }

  /// The eight words, without the checksum.
  @inline(__always)
  var words: InlineArray<8, UInt64> {
    [
      UInt64(truncatingIfNeeded: length),
      sequence,
      UInt64(kind.rawValue) | UInt64(channel) << 8 | UInt64(reason) << 16,
      span,
      position.busSequence,
      position.milliseconds,
      position.sequence,
      receivedAt,
    ]
  }

  /// Reads the eight words; nil where they cannot be a record's.
  @inline(__always)
  init?(words: InlineArray<8, UInt64>) {
    guard let kind = RecordKind(rawValue: UInt8(truncatingIfNeeded: words[2])), words[2] >> 24 == 0 else { return nil }
    let (next, overflow) = words[1].addingReportingOverflow(words[3])
    guard !overflow, words[1] > 0, next < QueueLayout.positionLimit else { return nil }
    switch kind {
    case .message: guard words[3] == 1 else { return nil }
    case .loss: guard words[3] >= 1 else { return nil }
    case .position: guard words[3] == 0 else { return nil }
    }
    self.kind = kind
    sequence = words[1]
    channel = UInt8(truncatingIfNeeded: words[2] >> 8)
    reason = UInt8(truncatingIfNeeded: words[2] >> 16)
    span = words[3]
    position = StreamPosition(busSequence: words[4], milliseconds: words[5], sequence: words[6])
    receivedAt = words[7]
    length = Int(words[0] & 0xFFFF_FFFF)
  }
}

extension QueueFile {
  /// The checksum of a record at `position`, as this file's version has it.
  ///
  /// - Parameters:
  ///   - words: the header's words, the first without a checksum in it.
  ///   - payload: as long as the first of them says.
  @inline(__always)
  func checksum(
    _ words: InlineArray<8, UInt64>, _ payload: borrowing Span<UInt8>, at position: UInt64
  ) -> UInt32 {
    // Before version 2 the length comes first, and the position not at all.
    guard checksumCoversPosition else {
      return unsafe CRC32C.value(
        words[0], words.span.bytes.extracting(8..<RecordLayout.headerBytes), payload.bytes)
    }
    return unsafe CRC32C.value(position, words.span.bytes, payload.bytes)
  }
}
