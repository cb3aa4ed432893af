/// Where a stream of TLS records stands (RFC 8446 section 5.1), so that its end can be told from its being cut:
///
///      0      1          3          5
///      │ type │ version  │ length   │ length bytes …
///
/// Invariant: while a header is incomplete, no byte of a body is awaited.
struct TLSRecordPlace: Equatable {
  private var headerBytes = 0
  private var length = 0
  private var bodyLeft = 0

  private static let headerSize = 5

  var isBetweenRecords: Bool { headerBytes == 0 && bodyLeft == 0 }

  /// Goes on over `bytes`, which were taken by OpenSSL. What is no TLS leads nowhere sensible, and never to a trap.
  mutating func advance(over bytes: borrowing Span<UInt8>) {
    var index = 0
    while index < bytes.count {
      if bodyLeft > 0 {
        let count = min(bodyLeft, bytes.count - index)
        bodyLeft -= count
        index += count
        continue
      }
      if headerBytes >= 3 { length = length << 8 | Int(bytes[index]) }
      headerBytes += 1
      index += 1
      if headerBytes == Self.headerSize {
        // At most 65,535: two bytes.
        bodyLeft = length
        length = 0
        headerBytes = 0
      }
    }
  }
}
