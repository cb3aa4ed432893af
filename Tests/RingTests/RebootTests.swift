import Bytes
import System
import TestSupport
import Testing

@testable import Ring

/// The death of the machine: any page of the file may be older than the others.
@Suite("The queue: opened again after the machine went down")
struct RebootTests {
  /// A queue of `bytes` bytes of records, closed, as of another start of the machine.
  private func queue(_ temporary: TemporaryFolder, bytes: UInt64, _ random: inout SeededGenerator) throws -> Model {
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

  private func reboot(_ temporary: TemporaryFolder) {
    let boot = word(contents(temporary.queue), Word.bootHigh)
    overwrite(temporary.queue, at: Word.bootHigh, bytes(boot ^ 0x1234))
  }

  private func garble(_ temporary: TemporaryFolder, _ start: UInt64, _ end: UInt64) {
    for position in stride(from: start, to: end, by: 8) {
      overwrite(temporary.queue, at: Word.ring + Int(position % 65536), bytes(0))
    }
  }

  /// Every record from where the reader stands.
  private func read(_ reader: inout RingReader) throws -> [(header: RecordHeader, payload: [UInt8])] {
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

  private func expect(
    _ records: some Collection<(header: RecordHeader, payload: [UInt8])>, _ entries: some Collection<Model.Entry>,
    _ note: Comment
  ) {
    #expect(records.map(\.header) == entries.map(\.header), note)
    #expect(records.map(\.payload) == entries.map(\.payload), note)
  }

  @Test("Where all of it reached the disk, all of it is there", arguments: [0, 30000, 200_000])
  func nothingDamaged(bytes: UInt64) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try queue(temporary, bytes: bytes, &random)
    do {
      let writer = try openWriter(folder)
      #expect(writer.outcome == .recovered(rebooted: true, lost: 0, oldest: nil))
      #expect(writer.nextSequence == model.nextSequence)
    }
    try CheckedReader(folder, model).drain(model, "seed \(random.seed)")
    let again = try openWriter(folder)
    #expect(again.outcome == .opened, "the doubt is gone")
  }

  @Test("A torn end is cut off, counted and recorded as a loss, and its numbers are not used again")
  func tornEnd() throws {
    var random = SeededGenerator()
    for round in 0..<20 {
      let note: Comment = "round \(round), seed \(random.seed)"
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let model = try queue(temporary, bytes: 20000 + random.next() % 150_000, &random)
      let cut = model.oldest + 1 + Int(random.next() % UInt64(model.entries.count - model.oldest - 1))
      let first = model.entries[cut]
      garble(temporary, first.start + 8 * (random.next() % ((first.end - first.start - 8) / 8)), model.end)
      let lost = model.nextSequence - first.header.sequence
      var writer = try openWriter(folder)
      #expect(writer.outcome == .recovered(rebooted: true, lost: lost, oldest: nil), note)
      #expect(writer.nextSequence == model.nextSequence, note)
      let object = random.bytes(300)
      #expect(try writer.append(object) == model.nextSequence, note)
      var reader = try RingReader.open("queue.ring", in: folder)
      let records = try read(&reader)
      let kept = records.count - 2
      expect(records.prefix(kept), model.entries[..<cut].suffix(kept), note)
      #expect(records[kept].header.kind == .loss && records[kept].header.reason == 5, note)
      #expect(records[kept].header.sequence == first.header.sequence && records[kept].header.span == lost, note)
      #expect(records[kept + 1].payload == object, note)
      // Only what the new records and the write that was under way overwrite may be gone from the front.
      #expect(kept >= cut - model.oldest - 2, note)
    }
  }

  @Test("Where the middle is bad, what is before and behind it is kept, and its numbers are a recorded loss")
  func badMiddle() throws {
    var random = SeededGenerator()
    for round in 0..<20 {
      let note: Comment = "round \(round), seed \(random.seed)"
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let model = try queue(temporary, bytes: 20000 + random.next() % 150_000, &random)
      let choices = UInt64(model.entries.count - model.oldest - 2)
      let bad = model.oldest + 1 + Int(random.next() % choices)
      // One record, or so many that one loss cannot fill their place.
      let length = round % 2 == 0 ? 1 : min(1 + Int(random.next() % 60), model.entries.count - 1 - bad)
      let behind = bad + length
      garble(temporary, model.entries[bad].start, model.entries[behind - 1].end)
      let first = model.entries[bad].header.sequence
      let lost = model.entries[behind].header.sequence - first
      do {
        let writer = try openWriter(folder)
        #expect(writer.outcome == .recovered(rebooted: true, lost: lost, oldest: nil), note)
        #expect(writer.nextSequence == model.nextSequence, note)
      }
      try expectFilled(folder, model, bad..<behind, note)
      let again = try openWriter(folder)
      #expect(again.outcome == .opened, note)
    }
  }

  /// Everything is there but for `bad`, in whose place there are a loss and what fills its bytes.
  private func expectFilled(_ folder: borrowing Folder, _ model: Model, _ bad: Range<Int>, _ note: Comment) throws {
    var reader = try RingReader.open("queue.ring", in: folder)
    let records = try read(&reader)
    let before = model.entries[model.oldest..<bad.lowerBound]
    let behind = model.entries[bad.upperBound...]
    try #require(records.count > before.count + behind.count, note)
    expect(records.prefix(before.count), before, note)
    expect(records.suffix(behind.count), behind, note)
    let filling = records.dropFirst(before.count).dropLast(behind.count)
    let loss = filling[filling.startIndex].header
    let first = model.entries[bad.lowerBound].header.sequence
    let next = model.entries[bad.upperBound].header.sequence
    #expect(loss.kind == .loss && loss.reason == 5 && loss.sequence == first && loss.nextSequence == next, note)
    #expect(filling.dropFirst().allSatisfy { $0.header.kind == .position && $0.header.sequence == next }, note)
  }

  @Test("A repair of the middle that is killed between any two of its stores is finished by the next start")
  func repairKilled() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try queue(temporary, bytes: 120_000, &random)
    // Longer than the longest record, so that there are two.
    let bad = model.oldest + 5
    var behind = bad + 1
    while model.entries[behind].start - model.entries[bad].start < 9000 { behind += 1 }
    let (start, end) = (model.entries[bad].start, model.entries[behind].start)
    for position in stride(from: start, to: end, by: 8) {
      overwrite(temporary.queue, at: Word.ring + Int(position % 65536), bytes(random.next()))
    }
    let before = contents(temporary.queue)
    do { _ = try openWriter(folder) }
    let after = contents(temporary.queue)
    let places = stride(from: start, to: end, by: 8).map { Word.ring + Int($0 % 65536) }
    for step in 0...places.count where step < 20 || step % 9 == 0 || step > places.count - 3 || (1020..<1036) ~= step {
      let note: Comment = "after \(step) stores, seed \(random.seed)"
      setContents(temporary.queue, before)
      for offset in places[..<step] { overwrite(temporary.queue, at: offset, bytes(word(after, offset))) }
      do {
        let writer = try openWriter(folder)
        #expect(writer.outcome != .opened, note)
        #expect(writer.nextSequence == model.nextSequence, note)
      }
      try expectFilled(folder, model, bad..<behind, note)
    }
  }

