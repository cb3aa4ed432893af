internal import Bytes
internal import System

// Records go into the ring and come out of it as relaxed atomic words, in order, wrapping at its end.

extension QueueFile {
  /// How many bytes there are from `place` to the end of the ring.
  @inline(__always)
  private func run(_ place: Int) -> Int { QueueLayout.headerBytes &+ Int(truncatingIfNeeded: capacity) &- place }

  /// Stores the record of `header`, whose length is that of `payload`, with its checksum and trailer.
  @inline(__always)
  func store(_ header: RecordHeader, _ payload: borrowing Span<UInt8>, at position: UInt64) {
    var words = header.words
    words[0] |= UInt64(checksum(words, payload, at: position)) << 32
    let recordBytes = RecordLayout.recordBytes(payload: payload.count)
    let place = QueueLayout.place(position, mask)
    if recordBytes <= run(place) {
      mapping.storeRelaxed(words, place)
      mapping.storeRelaxed(payload, place &+ RecordLayout.headerBytes)
      mapping.storeRelaxed(
        UInt64(truncatingIfNeeded: recordBytes), place &+ recordBytes &- RecordLayout.trailerBytes)
    } else {
      storeWrapping(words, payload, at: position)
    }
  }

  private func storeWrapping(
    _ words: InlineArray<8, UInt64>, _ payload: borrowing Span<UInt8>, at position: UInt64
  ) {
    for index in words.indices { store(words[index], at: position &+ UInt64(index * 8)) }
    let start = position &+ UInt64(RecordLayout.headerBytes)
    let place = QueueLayout.place(start, mask)
    let split = min(payload.count, run(place))
    mapping.storeRelaxed(payload.extracting(0..<split), place)
    if split < payload.count {
      mapping.storeRelaxed(payload.extracting(split..<payload.count), QueueLayout.headerBytes)
    }
    let recordBytes = UInt64(RecordLayout.recordBytes(payload: payload.count))
    store(recordBytes, at: position &+ recordBytes &- UInt64(RecordLayout.trailerBytes))
  }

  private func store(_ word: UInt64, at position: UInt64) {
    mapping.storeRelaxed(word, QueueLayout.place(position, mask))
  }

  /// Puts right the length that stands before `end`. Only for the writer, before it goes on.
  func mendTrailer(_ recordBytes: UInt64, at end: UInt64) {
    let place = end &- UInt64(RecordLayout.trailerBytes)
    if load(at: place) != recordBytes { store(recordBytes, at: place) }
  }

  /// The word at `position`, which may be of any age.
  @inline(__always)
  func load(at position: UInt64) -> UInt64 { mapping.loadRelaxed(QueueLayout.place(position, mask)) }

  /// Copies the bytes from `position` on into `target`, whose length is a multiple of 8 and at most the capacity. They
  /// may be torn: see `firstTrusted`.
  func load(into target: UnsafeMutableRawBufferPointer, from position: UInt64) {
    let place = QueueLayout.place(position, mask)
    let run = run(place)
    if target.count <= run {
      unsafe mapping.loadRelaxed(into: target, place)
    } else {
      unsafe mapping.loadRelaxed(into: .init(rebasing: target[..<run]), place)
      unsafe mapping.loadRelaxed(into: .init(rebasing: target[run...]), QueueLayout.headerBytes)
    }
  }

  /// Where the record begins that ends at `end`, by the length that stands at its own end; nil where that length is
  /// impossible (or was overwritten meanwhile).
  func startOfRecord(endingAt end: UInt64, oldest: UInt64) -> UInt64? {
    guard end >= oldest, end - oldest >= UInt64(RecordLayout.smallest) else { return nil }
    let recordBytes = load(at: end - UInt64(RecordLayout.trailerBytes))
    guard recordBytes >= UInt64(RecordLayout.smallest), recordBytes & 7 == 0, recordBytes <= end - oldest else {
      return nil
    }
    return end - recordBytes
  }
}
