import Bytes
import System
import TestSupport
import Testing

@testable import Ring

/// The death of the machine: any page of the file may be older than the others.
@Suite("The queue: opened again after the machine went down")
struct RebootTests {
  @Test("Where all of it reached the disk, all of it is there", arguments: [0, 30000, 200_000])
  func nothingDamaged(bytes: UInt64) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try closedQueue(temporary, bytes: bytes, &random)
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
      let model = try closedQueue(temporary, bytes: 20000 + random.next() % 150_000, &random)
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
      let records = try readAll(&reader)
      let kept = records.count - 2
      expectSame(records.prefix(kept), model.entries[..<cut].suffix(kept), note)
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
      let model = try closedQueue(temporary, bytes: 20000 + random.next() % 150_000, &random)
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

  @Test("Damage without a new start of the machine is repaired as well, and told apart")
  func damagedOnly() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try closedQueue(temporary, bytes: 50000, &random)
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
      let model = try closedQueue(temporary, bytes: 20000 + random.next() % 150_000, &random)
      let hit = model.oldest + Int(random.next() % UInt64(model.entries.count - model.oldest - 1))
      overwrite(temporary.queue, at: Word.oldest, bytes(model.entries[hit].start + 8))
      do {
        let writer = try openWriter(folder)
        let oldest = model.entries[hit + 1].header.sequence
        #expect(writer.outcome == .recovered(rebooted: true, lost: 0, oldest: oldest), note)
      }
      var reader = try RingReader.open("queue.ring", in: folder)
      expectSame(try readAll(&reader), model.entries[(hit + 1)...], note)
    }
  }

  @Test("A header older than the records: what the newer ones have not overwritten is kept, and nothing else is read")
  func oldHeader() throws {
    var random = SeededGenerator()
    for round in 0..<20 {
      let note: Comment = "round \(round), seed \(random.seed)"
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let model = try closedQueue(temporary, bytes: 70000 + random.next() % 100_000, &random)
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
      expectSame(try readAll(&reader), model.entries[later.oldest...], note)
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
    #expect(try readAll(&reader).map(\.payload).last == [9])
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
    let records = try readAll(&reader)
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

  @Test("Where nothing can be trusted, not even a number, the file is put aside as it is and a new queue begun")
  func everythingBad() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    _ = try closedQueue(temporary, bytes: 100_000, &random)
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
    #expect(try readAll(&reader).map(\.payload) == [[], [9]])
  }

  @Test("Any mixture of old and new pages: only records as they were written, in order, each number once")
  func anyPages() throws {
    var random = SeededGenerator()
    for round in 0..<150 {
      let note: Comment = "round \(round), seed \(random.seed)"
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let model = try closedQueue(temporary, bytes: random.next() % 150_000, &random)
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
      for record in try readAll(&reader) {
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
