import Bytes
import Glibc
import System
import TestSupport
import Testing

@testable import Ring

/// A wake word that has changed is what keeps the kernel from letting a reader sleep: so that is what is asked first,
/// and only then is there a wait without end.
@Suite("The queue: waiting for something new")
struct WaitingTests {
  @Test("What is published and announced between the load of the wake word and the wait does not let the reader sleep")
  func noLostWakeUp() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    let reader = try RingReader.open("queue.ring", in: folder)
    for _ in 0..<100 {
      let word = reader.wakeWord
      _ = try writer.append([1])
      writer.wakeReaders()
      try #require(reader.wakeWord != word)
      reader.wait(since: word, atMost: nil)
    }
  }

  @Test("Opening the queue for writing wakes, so that nobody goes on sleeping on a dead writer's file")
  func openingWakes() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    let reader = try RingReader.open("queue.ring", in: folder)
    let word = reader.wakeWord
    do { _ = try openWriter(folder) }
    try #require(reader.wakeWord != word)
    reader.wait(since: word, atMost: nil)
  }

  @Test("Where nothing was published nobody is woken, and a wait with a limit ends")
  func nothingNew() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    let reader = try RingReader.open("queue.ring", in: folder)
    let word = reader.wakeWord
    writer.wakeReaders()
    #expect(reader.wakeWord == word)
    reader.wait(since: word, atMost: .milliseconds(1))
    _ = try writer.append([1])
    #expect(reader.wakeWord == word, "one wake for a turn of the loop, not for a record")
    writer.wakeReaders()
    writer.wakeReaders()
    #expect(reader.wakeWord == word &+ 1)
  }

  @Test("Readers asleep are all woken, and each reads every record")
  func sleepers() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var writer = try openWriter(folder)
    let path = temporary.path
    // Far longer than all of this takes: who waits so long was not woken.
    let limit = UInt64.seconds(30)
    let overslept = Flag()
    let readers = (0..<3).map { _ in
      TestThread {
        guard let folder = try? Folder(path), var reader = try? RingReader.open("queue.ring", in: folder) else {
          return
        }
        while reader.sequence <= 200 {
          let word = reader.wakeWord
          guard (try? reader.next()) == .end else { continue }
          let start = SystemClock.monotonic()
          reader.wait(since: word, atMost: limit)
          if SystemClock.monotonic() - start >= limit { overslept.set() }
        }
      }
    }
    for number in 1...200 {
      _ = try writer.append([UInt8(number)])
      writer.wakeReaders()
      if number % 10 == 0 { sched_yield() }
    }
    for reader in readers { reader.join() }
    #expect(!overslept.isSet)
  }
}
