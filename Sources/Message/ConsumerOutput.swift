package import Bytes
internal import JSON

/// The JSON objects that a consumer gets, each on one line without a line end.
package enum ConsumerOutput {
  /// A message: `{"seq":12,` and then the sender's members in their order, put on one line, byte for byte but for white
  /// space between tokens and raw terminal controls, which are escaped. A `bus`, `seq` or `lost` that a sender
  /// gave is left out: consumers take these for ours.
  ///
  /// - Parameters:
  ///   - message: the sender's object.
  ///   - sequence: this queue's number for it.
  /// - Throws: `notJSON` or `notObject`; then nothing was appended.
  package static func appendMessage(
    _ message: borrowing Span<UInt8>, sequence: UInt64, to buffer: inout ByteBuffer
  ) throws(MessageFault) {
    let before = buffer.count
    var json = JSONWriter()
    json.beginObject(&buffer)
    json.name("seq", &buffer)
    json.value(sequence, &buffer)
    do throws(JSONFault) {
      var scanner = try JSONObjectScanner(copy message)
      while let member = try scanner.next() {
        switch MemberName(member, in: message) {
        case .bus, .seq, .lost: break
        default: json.compact(message.extracting(member.range), &buffer)
        }
      }
    } catch {
      buffer.truncate(to: before)
      throw MessageFault(error, of: message)
    }
    json.endObject(&buffer)
  }

  /// A loss, where it happened: `{"seq":12,"lost":3,"reason":"trimmed"}`.
  ///
  /// `lost` is 0 where it is not known how many.
  ///
  /// - Parameter count: the sequence numbers that the loss occupies.
  package static func appendLoss(sequence: UInt64, count: UInt64, reason: LossReason, to buffer: inout ByteBuffer) {
    var json = JSONWriter()
    json.beginObject(&buffer)
    json.name("seq", &buffer)
    json.value(sequence, &buffer)
    json.name("lost", &buffer)
    json.value(reason.told(count), &buffer)
    json.name("reason", &buffer)
    json.plain(reason.name, &buffer)
    json.endObject(&buffer)
  }
}
