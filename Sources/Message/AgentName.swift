internal import Bytes
package import JSON

/// Why a text is not an agent's name.
package enum AgentNameFault: Error, Equatable, Sendable, CustomStringConvertible {
  case empty
  /// - Parameter bytes: the length in UTF-8.
  case tooLong(bytes: Int)
  case invalidUTF8(offset: Int)
  /// - Parameter code: of the C0, DEL or C1 character at `offset`.
  case controlCharacter(code: UInt8, offset: Int)

  /// Plain English, to follow "the agent name cannot be used: ".
  package var description: String {
    switch self {
    case .empty: "it is empty"
    case .tooLong(let bytes): "it is \(bytes) bytes long, the longest is \(Limits.agentNameBytes.upperBound)"
    case .invalidUTF8(let offset): "it is not valid UTF-8 (at byte \(offset))"
    case .controlCharacter(let code, let offset):
      "it has a control character, U+00\(code < 16 ? "0" : "")\(String(code, radix: 16, uppercase: true)), at byte \(offset)"
    }
  }
}

/// The name of an agent: `Limits.agentNameBytes` bytes of UTF-8 without control characters. Names that differ only in
/// the case of ASCII letters are the same name.
package struct AgentName: Hashable, Sendable, CustomStringConvertible {
  /// As it was given.
  package let text: String
  /// The UTF-8 of the text with A to Z made a to z.
  private let folded: [UInt8]

  package init(_ text: String) throws(AgentNameFault) {
    var text = text
    text.makeContiguousUTF8()
    try self.init(utf8: text.utf8.span)
  }

  package init(utf8 bytes: borrowing Span<UInt8>) throws(AgentNameFault) {
    guard !bytes.isEmpty else { throw .empty }
    guard bytes.count <= Limits.agentNameBytes.upperBound else { throw .tooLong(bytes: bytes.count) }
    if let offset = UnicodeText.firstInvalid(bytes) { throw .invalidUTF8(offset: offset) }
    var folded: [UInt8] = []
    folded.reserveCapacity(bytes.count)
    for index in 0..<bytes.count {
      let byte = bytes[index]
      if byte < 0x20 || byte == 0x7F { throw .controlCharacter(code: byte, offset: index) }
      // C1 is C2 80 to C2 9F. The UTF-8 is well formed, so a byte follows C2.
      if byte == 0xC2 && bytes[index + 1] < 0xA0 { throw .controlCharacter(code: bytes[index + 1], offset: index) }
      folded.append(Self.fold(byte))
    }
    text = String(repairing: bytes)
    self.folded = folded
  }

  package var description: String { text }

  package static func == (left: AgentName, right: AgentName) -> Bool { left.folded == right.folded }
  package func hash(into hasher: inout Hasher) { hasher.combine(folded) }

  /// Whether `value` is a string that, decoded, is this name. Allocates nothing.
  ///
  /// - Parameter bytes: what was scanned when `value` was found.
  package func matches(_ value: JSONValue, in bytes: borrowing Span<UInt8>) -> Bool {
    guard value.kind == .string else { return false }
    let content = bytes.extracting(value.content)
    // An escape is never shorter than what it means.
    guard content.count >= folded.count else { return false }
    var decoder = JSONStringDecoder()
    for expected in folded {
      guard let byte = decoder.next(content), Self.fold(byte) == expected else { return false }
    }
    return decoder.next(content) == nil
  }

  /// A name for a file of this agent's: the same for equal names, different for different ones, safe in every folder
  /// (no separator, no hidden file, neither `.` nor `..`), at most 192 bytes.
  ///
  /// All but `a-z 0-9 - _ .` is percent-encoded, as is a dot at the start.
  package var fileName: String {
    var buffer = ByteBuffer(capacity: 3 * Limits.agentNameBytes.upperBound)
    for (index, byte) in folded.enumerated() {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
        UInt8(ascii: "_"):
        buffer.append(byte)
      case UInt8(ascii: ".") where index > 0: buffer.append(byte)
      default: buffer.append(percentEncoded: byte)
      }
    }
    return String(repairing: buffer.readable)
  }

  /// The name behind a `fileName`, its letters small; nil where no name has that for its file.
  package init?(fileName: String) {
    var bytes: [UInt8] = []
    let encoded = Array(fileName.utf8)
    var index = 0
    while index < encoded.count {
      if encoded[index] == UInt8(ascii: "%") {
        guard index + 2 < encoded.count, let high = Hex.value(encoded[index + 1]),
          let low = Hex.value(encoded[index + 2])
        else { return nil }
        bytes.append(high << 4 | low)
        index += 3
      } else {
        bytes.append(encoded[index])
        index += 1
      }
    }
    guard let name = try? AgentName(utf8: bytes.span), name.fileName == fileName else { return nil }
    self = name
  }

  private static func fold(_ byte: UInt8) -> UInt8 {
    UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte + 0x20 : byte
  }
}
