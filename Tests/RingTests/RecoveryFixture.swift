import System
import TestSupport
import Testing

@testable import Ring

// What the tests of recovery share: a queue as another start of the machine left it, and how what is left of it is read.

/// A queue of `bytes` bytes of records, closed, as of another start of the machine.
func closedQueue(_ temporary: TemporaryFolder, bytes: UInt64, _ random: inout SeededGenerator) throws -> Model {
  let folder = try temporary.open()
  var writer = try openWriter(folder)
  var model = Model(capacity: 65536)
  while model.end < bytes {
    if random.next() % 8 == 0 {
      try model.append(lossOf: 1 + random.next() % 9, to: &writer)
    } else {
      try model.append(random.bytes(Int(random.next() % 900)), to: &writer)
    }
  }
  reboot(temporary)
  return model
}

func reboot(_ temporary: TemporaryFolder) {
  let boot = word(contents(temporary.queue), Word.bootHigh)
  overwrite(temporary.queue, at: Word.bootHigh, bytes(boot ^ 0x1234))
}

func garble(_ temporary: TemporaryFolder, _ start: UInt64, _ end: UInt64) {
  for position in stride(from: start, to: end, by: 8) {
    overwrite(temporary.queue, at: Word.ring + Int(position % 65536), bytes(0))
  }
}

/// Every record from where the reader stands.
func readAll(_ reader: inout RingReader) throws -> [(header: RecordHeader, payload: [UInt8])] {
  var records: [(header: RecordHeader, payload: [UInt8])] = []
  while true {
    switch try reader.next() {
    case .record(let header):
      let payload = reader.payload
      records.append((header, payload.indices.map { payload[$0] }))
    case .overwritten(let count): Issue.record("\(count) overwritten with no writer at work")
    case .end: return records
    }
  }
}

func expectSame(
  _ records: some Collection<(header: RecordHeader, payload: [UInt8])>, _ entries: some Collection<Model.Entry>,
  _ note: Comment
) {
  #expect(records.map(\.header) == entries.map(\.header), note)
  #expect(records.map(\.payload) == entries.map(\.payload), note)
}

/// Everything is there but for `bad`, in whose place there are a loss and what fills its bytes.
func expectFilled(_ folder: borrowing Folder, _ model: Model, _ bad: Range<Int>, _ note: Comment) throws {
  var reader = try RingReader.open("queue.ring", in: folder)
  let records = try readAll(&reader)
  let before = model.entries[model.oldest..<bad.lowerBound]
  let behind = model.entries[bad.upperBound...]
  try #require(records.count > before.count + behind.count, note)
  expectSame(records.prefix(before.count), before, note)
  expectSame(records.suffix(behind.count), behind, note)
  let filling = records.dropFirst(before.count).dropLast(behind.count)
  let loss = filling[filling.startIndex].header
  let first = model.entries[bad.lowerBound].header.sequence
  let next = model.entries[bad.upperBound].header.sequence
  #expect(loss.kind == .loss && loss.reason == 5 && loss.sequence == first && loss.nextSequence == next, note)
  #expect(filling.dropFirst().allSatisfy { $0.header.kind == .position && $0.header.sequence == next }, note)
}
