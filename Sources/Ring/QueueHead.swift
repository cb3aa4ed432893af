internal import Bytes
internal import System

/// What a queue file's header says once and for all, before the file has its name.
struct QueueHead {
  /// How many bytes of the file it takes, with its checksum.
  static let byteCount = QueueLayout.checksumOffset + 8

  let version: UInt64
  /// The ring's length in bytes.
  let capacity: UInt64
  /// Changes when the queue is created anew.
  let generation: UInt64
  /// Microseconds since the Unix epoch.
  let madeAt: UInt64

  /// Of a new file, in the present version.
  init(capacity: Int, generation: UInt64, madeAt: UInt64) {
    version = QueueLayout.version
    self.capacity = UInt64(capacity)
    self.generation = generation
    self.madeAt = madeAt
  }

  /// Reads and checks the beginning of a file that begins with the magic number.
  ///
  /// - Parameter path: for messages.
  init(_ bytes: borrowing Span<UInt8>, path: @autoclosure () -> String) throws(QueueError) {
    guard bytes.count >= Self.byteCount else { throw .damaged(path: path(), what: "cut short") }
    func word(_ offset: Int) -> UInt64 {
      (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64($1 * 8) }
    }
    version = word(QueueLayout.versionOffset)
    capacity = word(QueueLayout.capacityOffset)
    generation = word(QueueLayout.generationOffset)
    madeAt = word(QueueLayout.madeAtOffset)
    guard version <= QueueLayout.version else { throw .newerVersion(path: path(), version: version) }
    guard version >= QueueLayout.oldestVersion else { throw .damaged(path: path(), what: "unknown format \(version)") }
    guard word(QueueLayout.checksumOffset) == checksum else {
      throw .damaged(path: path(), what: "the header's checksum does not match")
    }
    guard capacity.nonzeroBitCount == 1, capacity >= UInt64(Limits.queueBytesRange.lowerBound),
      capacity <= UInt64(Limits.queueBytesRange.upperBound)
    else { throw .damaged(path: path(), what: "a capacity of \(capacity) bytes") }
  }

  /// The length of a file with this header, in bytes.
  var fileBytes: Int { QueueLayout.headerBytes + Int(capacity) }

  private var words: InlineArray<5, UInt64> { [QueueLayout.magic, version, capacity, generation, madeAt] }

  private var checksum: UInt64 {
    var checksum = CRC32C()
    let words = self.words
    unsafe checksum.update(words.span.bytes)
    return UInt64(checksum.value)
  }

  func store(in mapping: borrowing SharedMapping) {
    mapping.storeRelaxed(words, QueueLayout.magicOffset)
    mapping.storeRelaxed(checksum, QueueLayout.checksumOffset)
  }
}
