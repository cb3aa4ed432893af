import Synchronization
import TestSupport
import Testing

@testable import Ring

/// One bit of a queue file after the other: the header and the records' own fields bit by bit, the rest at random.
@Suite("The queue: any one bit flipped")
struct BitFlipTests {
  /// A part of the file; `slice` of `of` equal ones, so that they run side by side.
  struct Part: CustomTestStringConvertible {
    enum Kind {
      case header, rebooted, status, records
      case wrapping(DamagedImage.Shape)
      case lapped
    }
    let kind: Kind
    var slice = 0
    var of = 1
    var testDescription: String { "\(kind), \(slice + 1) of \(of)" }

    static let all: [Part] =
      (0..<4).map { Part(kind: .header, slice: $0, of: 4) } + (0..<2).map { Part(kind: .rebooted, slice: $0, of: 2) }
      + (0..<2).map { Part(kind: .status, slice: $0, of: 2) }
      + (0..<6).map { Part(kind: .records, slice: $0, of: 6) }
      + DamagedImage.Shape.others.map { Part(kind: .wrapping($0)) } + [Part(kind: .lapped)]

    func image(_ random: inout SeededGenerator) throws -> DamagedImage {
      switch kind {
      case .header, .status, .records: try DamagedImage(.base, &random)
      case .rebooted: try DamagedImage(.base, &random).rebooted
      case .wrapping(let shape): try DamagedImage(shape, &random)
      case .lapped: try DamagedImage(lapped: &random)
      }
    }

    func flips(_ image: DamagedImage, _ random: inout SeededGenerator) -> [Flip] {
      let flips: [Flip]
      switch kind {
      case .header: flips = Flip.all(0..<320) + Flip.some(320..<Word.statusCount, every: 8, &random)
      case .rebooted: flips = Flip.all(Word.checksum + 8..<320)
      case .status:
        flips =
          Flip.all(Word.statusCount..<Word.statusCount + 8)
          + Word.statusSlots.flatMap { Flip.all($0..<$0 + 128) + Flip.some($0 + 128..<$0 + 2048, every: 64, &random) }
      case .records: flips = image.entries.indices.flatMap { image.flips(ofRecord: $0) }
      case .wrapping(let shape): flips = image.flips(ofRecord: shape.wrapping)
      case .lapped: flips = Flip.some(Word.ring..<Word.ring + 65536, every: 256, &random)
      }
      return flips.indices.filter { $0 % of == slice }.map { flips[$0] }
    }
  }

  @Test(
    "only records as they were written, each number once or reported lost, or an error; a repair loses one at most",
    arguments: Part.all)
  func onlyWhatWasWritten(_ part: Part) throws {
    var random = SeededGenerator()
    let seed = random.seed
    let image = try part.image(&random)
    var check = try DamageCheck(image, random)
    var wrong: [String] = []
    for flip in part.flips(image, &random) {
      do { try check.run(flip) } catch { wrong.append("bit \(flip.bit) of byte \(flip.offset): \(error)") }
    }
    let note = Comment(rawValue: "OPENCLAW_BUS_TEST_SEED=\(seed); \(wrong.prefix(20).joined(separator: "\n"))")
    #expect(wrong.count == 0, note)
  }

  @Test("A file of any other length: refused where it is shorter, and where it is longer all of it is there")
  func otherLengths() throws {
    var random = SeededGenerator()
    let seed = random.seed
    let image = try DamagedImage(.base, &random)
    let whole = image.file.count
    var lengths = Array(0..<64) + (0..<100).map { _ in Int.random(in: 64..<whole, using: &random) }
    lengths += stride(from: 4096, through: whole, by: 4096).flatMap { [$0 - 8, $0 - 1, $0, $0 + 1] }
    lengths += image.entries.flatMap { [image.offset($0.start), image.offset($0.start) + 8] }
    lengths += [whole + 7, whole + 4096, 2 * whole, 2 * whole + 1]
    var check = try DamageCheck(image, random)
    for length in lengths {
      do { try check.run(length: length) } catch {
        Issue.record("\(length) bytes: \(error); OPENCLAW_BUS_TEST_SEED=\(seed)")
      }
    }
  }

  @Test("All of them together are more than 10,000")
  func enough() throws {
    var random = SeededGenerator()
    var count = 0
    for part in Part.all {
      let image = try part.image(&random)
      count += part.flips(image, &random).count
    }
    #expect(count > 10_000)
  }
}
