import Bytes
import System
import TestSupport
import Testing

@testable import Ring

@Suite("The queue: the daemon's status page")
struct StatusPageTests {
  private var status: DaemonStatus {
    var status = DaemonStatus(pid: 4711, version: 1 << 32 | 2 << 16 | 3, startedAt: 5, heartbeatAt: 6)
    status.redis = .waiting
    status.redisSince = 7
    status.redisError = "WRONGPASS"
    status.received = 8
    status.published = 9
    status.lost = 10
    status.catchUpDone = 11
    status.catchUpTotal = 12
    return status
  }

  @Test("Nothing published yet: nil, and the records can be read")
  func none() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    let reader = try RingReader.open("queue.ring", in: folder)
    let found = reader.daemonStatus
    #expect(found == nil)
  }

  @Test("The last state published is the one read, again and again, also by the next writer's readers")
  func roundTrip() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var expected = status
    for opening in 0..<3 {
      let writer = try openWriter(folder)
      let reader = try RingReader.open("queue.ring", in: folder)
      for redis in RedisState.allCases {
        expected.redis = redis
        expected.isStopped.toggle()
        expected.heartbeatAt += 1
        expected.redisError = String(repeating: "e", count: opening * 7 + Int(redis.rawValue))
        writer.publish(expected)
        let found = reader.daemonStatus
        #expect(found == expected)
      }
    }
    #expect(RedisState.allCases.map(\.name) == ["off", "connecting", "catching_up", "ready", "waiting"])
  }

  @Test(
    "An error text keeps as many whole characters from its beginning as fit in 256 bytes",
    arguments: [
      (String(repeating: "a", count: 256), 256), (String(repeating: "a", count: 257), 256),
      (String(repeating: "é", count: 200), 256), ("a" + String(repeating: "é", count: 200), 255),
      (String(repeating: "a", count: 255) + "éaaa", 255), (String(repeating: "a", count: 253) + "🦀b", 253),
      (String(repeating: "a", count: 250) + "👩‍👩‍👧b", 250), ("", 0), ("a\0b\n", 4),
    ])
  func errorText(_ text: String, kept: Int) throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let writer = try openWriter(folder)
    var expected = status
    expected.redisError = text
    writer.publish(expected)
    let found = try RingReader.open("queue.ring", in: folder).daemonStatus
    #expect(found?.redisError.utf8.count == kept)
    #expect(found.map { text.hasPrefix($0.redisError) } == true)
    #expect(found?.lost == 10)
  }

  @Test("A writer that died while it filled the other slot leaves the last whole state", arguments: 0..<4)
  func diedInTheMiddle(publications: Int) throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    var expected: DaemonStatus?
    do {
      let writer = try openWriter(folder)
      for number in 0..<publications {
        var state = status
        state.received = UInt64(number)
        writer.publish(state)
        expected = state
      }
    }
    overwrite(temporary.queue, at: Word.statusSlots[(publications + 1) % 2], random.bytes(352))
    let reader = try RingReader.open("queue.ring", in: folder)
    var found = reader.daemonStatus
    #expect(found == expected)
    // The next one that is published is whole again.
    let writer = try openWriter(folder)
    writer.publish(status)
    found = reader.daemonStatus
    #expect(found == status)
  }

  @Test("Any bytes in the slots: a state or nil, never a trap")
  func hostile() throws {
    var random = SeededGenerator()
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { try openWriter(folder).publish(status) }
    let reader = try RingReader.open("queue.ring", in: folder)
    let slot = Word.statusSlots[1]
    for length: UInt64 in [257, 264, 344, 1 << 31, 1 << 32, 1 << 63, .max] {
      overwrite(temporary.queue, at: slot + 88, bytes(length))
      let found = reader.daemonStatus
      #expect(found == nil, "a text of \(length) bytes")
    }
    overwrite(temporary.queue, at: slot + 88, bytes(9))
    for redis: UInt64 in [5, 255, 256, 259, 1 << 40] {
      overwrite(temporary.queue, at: slot + 48, bytes(redis))
      let found = reader.daemonStatus
      #expect(found == nil, "a Redis state of \(redis)")
    }
    for _ in 0..<500 {
      overwrite(temporary.queue, at: Word.statusCount, bytes(random.next()))
      overwrite(temporary.queue, at: Word.statusSlots[0], random.bytes(352))
      overwrite(temporary.queue, at: slot, random.bytes(352))
      overwrite(temporary.queue, at: slot, bytes(random.next() % 270))
      overwrite(temporary.queue, at: slot + 48, bytes(random.next() % 6))
      overwrite(temporary.queue, at: slot + 88, bytes(random.next() % 300))
      _ = reader.daemonStatus
    }
  }

  @Test("The words that a later version adds are passed over; those that an earlier one lacks are 0")
  func otherVersions() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { try openWriter(folder).publish(status) }
    let reader = try RingReader.open("queue.ring", in: folder)
    let slot = Word.statusSlots[1]
    let written = contents(temporary.queue)
    #expect(word(written, slot) & 0xFFFF_FFFF == 13)
    /// The first word without its checksum, which covers the words and the text that follow.
    func setSlot(_ words: [UInt64], _ text: String) {
      let text = Array(text.utf8) + [UInt8](repeating: 0, count: (8 - text.utf8.count % 8) % 8)
      let rest = words.dropFirst().flatMap(bytes) + text
      var checksum = CRC32C()
      checksum.update(rest.span)
      overwrite(temporary.queue, at: slot, bytes(words[0] | UInt64(checksum.value) << 32) + rest)
    }
    let words = (1...13).map { word(written, slot + $0 * 8) }
    setSlot([15] + words + [77, .max], "WRONGPASS")
    var found = reader.daemonStatus
    #expect(found == status)
    // What an earlier version wrote: it knew of no catching up, then not even of losses.
    setSlot([11] + words[..<11], "WRONGPASS")
    found = reader.daemonStatus
    var expected = status
    expected.catchUpDone = 0
    expected.catchUpTotal = 0
    #expect(found == expected)
    setSlot([9] + words[..<9], "")
    found = reader.daemonStatus
    expected.lost = 0
    expected.redisError = ""
    #expect(found == expected)
    for count: UInt64 in [0, 256, 1 << 32, .max] {
      setSlot([count], "")
      found = reader.daemonStatus
      #expect(found == nil, "\(count) words")
    }
    setSlot([255] + words, "")
    found = reader.daemonStatus
    #expect(found == nil, "a text that goes beyond the slot")
  }

  @Test("A state that is read while others are published is one of them, whole")
  func whileWriting() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do { _ = try openWriter(folder) }
    let path = temporary.path
    let stop = Flag()
    let thread = TestThread {
      guard let folder = try? Folder(path), let writer = try? openWriter(folder) else { return }
      var number: UInt64 = 0
      while !stop.isSet {
        number += 1
        var state = DaemonStatus(pid: number, version: number, startedAt: number, heartbeatAt: number)
        state.redisError = "\(number)"
        state.lost = number
        writer.publish(state)
      }
    }
    defer {
      stop.set()
      thread.join()
    }
    let reader = try RingReader.open("queue.ring", in: folder)
    var last: UInt64 = 0
    var seen = 0
    while seen < 2000 {
      guard let state = reader.daemonStatus else { continue }
      try #require(
        state.version == state.pid && state.heartbeatAt == state.pid && state.lost == state.pid
          && state.redisError == "\(state.pid)" && state.pid >= last)
      last = state.pid
      seen += 1
    }
  }
}
