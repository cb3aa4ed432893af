import Bytes
import System
import TestSupport
import Testing

@Suite("Shared mappings, clocks and random bits")
struct MappingTests {
  @Test("Two mappings of one file share their words; a byte run fills its last word up with zeros")
  func shared() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    setContents(temporary.path + "/f", [UInt8](repeating: 0xEE, count: 64))
    let file = try folder.open("f", .readWrite)
    let writer = try SharedMapping(file, byteCount: 64, writable: true)
    let reader = try SharedMapping(try folder.open("f", .readOnly), byteCount: 64, writable: false)
    writer.storeRelaxed(0x0102_0304_0506_0708, 8)
    #expect(reader.loadAcquiring(8) == 0x0102_0304_0506_0708)
    #expect(contents(temporary.path + "/f")[8..<16] == [8, 7, 6, 5, 4, 3, 2, 1])
    for count in 0...17 {
      writer.storeRelaxed(.max, 16)
      writer.storeRelaxed(.max, 24)
      writer.storeRelaxed(.max, 32)
      let bytes = (0..<UInt8(count)).map { $0 + 1 }
      writer.storeRelaxed(bytes.span, 16)
      let padding = [UInt8](repeating: 0, count: (8 - count % 8) % 8)
      let expected = bytes + padding + [UInt8](repeating: 0xFF, count: 24 - count - padding.count)
      #expect(Array(contents(temporary.path + "/f")[16..<40]) == expected, "\(count) bytes")
    }
    var copy = [UInt8](repeating: 0, count: 16)
    unsafe copy.withUnsafeMutableBytes { unsafe reader.loadRelaxed(into: $0, 8) }
    #expect(copy == Array(contents(temporary.path + "/f")[8..<24]))
    #expect(contents(temporary.path + "/f")[48...].allSatisfy { $0 == 0xEE })
  }

  @Test("Adding wraps, exchanging asks first")
  func arithmetic() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    setContents(temporary.path + "/f", [UInt8](repeating: 0, count: 64))
    let mapping = try SharedMapping(try folder.open("f", .readWrite), byteCount: 64, writable: true)
    #expect(mapping.add(5, 0) == 0)
    #expect(mapping.add(.max, 0) == 5)
    #expect(mapping.loadRelaxed(0) == 4)
    let refused = mapping.compareExchange(7, with: 8, 0)
    #expect(!refused.exchanged && refused.original == 4)
    let done = mapping.compareExchange(4, with: 8, 0)
    #expect(done.exchanged && mapping.loadRelaxed(0) == 8)
  }

  @Test("A file that cannot be mapped is a typed error")
  func unmappable() throws {
    let folder = try Folder("/proc")
    #expect(throws: SystemError.self) {
      _ = try SharedMapping(try folder.open("version", .readOnly), byteCount: 4096, writable: false, "version")
    }
  }

  @Test("Moments: differences never run below zero, sums never beyond the end of time")
  func moments() {
    let early = Instant(nanoseconds: 5)
    let late = Instant(nanoseconds: 9)
    #expect(late - early == 4 && early - late == 0 && early < late)
    #expect(early + .seconds(2) == Instant(nanoseconds: 2_000_000_005))
    #expect(Instant(nanoseconds: .max) + 1 == Instant(nanoseconds: .max))
    #expect(UInt64.milliseconds(3) == 3_000_000)
    let first = SystemClock.monotonic()
    #expect(SystemClock.monotonic() >= first)
    // After 2020 and before 2500: nanoseconds since 1970.
    #expect((1_577_836_800_000_000_000...16_725_225_600_000_000_000).contains(SystemClock.wall()))
  }

  @Test("Random bits are not the same twice")
  func random() throws {
    let values = try (0..<100).map { _ in try systemRandom() }
    #expect(Set(values).count == 100)
  }
}
