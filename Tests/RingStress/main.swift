// One writer or one reader of a queue file, at full speed, as a process of its own: what RingTests starts, kills and
// believes. Each record's payload follows from its sequence number, so a reader can check every byte.
//
//   RingStress write FOLDER CAPACITY SECONDS RECORDS   until both are reached, then says good-bye on the status page
//   RingStress read FOLDER                             until the good-bye; prints delivered, lost, next
//   RingStress advance FOLDER END SEED                 moves the cursor until it stands at END; every third number is a
//                                                      lost one; prints how often it moved it
import Bytes
import Glibc
import Ring
import System
import TestSupport

func write(_ folder: borrowing Folder, capacity: Int, seconds: UInt64, records: UInt64) throws {
  var writer = try RingWriter.open(
    "queue.ring", in: folder, capacity: capacity, permissions: 0o600, lossReason: 5, now: 1)
  var buffer = ByteBuffer(capacity: 512)
  let end = SystemClock.monotonic() + .seconds(seconds)
  while true {
    for _ in 0..<64 {
      stressPayload(writer.nextSequence, into: &buffer)
      _ = try writer.append(message: buffer.readable, receivedAt: writer.nextSequence)
    }
    writer.wakeReaders()
    if writer.nextSequence > records, SystemClock.monotonic() >= end { break }
  }
  var status = DaemonStatus(pid: 1, version: 1, startedAt: 1, heartbeatAt: 1)
  status.isStopped = true
  status.published = writer.nextSequence
  writer.publish(status)
  print(writer.nextSequence)
}

func read(_ folder: borrowing Folder) throws {
  var reader = try RingReader.open("queue.ring", in: folder)
  var delivered: UInt64 = 0
  var lost: UInt64 = reader.sequence - 1
  var expected = reader.sequence
  var buffer = ByteBuffer(capacity: 512)
  while true {
    let word = reader.wakeWord
    let last = reader.daemonStatus
    switch try reader.next() {
    case .record(let header):
      guard header.kind == .message else { continue }
      stressPayload(header.sequence, into: &buffer)
      guard header.sequence == expected, header.receivedAt == expected, equal(buffer.readable, reader.payload) else {
        print("wrong record \(header.sequence) where \(expected) belongs")
        exit(1)
      }
      expected += 1
      delivered += 1
    case .overwritten(let count):
      expected += count
      lost += count
    case .end:
      if let last, last.isStopped, last.published == expected {
        print(delivered, lost, expected)
        return
      }
      reader.wait(since: word, atMost: .milliseconds(100))
    }
  }
}

func advance(_ folder: borrowing Folder, end: UInt64, seed: UInt64) throws {
  guard let cursor = try Cursor.open("default", in: folder, writable: true) else { throw CursorMissing() }
  var random = SeededGenerator(seed: seed)
  var moves = 0
  var last: UInt64 = 0
  while last < end {
    let standing = cursor.next
    guard standing >= last else {
      print("the cursor went back from \(last) to \(standing)")
      exit(1)
    }
    last = standing
    let target = min(end, standing + 1 + random.next() % 20)
    guard cursor.advance(to: target, hint: target, lostSince: { (target - 1) / 3 - ($0 - 1) / 3 }) else { continue }
    moves += 1
    last = target
  }
  print(moves)
}

struct CursorMissing: Error {}

let arguments = CommandLine.arguments
do {
  let folder = try Folder(arguments[2])
  switch arguments[1] {
  case "write":
    try write(
      folder, capacity: Int(arguments[3]) ?? 0, seconds: UInt64(arguments[4]) ?? 0, records: UInt64(arguments[5]) ?? 0)
  case "advance": try advance(folder, end: UInt64(arguments[3]) ?? 0, seed: UInt64(arguments[4]) ?? 0)
  default: try read(folder)
  }
} catch {
  print("RingStress: \(error)")
  exit(1)
}
