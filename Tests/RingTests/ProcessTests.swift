import Bytes
import Glibc
import Ring
import System
import TestSupport
import Testing

@Suite("The queue between processes")
struct ProcessTests {
  @Test("Four readers at full speed beside a writer get every record whole, and count exactly what they missed")
  func readersBesideAWriter() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do {
      _ = try RingWriter.open("queue.ring", in: folder, capacity: 1 << 20, permissions: 0o600, lossReason: 5, now: 1)
    }
    let program = builtProgram("RingStress")
    let readers = (0..<4).map { _ in TestProcess(program, ["read", temporary.path]) }
    let writer = TestProcess(program, ["write", temporary.path, "1048576", "5", "300000"])
    let written = writer.readOutput()
    #expect(writer.wait() == 0)
    let next = try #require(UInt64(written.filter(\.isNumber)))
    #expect(next > 300_000)
    var delivered: UInt64 = 0
    for reader in readers {
      let output = reader.readOutput()
      #expect(reader.wait() == 0, "\(output)")
      let numbers = output.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0) }
      try #require(numbers.count == 3, "\(output)")
      #expect(numbers[2] == next)
      #expect(numbers[0] + numbers[1] == next - 1, "every sequence number is delivered or lost")
      delivered += numbers[0]
    }
    #expect(delivered > 0)
  }

  @Test("kill -9 of the writer at any moment loses no published record and blocks no further one")
  func killedWriter() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let program = builtProgram("RingStress")
    var before: UInt64 = 1
    var written = 0
    var round = 0
    while written < 200, round < 4000 {
      round += 1
      let writer = TestProcess(program, ["write", temporary.path, "65536", "600", "0"])
      usleep(UInt32.random(in: 0...12_000, using: &random))
      writer.kill()
      let note: Comment = "round \(round), seed \(random.seed)"
      guard try folder.contains("queue.ring") else { continue }
      var reader = try RingReader.open("queue.ring", in: folder)
      let published = try reader.nextSequence()
      #expect(published >= before, note)
      if published > before { written += 1 }
      let oldest = reader.sequence
      var count: UInt64 = 0
      reading: while true {
        switch try reader.next() {
        case .record(let header): count += header.span
        case .overwritten: Issue.record("a record vanished with no writer at work; \(note)")
        case .end: break reading
        }
      }
      #expect(oldest + count == published, note)
      var again = try RingWriter.open(
        "queue.ring", in: folder, capacity: 65536, permissions: 0o600, lossReason: 5, now: 1)
      #expect(again.outcome == .opened, note)
      #expect(again.nextSequence == published, note)
      // The reader that was there before the re-opening goes on with the next record.
      let next = again.nextSequence
      var marker = ByteBuffer(capacity: 512)
      stressPayload(next, into: &marker)
      #expect(try again.append(message: marker.readable, receivedAt: next) == next, note)
      guard case .record(let header) = try reader.next() else {
        Issue.record("the record after the re-opening was not read; \(note)")
        continue
      }
      #expect(header.sequence == next && equal(reader.payload, marker.readable), note)
      before = next + 1
    }
    #expect(written >= 200, "so often the writer must have been killed while it wrote")
  }
  @Test("Readers that live through kill -9 of one writer after the other get every record right, and count the others")
  func livingReaders() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    var next = try openWriter(folder).nextSequence
    let program = builtProgram("RingStress")
    let readers = (0..<2).map { _ in TestProcess(program, ["read", temporary.path]) }
    var kills = 0
    for round in 0..<4000 where kills < 200 {
      let process = TestProcess(program, ["write", temporary.path, "65536", "600", "0"])
      usleep(UInt32.random(in: 0...12_000, using: &random))
      process.kill()
      let note: Comment = "round \(round), seed \(random.seed)"
      var reader = try RingReader.open("queue.ring", in: folder)
      let published = try reader.nextSequence()
      #expect(published >= next, note)
      if published > next { kills += 1 }
      next = published
      for reader in readers { try #require(reader.isRunning, "\(reader.readOutput()); \(note)") }
    }
    #expect(kills == 200, "so often a writer must have been killed while it wrote")
    let last = TestProcess(program, ["write", temporary.path, "65536", "0", "0"])
    let end = try #require(UInt64(last.readOutput().filter(\.isNumber)))
    #expect(end > next)
    for reader in readers {
      let output = reader.readOutput()
      #expect(reader.wait() == 0, "\(output); seed \(random.seed)")
      let numbers = output.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0) }
      try #require(numbers.count == 3, "\(output); seed \(random.seed)")
      #expect(numbers[2] == end && numbers[0] + numbers[1] == end - 1, "seed \(random.seed)")
      #expect(numbers[0] > 0)
    }
  }

  @Test("Processes that move one cursor at the same time: it never goes back, and counts each loss once")
  func oneCursor() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    let end: UInt64 = 20_000_000
    let cursor = try Cursor.make("default", in: folder, generation: 7, start: 1, permissions: 0o600)
    let program = builtProgram("RingStress")
    let processes = (0..<3).map { _ in
      TestProcess(program, ["advance", temporary.path, "\(end)", "\(random.next())"])
    }
    var last: UInt64 = 0
    while last < end {
      let standing = cursor.next
      try #require(standing >= last)
      last = standing
    }
    var moves = 0
    for process in processes {
      let output = process.readOutput()
      #expect(process.wait() == 0, "\(output); seed \(random.seed)")
      moves += Int(output.filter(\.isNumber)) ?? 0
    }
    #expect(cursor.next == end && cursor.lost == (end - 1) / 3, "seed \(random.seed)")
    #expect(moves >= Int(end) / 20)
  }
}
