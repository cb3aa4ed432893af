import Bytes
import Glibc
import System
import TestSupport

@testable import Ring

/// A promise that was broken.
struct Wrong: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Reads and repairs damaged copies of one image, and compares everything that comes of it with what was written.
///
/// The promise: every record that is delivered is one that was written under its number; every number is delivered or
/// reported lost, or an error says that the rest cannot be had; a repair gives no number a second time, and gives up no
/// more than the record in which the damage is.
struct DamageCheck: ~Copyable {
  private let image: DamagedImage
  private let temporary = TemporaryFolder(inMemory: true)
  private let folder: Folder
  private var random: SeededGenerator
  /// What the file holds before the repair.
  private var damaged: [UInt8] = []

  init(_ image: DamagedImage, _ random: SeededGenerator) throws {
    let folder = try temporary.open()
    self.image = image
    self.folder = folder
    self.random = random
  }

  /// What stands where the damage is.
  private enum Place: Equatable {
    /// Words under the header's checksum.
    case writtenOnce
    /// The bounds of what is whole.
    case bounds
    case record(Int)
    /// What no record's fate hangs on.
    case elsewhere
  }

  private func place(_ flip: Flip) -> Place {
    if let index = image.index(at: flip.offset) { return .record(index) }
    if flip.offset < Word.checksum + 8 { return .writtenOnce }
    let words = [Word.oldest, Word.intent, Word.published]
    return words.contains(flip.offset & ~7) ? .bounds : .elsewhere
  }

  /// Damages one bit, reads, repairs and reads again.
  mutating func run(_ flip: Flip) throws {
    damaged = image.file
    damaged[flip.offset] ^= 1 << UInt8(flip.bit)
    try run(place(flip))
  }

  /// The file is `length` bytes long, cut short or with random bytes at its end.
  mutating func run(length: Int) throws {
    let more = max(0, length - image.file.count)
    damaged = image.file.prefix(length) + random.bytes(more)
    // Of a file that is cut short there is nothing to be had.
    try run(length < image.file.count ? .writtenOnce : .elsewhere)
  }

  private mutating func run(_ place: Place) throws {
    setContents(temporary.queue, damaged)
    // A reader that is there before the repair, while it is made, and after it.
    var reader: RingReader
    do throws(QueueError) {
      reader = try RingReader.open("queue.ring", in: folder)
    } catch {
      try Self.accept(error)
      _ = try repair(place)
      return
    }
    if place == .writtenOnce { throw Wrong("opened with a header that nobody wrote") }
    let first = try read(&reader, from: reader.sequence)
    try checkEnd(first.refusal, first.sequence, place, "reading")
    try check(reader.daemonStatus)
    do {
      try checkEnd(nil, try reader.nextSequence(), place, "the next number")
    } catch let error as QueueError {
      try Self.accept(error)
    }
    try seek(place)
    guard try repair(place) else { return }
    let rest = try read(&reader, from: first.sequence, repaired: true)
    if rest.refusal == nil, rest.sequence != image.next + 2 { throw Wrong("it missed what came after the repair") }
  }

  /// An error that says what is wrong with the file.
  private static func accept(_ error: QueueError) throws {
    switch error {
    case .damaged, .foreign, .newerVersion: return
    case .missing, .system, .overrun: throw Wrong("\(error)")
    }
  }

  /// How a reading to the end went.
  private struct Reading {
    /// Which of the records that were ever written were delivered.
    var delivered: Set<Int> = []
    /// The first number that was not accounted for.
    var sequence: UInt64
    /// Why it did not come to the end, if it did not.
    var refusal: QueueError?
  }

  /// Reads to the end, and compares.
  ///
  /// - Parameter repaired: whether there may be records of what the repair cost, and two new ones at the end.
  private func read(_ reader: inout RingReader, from start: UInt64, repaired: Bool = false) throws -> Reading {
    var reading = Reading(sequence: start)
    // Records that fill a gap may be many small ones.
    for _ in 0...image.entries.count + 1000 {
      let step: RingReader.Step
      do throws(QueueError) { step = try reader.next() } catch {
        try Self.accept(error)
        reading.refusal = error
        return reading
      }
      switch step {
      case .end: return reading
      case .overwritten(let count):
        guard count > 0, count <= image.next else { throw Wrong("\(count) said to be overwritten") }
        reading.sequence += count
      case .record(let header):
        guard header.sequence == reading.sequence else {
          throw Wrong("record \(header.sequence) where \(reading.sequence) belongs")
        }
        reading.sequence = header.nextSequence
        // Moves of the stream position may be alike, and stand at the same number.
        let alike = (image.numbered[header.sequence] ?? []).filter { image.written[$0].header == header }
        if let first = alike.first {
          guard let index = alike.first(where: { !reading.delivered.contains($0) }) else {
            throw Wrong("record \(header.sequence) twice")
          }
          let payload = image.written[first].payload
          guard equal(reader.payload, payload.span) else { throw Wrong("another payload") }
          reading.delivered.insert(index)
        } else {
          let isOfRepair = isOfRepair(header, reader.payload)
          guard repaired, isOfRepair else {
            throw Wrong("a record that nobody wrote: \(header)")
          }
        }
      }
    }
    throw Wrong("a reading without end")
  }

  /// The payload of what is appended after a repair.
  private static let marker: [UInt8] = [0x6D, 0x61, 0x72, 0x6B]

  /// What the records hold that fill a gap.
  private static let zeros = [UInt8](repeating: 0, count: 65536)

