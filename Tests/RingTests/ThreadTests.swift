import Bytes
import Glibc
import Synchronization
import System
import TestSupport
import Testing

@testable import Ring

/// Writer and readers as threads on one mapping, so that the thread sanitizer sees both sides of every word
/// (`tools/test` runs these under it): that what may be overwritten while it is read is atomic on both sides.
///
/// The sanitizer cannot see whether an atomic store should have been a release. So each publication has a plain word
/// beside it, which is stored before and loaded after: without the release, or the acquire, that would be a race.
@Suite("The queue: threads on one mapping")
struct ThreadTests {
  @Test(
    "Readers beside a writer at full speed get every record whole and after what went before it, or count it as lost")
  func readersBesideAWriter() throws {
    let total: UInt64 = 30_000
    let temporary = TemporaryFolder(inMemory: true)
    let writer = Handed(try openWriter(try temporary.open()))
    let file = Shared(QueueFile(aliasing: writer.value.file))
    let words = PlainWords(total + 1)
    let wrong = Mutex<[String]>([])
    let readers = (0..<2).map { _ in
      TestThread {
        do { try read(file, words, until: total + 1) } catch { wrong.withLock { $0.append("\(error)") } }
      }
    }
    let writing = TestThread {
      do {
        var buffer = ByteBuffer(capacity: 512)
        for sequence in 1...total {
          stressPayload(sequence, into: &buffer)
          let given = try Self.publishing(Word.published, { words[sequence] = sequence }) {
            try writer.value.append(message: buffer.readable, receivedAt: sequence)
          }
          guard given == sequence else { throw Wrong("\(given) instead of \(sequence)") }
          if sequence % 16 == 0 || sequence == total { writer.value.wakeReaders() }
        }
      } catch {
        wrong.withLock { $0.append("\(error)") }
      }
    }
    for thread in readers + [writing] { thread.join() }
    #expect(wrong.withLock { $0 } == [])
  }

  /// Runs `body`, and `store` just before its store into the word at `offset`: what comes earlier may be ordered by chance,
  /// since the sanitizer takes each use of a lazy global (the checksum has one) for a publication of its own.
  private static func publishing<Result, Failure: Error>(
    _ offset: Int, _ store: () -> Void, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Steps.watch({ if $0 == .store(offset) { store() } }, body)
  }

  /// Reads all numbers before `end`; each is delivered right, or lost.
  private func read(_ file: Shared<QueueFile>, _ words: PlainWords, until end: UInt64) throws {
    var reader = try RingReader(QueueFile(aliasing: file.value))
    var buffer = ByteBuffer(capacity: 512)
    var expected = reader.sequence
    while expected < end {
      let word = reader.wakeWord
      switch try reader.next() {
      case .end: reader.wait(since: word, atMost: .seconds(20))
      case .overwritten(let count): expected += count
      case .record(let header):
        guard header.kind == .message else { continue }
        stressPayload(header.sequence, into: &buffer)
        guard header.sequence == expected, header.receivedAt == expected, equal(reader.payload, buffer.readable) else {
          throw Wrong("another record where \(expected) belongs: \(header)")
        }
        guard words[expected] == expected else { throw Wrong("what was stored before \(expected) is not there") }
        expected += 1
      }
    }
    guard expected == end else { throw Wrong("\(expected) after the last") }
  }

  @Test("The status page: readers see one state whole, never an older one after a newer, and what went before it")
  func status() throws {
    let total: UInt64 = 20_000
    let temporary = TemporaryFolder(inMemory: true)
    let writer = Handed(try openWriter(try temporary.open()))
    let file = Shared(QueueFile(aliasing: writer.value.file))
    let words = PlainWords(total + 1)
    let wrong = Mutex<[String]>([])
    let readers = (0..<2).map { _ in
      TestThread {
        var last: UInt64 = 0
        while last < total {
          guard let state = StatusPage.read(file.value) else { continue }
          let number = state.pid
          let isWhole =
            state.version == number && state.heartbeatAt == number && state.lost == number
            && state.redisError == String(repeating: "e", count: Int(number % 250))
          guard isWhole, number >= last, words[number] == number else {
            return wrong.withLock { $0.append("\(state) after \(last)") }
          }
          last = number
        }
      }
    }
    let writing = TestThread {
      for number in 1...total {
        var state = DaemonStatus(pid: number, version: number, startedAt: number, heartbeatAt: number)
        state.lost = number
        state.redisError = String(repeating: "e", count: Int(number % 250))
        Self.publishing(Word.statusCount, { words[number] = number }) { writer.value.publish(state) }
      }
    }
    for thread in readers + [writing] { thread.join() }
    #expect(wrong.withLock { $0 } == [])
  }

  @Test("One cursor advanced by several threads never goes back, and counts every loss once")
  func cursor() throws {
    let end: UInt64 = 60_000
    let temporary = TemporaryFolder(inMemory: true)
    let folder = try temporary.open()
    let cursor = Shared(try Cursor.make("default", in: folder, generation: 7, start: 1, permissions: 0o600))
    let words = PlainWords(end + 100)
    let wrong = Mutex<[String]>([])
    let threads = (0..<4).map { number in
      TestThread {
        var random = SeededGenerator(seed: UInt64(number))
        var last: UInt64 = 0
        while last < end {
          let standing = cursor.value.next
          // Only the thread that moved the cursor to a number stores beside it, and before it does so.
          guard standing >= last, standing == 1 || words[standing] != 0 else {
            return wrong.withLock { $0.append("\(standing) after \(last)") }
          }
          last = standing
          let target = standing + 4 + UInt64(number) - standing % 4 + 4 * (random.next() % 5)
          words[target] = target
          // Every third number is a lost one.
          if cursor.value.advance(to: target, hint: target, lostSince: { (target - 1) / 3 - ($0 - 1) / 3 }) {
            last = target
          }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(wrong.withLock { $0 } == [])
    #expect(cursor.value.next >= end)
    #expect(cursor.value.lost == (cursor.value.next - 1) / 3)
  }
}

/// What one thread after the other uses, each for itself alone.
private final class Handed<Value: ~Copyable>: @unchecked Sendable {
  var value: Value
  init(_ value: consuming Value) { self.value = value }
}

/// What several threads use at once: only made of words that may be.
private final class Shared<Value: ~Copyable>: @unchecked Sendable {
  let value: Value
  init(_ value: consuming Value) { self.value = value }
}

/// Words that are not atomic: who stores and who loads one must be in an order that something else brought about.
@safe
private final class PlainWords: @unchecked Sendable {
  private let words: UnsafeMutableBufferPointer<UInt64>

  init(_ count: UInt64) {
    unsafe words = .allocate(capacity: Int(count))
    unsafe words.initialize(repeating: 0)
  }

  deinit { unsafe words.deallocate() }

  subscript(_ index: UInt64) -> UInt64 {
    get { unsafe words[Int(index)] }
    set { unsafe words[Int(index)] = newValue }
  }
}
