import Bytes
import Glibc
import System
import TestSupport
import Testing

@testable import Ring

@Suite("The queue: files that are not what they should be")
struct RefusalTests {
  private func readerError(_ folder: borrowing Folder) -> QueueError? {
    do throws(QueueError) { _ = try RingReader.open("queue.ring", in: folder) } catch { return error }
    return nil
  }

  private func writerError(_ folder: borrowing Folder) -> QueueError? {
    do throws(QueueError) { _ = try openWriter(folder) } catch { return error }
    return nil
  }

  @Test("No file: the reader says so, and only the writer makes one")
  func missing() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    #expect(readerError(folder) == .missing(path: temporary.queue))
    #expect(try folder.names() == [])
    #expect(writerError(folder) == nil)
  }

  @Test("What somebody else put there is refused by both and not touched")
  func foreign() throws {
    for text in ["", "{}", "OCBQUEU", "OCBQUEUe", "#!/bin/sh\nexit 0\n", String(repeating: "x", count: 200_000)] {
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      setContents(temporary.queue, Array(text.utf8))
      #expect(readerError(folder) == .foreign(path: temporary.queue))
      #expect(writerError(folder) == .foreign(path: temporary.queue))
      #expect(contents(temporary.queue) == Array(text.utf8))
      #expect(try folder.names() == ["queue.ring"])
    }
  }

  @Test("A folder, a link, a dangling link, a pipe, a socket, a device: refused at once, not waited for, not followed")
  func notRegular() throws {
    let makers: [(String, (String, String) -> Bool)] = [
      ("folder", { path, _ in unsafe mkdir(path, 0o700) == 0 }),
      ("link to a queue", { path, other in unsafe symlink(other, path) == 0 }),
      ("dangling link", { path, _ in unsafe symlink("nowhere", path) == 0 }),
      ("pipe", { path, _ in unsafe mkfifo(path, 0o600) == 0 }),
      ("device", { path, _ in unsafe symlink("/dev/zero", path) == 0 }),
      ("socket", { path, _ in unsafe mknod(path, S_IFSOCK | 0o600, 0) == 0 }),
    ]
    for (name, make) in makers {
      let temporary = TemporaryFolder()
      let folder = try temporary.open()
      let other = TemporaryFolder()
      do { _ = try openWriter(try other.open()) }
      let before = contents(other.queue)
      try #require(make(temporary.queue, other.queue), "\(name)")
      #expect(readerError(folder) == .foreign(path: temporary.queue), "\(name)")
      #expect(writerError(folder) == .foreign(path: temporary.queue), "\(name)")
      #expect(contents(other.queue) == before)
    }
    // A real device, as far as we may look at one.
    let devices = try Folder("/dev")
    #expect(throws: QueueError.foreign(path: "/dev/zero")) { _ = try RingReader.open("zero", in: devices) }
  }

  @Test("Cut short anywhere: refused, and not made longer")
  func truncated() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    let whole = contents(temporary.queue)
    let lengths =
      Array(0...130) + stride(from: 4096, to: whole.count, by: 4096).flatMap { [$0 - 1, $0, $0 + 1] }
      + [whole.count - 8, whole.count - 1]
    for length in lengths {
      setContents(temporary.queue, Array(whole[..<length]))
      let expected: QueueError =
        length < 8 ? .foreign(path: temporary.queue) : .damaged(path: temporary.queue, what: "cut short")
      #expect(readerError(folder) == expected, "\(length) bytes")
      #expect(writerError(folder) == expected, "\(length) bytes")
      #expect(contents(temporary.queue).count == length)
    }
  }

  @Test("A file that is longer than its ring is a queue all the same")
  func longer() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    setContents(temporary.queue, contents(temporary.queue) + [UInt8](repeating: 9, count: 100_001))
    #expect(readerError(folder) == nil)
    #expect(writerError(folder) == nil)
    // Far longer than could ever be mapped: a sparse file.
    #expect(unsafe truncate(temporary.queue, 1 << 43) == 0)
    #expect(readerError(folder) == nil)
  }

  @Test("Another version or capacity is refused by its own name, whatever the checksum says")
  func otherHeaders() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    var whole = contents(temporary.queue)
    func header(_ offset: Int, _ value: UInt64) {
      var image = whole
      image.replaceSubrange(offset..<offset + 8, with: bytes(value))
      var checksum = CRC32C()
      checksum.update(Array(image[..<40]).span)
      image.replaceSubrange(40..<48, with: bytes(UInt64(checksum.value)))
      setContents(temporary.queue, image)
    }
    for version in [3, 4, UInt64.max] {
      header(Word.version, version)
      #expect(readerError(folder) == .newerVersion(path: temporary.queue, version: version))
      #expect(writerError(folder) == .newerVersion(path: temporary.queue, version: version))
    }
    header(Word.version, 0)
    #expect(readerError(folder) == .damaged(path: temporary.queue, what: "unknown format 0"))
    for capacity: UInt64 in [0, 1, 8, 32768, 65535, 65537, 98304, 131_072, 1 << 30, 1 << 31, 1 << 62, 1 << 63, .max] {
      header(Word.capacity, capacity)
      for error in [readerError(folder), writerError(folder)] {
        guard case .damaged = error else {
          Issue.record("a capacity of \(capacity): \(String(describing: error))")
          continue
        }
      }
    }
    header(Word.capacity, 65536)
    #expect(readerError(folder) == nil, "the test's own checksum is right")
    // No power of two, in a file that would have the room.
    whole += [UInt8](repeating: 0, count: 200_000)
    for capacity: UInt64 in [65544, 98304, 131_064, 196_608] {
      header(Word.capacity, capacity)
      #expect(readerError(folder) == .damaged(path: temporary.queue, what: "a capacity of \(capacity) bytes"))
      #expect(writerError(folder) == .damaged(path: temporary.queue, what: "a capacity of \(capacity) bytes"))
    }
  }

  /// What a reader makes of the file: every record must be one that was written, in its place.
  private func read(_ folder: borrowing Folder, _ model: Model, _ note: Comment) {
    do throws(QueueError) {
      var reader = try RingReader.open("queue.ring", in: folder)
      var expected = reader.sequence
      for _ in 0...model.entries.count {
        switch try reader.next() {
        case .record(let header):
          let entry = model.entries.first { $0.header == header }
          let same = entry.map { equal($0.payload.span, reader.payload) } ?? (header.reason == 5)
          if !same || header.sequence != expected { Issue.record("a record that nobody wrote: \(header); \(note)") }
          expected = header.nextSequence
        case .overwritten(let count): expected += count
        case .end:
          _ = try reader.nextSequence()
          _ = reader.daemonStatus
          return
        }
      }
      Issue.record("more records than were written; \(note)")
    } catch {
      // Refused: no record was handed out that is not one.
      if case .overrun = error { Issue.record("there is no writer that could overrun us; \(note)") }
    }
  }

  /// A queue whose ring went round once, and its bytes.
  private func queue(_ temporary: TemporaryFolder, _ random: inout SeededGenerator) throws -> Model {
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    var model = Model(capacity: 65536)
    while model.end < 70000 { try model.append(random.bytes(Int(random.next() % 5000)), to: &writer) }
    try model.append(lossOf: 3, to: &writer)
    try model.append(random.bytes(21), to: &writer)
    writer.publish(DaemonStatus(pid: 1, version: 1, startedAt: 1, heartbeatAt: 1))
    return model
  }

  @Test("Positions further apart than the ring is long are refused at once, and the file is not touched")
  func impossibleDistance() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try queue(temporary, &random)
    let whole = contents(temporary.queue)
    let oldest = model.entries[model.oldest].start
    for (offset, position) in [
      (Word.published, oldest + 65544), (Word.published, 1 << 61), (Word.oldest, 0), (Word.oldest, model.end - 65544),
    ] {
      setContents(temporary.queue, whole)
      overwrite(temporary.queue, at: offset, bytes(position))
      let damaged = contents(temporary.queue)
      for error in [readerError(folder), writerError(folder)] {
        guard case .damaged(_, let what)? = error, what.hasPrefix("positions") else {
          Issue.record("\(position) at \(offset): \(String(describing: error))")
          continue
        }
      }
      #expect(contents(temporary.queue) == damaged)
    }
  }

  @Test("Any bit of the header flipped: the records as they were written, or an error; never a trap or an endless loop")
  func headerBits() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try queue(temporary, &random)
    let whole = contents(temporary.queue)
    for offset in 0..<320 {
      for bit in 0..<8 {
        overwrite(temporary.queue, at: offset, [whole[offset] ^ 1 << UInt8(bit)])
        read(folder, model, "bit \(bit) of byte \(offset), seed \(random.seed)")
      }
      overwrite(temporary.queue, at: offset, [whole[offset]])
    }
  }

  @Test("A writer that finds any bit of the header flipped refuses the file, or goes on with records as written")
  func headerBitsWriter() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try queue(temporary, &random)
    let whole = contents(temporary.queue)
    for offset in 0..<320 {
      for bit in [Int(random.next() % 8), 7] {
        let note: Comment = "bit \(bit) of byte \(offset), seed \(random.seed)"
        setContents(temporary.queue, whole)
        overwrite(temporary.queue, at: offset, [whole[offset] ^ 1 << UInt8(bit)])
        let damaged = contents(temporary.queue)
        do throws(QueueError) {
          var writer = try openWriter(folder)
          if case .replaced(let aside) = writer.outcome {
            // All but the flags and the wake word, which tell those who sleep on it to look elsewhere.
            let kept = contents(temporary.path + "/" + aside)
            #expect(kept[..<64] == damaged[..<64] && kept[72..<256] == damaged[72..<256], note)
            #expect(kept[264...] == damaged[264...], note)
            continue
          }
          read(folder, model, note)
          let next = writer.nextSequence
          #expect(throws: Never.self, note) { try writer.append([1, 2, 3]) == next }
          var reader = try RingReader.open("queue.ring", in: folder)
          try reader.seek(to: next)
          guard case .record(let header) = try reader.next() else {
            Issue.record("the record after was not read; \(note)")
            continue
          }
          #expect(header.sequence == next, note)
        } catch {
          #expect(contents(temporary.queue) == damaged, "refused is not touched; \(note)")
        }
      }
    }
  }

  @Test("Any bit of a record flipped: that record is refused, or it was a byte that says nothing")
  func recordBits() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let model = try queue(temporary, &random)
    let whole = contents(temporary.queue)
    let entries = [model.entries[model.oldest], model.entries[model.entries.count - 2]] + model.entries.suffix(1)
    for entry in entries {
      // All of the small ones; the ends of a large one.
      for position in entry.start..<entry.end where position - entry.start < 100 || entry.end - position < 40 {
        let offset = Word.ring + Int(position % 65536)
        for bit in 0..<8 {
          overwrite(temporary.queue, at: offset, [whole[offset] ^ 1 << UInt8(bit)])
          read(folder, model, "bit \(bit) of byte \(position - entry.start) of a record, seed \(random.seed)")
        }
        overwrite(temporary.queue, at: offset, [whole[offset]])
      }
    }
  }

  @Test("Somebody who writes anything into the ring under a writer at work does not bring it down")
  func vandal() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    for round in 0..<3000 {
      _ = try writer.append(random.bytes(Int(random.next() % 3000)))
      if round % 7 == 0 {
        overwrite(temporary.queue, at: Word.ring + Int(random.next() % 8192) * 8, bytes(random.next()))
      }
    }
    // Once the ring was written anew all the way round, everything in it is whole again.
    for _ in 0..<100 { _ = try writer.append(random.bytes(1000)) }
    var reader = try RingReader.open("queue.ring", in: folder)
    var count = 0
    while case .record = try reader.next() { count += 1 }
    #expect(reader.sequence == writer.nextSequence)
    #expect(count > 50)
  }
}