  @Test("Damage without a new start of the machine is repaired as well, and told apart")
  func damagedOnly() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try queue(temporary, bytes: 50000, &random)
    do { _ = try openWriter(folder) }
    let bad = 20
    garble(temporary, model.entries[bad].start, model.entries[bad].start + 8)
    let lost = model.entries[bad].header.span
    let writer = try openWriter(folder)
    #expect(writer.outcome == .recovered(rebooted: false, lost: lost, oldest: nil))
    try expectFilled(folder, model, bad..<bad + 1, "seed \(random.seed)")
  }

  @Test("Where `oldest` points into a record, everything behind that record is kept")
  func badOldest() throws {
    var random = SeededGenerator()
    for round in 0..<20 {
      let note: Comment = "round \(round), seed \(random.seed)"
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let model = try queue(temporary, bytes: 20000 + random.next() % 150_000, &random)
      let hit = model.oldest + Int(random.next() % UInt64(model.entries.count - model.oldest - 1))
      overwrite(temporary.queue, at: Word.oldest, bytes(model.entries[hit].start + 8))
      do {
        let writer = try openWriter(folder)
        let oldest = model.entries[hit + 1].header.sequence
        #expect(writer.outcome == .recovered(rebooted: true, lost: 0, oldest: oldest), note)
      }
      var reader = try RingReader.open("queue.ring", in: folder)
      expect(try read(&reader), model.entries[(hit + 1)...], note)
    }
  }

  @Test("A header older than the records: what the newer ones have not overwritten is kept, and nothing else is read")
  func oldHeader() throws {
    var random = SeededGenerator()
    for round in 0..<20 {
      let note: Comment = "round \(round), seed \(random.seed)"
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let model = try queue(temporary, bytes: 70000 + random.next() % 100_000, &random)
      let header = Array(contents(temporary.queue)[..<4096])
      var later = model
      do {
        var writer = try openWriter(folder)
        while later.end < model.end + 30000 { try later.append(random.bytes(Int(random.next() % 900)), to: &writer) }
      }
      overwrite(temporary.queue, at: 0, header)
      var writer = try openWriter(folder)
      let oldest = later.entries[later.oldest].header.sequence
      #expect(writer.outcome == .recovered(rebooted: true, lost: 0, oldest: oldest), note)
      #expect(writer.nextSequence == model.nextSequence, note)
      var reader = try RingReader.open("queue.ring", in: folder)
      // The records that begin within the last lap before the newer writer's end.
      expect(try read(&reader), model.entries[later.oldest...], note)
      #expect(try writer.append([1]) == model.nextSequence, note)
      #expect(try reader.next() != .end, note)
    }
  }

  @Test("Records all a lap older than the header: none is taken for a newer one, and no number is used again")
  func oldRecords() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    // Records of 128 bytes stand at the same places in every lap.
    var old: [UInt8] = []
    do {
      var writer = try openWriter(folder)
      for _ in 0..<2048 { _ = try writer.append([UInt8](repeating: 1, count: 56)) }
      old = Array(contents(temporary.queue)[Word.ring...])
      for _ in 0..<512 { _ = try writer.append([UInt8](repeating: 2, count: 56)) }
    }
    let generation = try RingReader.open("queue.ring", in: folder).generation
    overwrite(temporary.queue, at: Word.ring, old)
    reboot(temporary)
    var writer = try openWriter(folder, now: 1_700_000_000_000_000)
    #expect(writer.outcome == .replaced(aside: "queue.ring.damaged-1700000000"))
    #expect(writer.nextSequence == 2561)
    // It is the same queue, so that a consumer is told exactly what it missed.
    var reader = try RingReader.open("queue.ring", in: folder)
    #expect(reader.generation == generation)
    try reader.seek(to: 2000)
    #expect(try writer.append([9]) == 2561)
    #expect(try reader.next() == .overwritten(561))
    #expect(try read(&reader).map(\.payload).last == [9])
  }

  @Test("Pages a lap older in the middle, whose records look whole: what is newer than they is kept")
  func oldMiddle() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var old: [UInt8] = []
    do {
      var writer = try openWriter(folder)
      // 72 bytes and 184 make 256: records of 128 bytes then begin where pages do.
      _ = try writer.append([UInt8](repeating: 0, count: 112))
      for _ in 0..<2047 { _ = try writer.append([UInt8](repeating: 1, count: 56)) }
      old = contents(temporary.queue)
      for _ in 0..<512 { _ = try writer.append([UInt8](repeating: 2, count: 56)) }
    }
    overwrite(temporary.queue, at: 20 * 4096, Array(old[20 * 4096..<22 * 4096]))
    reboot(temporary)
    let writer = try openWriter(folder)
    #expect(writer.outcome == .recovered(rebooted: true, lost: 64, oldest: nil))
    #expect(writer.nextSequence == 2561)
    var reader = try RingReader.open("queue.ring", in: folder)
    let records = try read(&reader)
    let loss = try #require(records.first { $0.header.kind == .loss })
    #expect(loss.header.span == 64 && loss.header.reason == 5)
    #expect(Set(loss.payload) == [0])
    let newest = (2561 - 512..<2561).map(UInt64.init).filter {
      !(loss.header.sequence..<loss.header.nextSequence).contains($0)
    }
    let messages = records.filter { $0.header.kind == .message }
    #expect(messages.map(\.header.sequence).suffix(newest.count) == newest[...])
    #expect(messages.allSatisfy { $0.payload == [UInt8](repeating: 2, count: 56) })
  }

  @Test("A recovery that is killed between any two of its stores is finished by the next start")
  func recoveryKilled() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try queue(temporary, bytes: 120_000, &random)
    let cut = model.entries.count - 10
    let first = model.entries[cut]
    let lost = model.nextSequence - first.header.sequence
    garble(temporary, first.start, first.start + 24)
    garble(temporary, model.end - 16, model.end)
    let before = contents(temporary.queue)
    do { _ = try openWriter(folder) }
    let after = contents(temporary.queue)
    let record = stride(from: first.start, to: first.start + 72, by: 8).map { Word.ring + Int($0 % 65536) }
    let stores =
      [Word.oldest, Word.intent] + record + [Word.published, Word.sequence, Word.bootHigh, Word.bootHigh + 8]
    for step in 0...stores.count {
      let note: Comment = "after \(step) stores, seed \(random.seed)"
      setContents(temporary.queue, before)
      for offset in stores[..<step] { overwrite(temporary.queue, at: offset, bytes(word(after, offset))) }
      let writer = try openWriter(folder)
      // The second half of the boot id is the same in both: the last store changes nothing.
      #expect(writer.outcome != .opened || step >= stores.count - 1, note)
      #expect(writer.nextSequence == model.nextSequence, note)
      var reader = try RingReader.open("queue.ring", in: folder)
      let records = try read(&reader)
      expect(records.dropLast(), model.entries[..<cut].suffix(records.count - 1), note)
      #expect(records.last?.header.kind == .loss && records.last?.header.span == lost, note)
    }
  }

  @Test("Where nothing can be trusted, not even a number, the file is put aside as it is and a new queue begun")
  func everythingBad() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    _ = try queue(temporary, bytes: 100_000, &random)
    let generation = try RingReader.open("queue.ring", in: folder).generation
    overwrite(temporary.queue, at: Word.ring, random.bytes(65536))
    overwrite(temporary.queue, at: Word.sequenceCheck, bytes(0))
    let bad = contents(temporary.queue)
    var writer = try openWriter(folder, now: 1_700_000_000_000_000)
    #expect(writer.outcome == .replaced(aside: "queue.ring.damaged-1700000000"))
    let aside = contents(temporary.queue + ".damaged-1700000000")
    #expect(aside.count == bad.count && aside[128..<256] == bad[128..<256] && aside[512...] == bad[512...])
    #expect(try writer.append([9]) == 1)
    var reader = try RingReader.open("queue.ring", in: folder)
    #expect(reader.generation != generation)
    #expect(try read(&reader).map(\.payload) == [[], [9]])
  }

  @Test("Any mixture of old and new pages: only records as they were written, in order, each number once")
  func anyPages() throws {
    var random = SeededGenerator()
    for round in 0..<150 {
      let note: Comment = "round \(round), seed \(random.seed)"
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let model = try queue(temporary, bytes: random.next() % 150_000, &random)
      let old = contents(temporary.queue)
      var later = model
      do {
        var writer = try openWriter(folder)
        let target = model.end + random.next() % 100_000
        while later.end < target { try later.append(random.bytes(Int(random.next() % 900)), to: &writer) }
      }
      reboot(temporary)
      // Page 0 is the header's; the ring's are 16 to 31.
      var pages = Array(16..<32)
      if random.next() % 2 == 0 { pages.append(0) }
      for page in pages where random.next() % 4 == 0 {
        overwrite(temporary.queue, at: page * 4096, Array(old[page * 4096..<(page + 1) * 4096]))
      }
      var writer = try openWriter(folder)
      if case .replaced = writer.outcome { continue }
      var reader = try RingReader.open("queue.ring", in: folder)
      var expected = reader.sequence
      for record in try read(&reader) {
        #expect(record.header.sequence == expected, note)
        expected = record.header.nextSequence
        let entry = later.entries.first { $0.header == record.header }
        let isFiller = record.header.kind == .position && record.payload.allSatisfy { $0 == 0 }
        #expect(entry?.payload == record.payload || record.header.reason == 5 || isFiller, note)
      }
      #expect(writer.nextSequence == expected, note)
      let object = random.bytes(500)
      #expect(try writer.append(object) == expected, note)
      guard case .record(let header) = try reader.next() else {
        Issue.record("the next record was not read; \(note)")
        continue
      }
      let same = equal(reader.payload, object.span)
      #expect(header.sequence == expected && same, note)
    }
  }
}
