internal import CLinux

/// CRC-32C (Castagnoli; RFC 3720 appendix B.4): reflected polynomial 0x82F63B78, start and end inverted.
///
/// The processor's instruction where it has one (in three lanes, where it can also join them), else a table: all give the
/// same values.
package struct CRC32C: Sendable {
  private var state: UInt32 = ~0

  package init() {}

  /// The checksum of the bytes given so far.
  package var value: UInt32 { ~state }

  package mutating func update(_ bytes: RawSpan) {
    state = Self.hasInstruction ? Self.byInstruction(state, bytes) : Self.byTable(state, bytes)
  }

  package mutating func update(_ bytes: borrowing Span<UInt8>) { unsafe update(bytes.bytes) }

  /// The checksum of the eight bytes of `word` in memory order, those of `head` and those of `body`, at once.
  package static func value(_ word: UInt64, _ head: RawSpan, _ body: RawSpan) -> UInt32 {
    guard hasInstruction else {
      var checksum = CRC32C()
      checksum.update(word)
      checksum.update(head)
      checksum.update(body)
      return checksum.value
    }
    return unsafe head.withUnsafeBytes { head in
      unsafe body.withUnsafeBytes { body in
        unsafe clinux_crc32c_of(word, head.baseAddress, head.count, body.baseAddress, body.count)
      }
    }
  }

  /// The eight bytes of `word` in memory order.
  package mutating func update(_ word: UInt64) {
    let words: InlineArray<1, UInt64> = [word]
    unsafe update(words.span.bytes)
  }

  // Not a stored constant: that would be checked for its initialisation at each use, which is dearer than to ask.
  private static var hasInstruction: Bool { clinux_crc32c_available() }

  /// Only where the processor has it.
  static func byInstruction(_ state: UInt32, _ bytes: RawSpan) -> UInt32 {
    unsafe bytes.withUnsafeBytes { unsafe clinux_crc32c(state, $0.baseAddress, $0.count) }
  }

  static func byTable(_ state: UInt32, _ bytes: RawSpan) -> UInt32 {
    var state = state
    for offset in bytes.byteOffsets {
      let byte = unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
      state = table[Int((state ^ UInt32(byte)) & 0xFF)] ^ (state >> 8)
    }
    return state
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0x82F6_3B78 ^ (value >> 1) : value >> 1 }
  }
}