  private func isOfRepair(_ header: RecordHeader, _ payload: borrowing Span<UInt8>) -> Bool {
    if header.kind == .position, let identity = StreamIdentity(payload: payload) {
      // Named again, because the last record that did so is bad, or far away without those that are.
      return header.nextSequence <= image.next && image.written.contains { $0.payload == identityPayload(identity) }
    }
    if header.kind == .message { return header.sequence >= image.next && equal(payload, Self.marker.span) }
    return header.nextSequence <= image.next && equal(payload, Self.zeros.span.extracting(0..<payload.count))
  }

  /// What a reader came to is the end, an error, or where the bounds are what is damaged an earlier state of the queue.
  private func checkEnd(_ refusal: QueueError?, _ sequence: UInt64, _ place: Place, _ what: String) throws {
    guard refusal == nil, sequence != image.next else { return }
    if place == .bounds, image.entries.contains(where: { $0.header.sequence == sequence }) { return }
    throw Wrong("\(what) ended at \(sequence) instead of \(image.next)")
  }

  private func check(_ status: DaemonStatus?) throws {
    guard let status else { return }
    guard image.statuses.contains(status) else { throw Wrong("a state that nobody published: \(status)") }
  }

  /// Goes to numbers with hints, right and wrong ones, and reads on from there.
  private mutating func seek(_ place: Place) throws {
    var pairs: [(UInt64, UInt64)] = []
    let end = image.entries.last?.end ?? 0
    let hints = [0, end] + image.entries.map(\.start)
    let targets = [0, 1, image.next, image.next + 1, .max] + image.entries.map(\.header.sequence)
    if case .record(image.entries.count - 1) = place {
      // The end that a hint names is believed by what stands there.
      pairs = targets.map { ($0, end) }
    }
    pairs.append((targets.randomElement(using: &random) ?? 0, hints.randomElement(using: &random) ?? 0))
    let entry = image.entries.randomElement(using: &random)
    pairs.append((entry?.header.sequence ?? 0, entry?.start ?? 0))
    for (target, hint) in pairs {
      do {
        var reader = try RingReader.open("queue.ring", in: folder)
        try reader.seek(to: target, hint: hint)
        let start = reader.sequence
        guard start <= max(target, 1) else { throw Wrong("sought \(target) with \(hint) and went to \(start)") }
        let reading = try read(&reader, from: start)
        try checkEnd(reading.refusal, reading.sequence, place, "seeking \(target) with \(hint) and reading")
      } catch let error as QueueError {
        try Self.accept(error)
      }
    }
  }

  /// Opens the queue for writing, appends, and reads all of it.
  ///
  /// - Returns: false where the writer refused the file.
  private func repair(_ place: Place) throws -> Bool {
    var writer: RingWriter
    do throws(QueueError) { writer = try openWriter(folder, now: 7_000_000) } catch {
      try Self.accept(error)
      if case .record = place { throw Wrong("refused instead of repaired: \(error)") }
      if place == .elsewhere { throw Wrong("refused: \(error)") }
      guard contents(temporary.queue) == damaged else { throw Wrong("refused and yet changed") }
      return false
    }
    if place == .writtenOnce { throw Wrong("opened for writing with a header that nobody wrote") }
    if case .replaced(let aside) = writer.outcome {
      // A queue made anew says so by its generation; what was there can still be looked at.
      defer { _ = unsafe unlink(temporary.path + "/" + aside) }
      let kept = contents(temporary.path + "/" + aside)[Word.ring...] == damaged[Word.ring...]
      guard place == .bounds, kept else { throw Wrong("given up whole") }
      return false
    }
    guard writer.nextSequence == image.next else {
      throw Wrong("goes on with \(writer.nextSequence) instead of \(image.next), \(writer.outcome)")
    }
    try check(writer.known, place, writer.outcome)
    for number in 0..<2 {
      let sequence = try writer.append(Self.marker)
      guard sequence == image.next + UInt64(number) else { throw Wrong("\(sequence) given after the repair") }
    }
    var reader = try RingReader.open("queue.ring", in: folder)
    try reader.seek(to: 1)
    let reading = try read(&reader, from: reader.sequence, repaired: true)
    if let refusal = reading.refusal { throw Wrong("after the repair: \(refusal)") }
    guard reading.sequence == image.next + 2 else { throw Wrong("after the repair it ends at \(reading.sequence)") }
    try checkKept(reading.delivered, place, writer.outcome)
    return true
  }

  /// The stream is the one that the records name which are whole, and so is the position in it.
  private func check(_ known: Known, _ place: Place, _ outcome: OpeningOutcome) throws {
    var allowed = [image.known()]
    if case .record(let index) = place { allowed.append(image.known(without: index)) }
    if place == .bounds {
      // How much is still there is not known, but nothing is made up.
      let isNamed = image.written.contains { entry in
        known.stream.map { identityPayload($0) == entry.payload } ?? true
      }
      let isThere = image.written.contains { $0.header.position == known.position ?? $0.header.position }
      if isNamed, isThere { return }
    }
    guard allowed.contains(known) else { throw Wrong("\(known) instead of \(allowed), \(outcome)") }
  }

  /// A repair gives up no more than the damaged record, and that only where it is.
  private func checkKept(_ delivered: Set<Int>, _ place: Place, _ outcome: OpeningOutcome) throws {
    // What the new records overwrite.
    let free = 65536 - ((image.entries.last?.end ?? 0) - (image.entries.first?.start ?? 0))
    let overwritten = free > 1000 ? 0 : 3
    let first = image.written.count - image.entries.count
    var missing = Set(image.entries.indices).subtracting(delivered.map { $0 - first })
    for index in 0..<overwritten { missing.remove(index) }
    switch place {
    case .bounds: return
    case .record(let index): missing.remove(index)
    case .writtenOnce, .elsewhere: break
    }
    if !missing.isEmpty { throw Wrong("gave up records \(missing.sorted()), \(outcome)") }
  }
}
