package import Bytes

/// What tells one message from all others: its id or, where it has none, its place in the stream.
///
/// An id that is no ULID is hashed. Two messages with the same key are compared by their bytes as well, so that neither a
/// collision nor a forged id suppresses a message.
package struct MessageKey: Hashable, BitwiseCopyable, Sendable {
  let high: UInt64
  let low: UInt64

  package init(_ id: ULID) {
    self.init(high: id.high, low: id.low)
  }

  /// Of an entry without an id. No ULID before the year 6429 begins with the bits that set the other kinds apart.
  package init(_ place: StreamID) {
    self.init(high: place.milliseconds | 0xC000_0000_0000_0000, low: place.sequence)
  }

  /// - Parameter id: the content of the member `id`, in whatever form its sender gave it.
  package init(id: borrowing Span<UInt8>) {
    if let ulid = ULID(id) {
      self.init(ulid)
      return
    }
    // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), from two beginnings.
    var first: UInt64 = 0xCBF2_9CE4_8422_2325
    var second: UInt64 = 0x9AE1_6A3B_2F90_404F
    for index in id.indices {
      first = (first ^ UInt64(id[index])) &* 0x100_0000_01B3
      second = (second ^ UInt64(id[index])) &* 0x100_0000_01B3
    }
    self.init(high: (first & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000, low: second)
  }

  private init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Spread over all 64 bits: the parts of a ULID that are time are much alike.
  var hash: UInt64 {
    var mixed = high ^ (low &* 0x9E37_79B9_7F4A_7C15)
    mixed ^= mixed >> 32
    mixed &*= 0xD6E8_FEB8_6659_FD93
    return mixed ^ (mixed >> 32)
  }
}
