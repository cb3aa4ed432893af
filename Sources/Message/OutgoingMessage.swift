package import Bytes
internal import JSON

/// Why a message cannot be sent.
package enum OutgoingFault: Error, Equatable, Sendable, CustomStringConvertible {
  case emptyText
  /// - Parameter offset: in the text.
  case invalidUTF8(offset: Int)
  /// - Parameter bytes: of the encoded object, or of the text where that alone is beyond the limit.
  case tooLarge(bytes: Int, limit: Int)

  package var description: String {
    switch self {
    case .emptyText: "the text is empty"
    case .invalidUTF8(let offset): "the text is not valid UTF-8 (at byte \(offset))"
    case .tooLarge(let bytes, let limit): "the message is \(bytes) bytes as JSON, the most allowed is \(limit)"
    }
  }
}

/// What a sender says beside the text.
package struct OutgoingMessage: Sendable {
  package let id: ULID
  package let from: AgentName
  package let to: AgentName?
  /// The id of the message that this one answers.
  package let re: String?
  /// Microseconds since the Unix epoch.
  package let timestamp: UInt64
  /// The same moment on this machine's clock.
  package let time: LocalTime

  package init(
    id: ULID, from: AgentName, to: AgentName? = nil, re: String? = nil, timestamp: UInt64, time: LocalTime
  ) {
    self.id = id
    self.from = from
    self.to = to
    self.re = re
    self.timestamp = timestamp
    self.time = time
  }

  /// Appends `{"from":…,"text":…,"ts":…,"time":…,"id":…,"to":…,"re":…}`, the last two where they are given.
  ///
  /// - Parameters:
  ///   - text: UTF-8, not empty; any character may be in it.
  ///   - limit: the most bytes that the object may have.
  /// - Throws: and then nothing was appended.
  package func encode(
    text: borrowing Span<UInt8>, limit: Int, to buffer: inout ByteBuffer
  ) throws(OutgoingFault) {
    guard !text.isEmpty else { throw .emptyText }
    guard text.count <= limit else { throw .tooLarge(bytes: text.count, limit: limit) }
    let before = buffer.count
    var json = JSONWriter()
    json.beginObject(&buffer)
    json.name("from", &buffer)
    json.value(from.text, &buffer)
    json.name("text", &buffer)
    do throws(InvalidUTF8) {
      try json.value(utf8: text, &buffer)
    } catch {
      buffer.truncate(to: before)
      throw .invalidUTF8(offset: error.offset)
    }
    json.name("ts", &buffer)
    json.value(microseconds: timestamp, &buffer)
    json.name("time", &buffer)
    json.plain({ time.write(to: &$0) }, &buffer)
    json.name("id", &buffer)
    json.plain({ id.write(to: &$0) }, &buffer)
    if let to {
      json.name("to", &buffer)
      json.value(to.text, &buffer)
    }
    if let re {
      json.name("re", &buffer)
      json.value(re, &buffer)
    }
    json.endObject(&buffer)
    let size = buffer.count - before
    guard size <= limit else {
      buffer.truncate(to: before)
      throw .tooLarge(bytes: size, limit: limit)
    }
  }
}
