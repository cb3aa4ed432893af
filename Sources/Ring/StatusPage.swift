internal import Bytes
internal import Synchronization
internal import System

/// How the link to Redis stands; the names are those of `clawq status --json`.
package enum RedisState: UInt8, Sendable, CaseIterable {
  /// No Redis URL: the local bus.
  case off = 0
  case connecting = 1
  case catchingUp = 2
  case ready = 3
  /// Not connected, or refused what was sent; the next attempt waits.
  case waiting = 4

  package var name: String {
    switch self {
    case .off: "off"
    case .connecting: "connecting"
    case .catchingUp: "catching_up"
    case .ready: "ready"
    case .waiting: "waiting"
    }
  }
}

/// What the daemon says of itself to whoever reads the queue file. Holds no secret.
package struct DaemonStatus: Equatable, Sendable {
  package var pid: UInt64
  /// The program's version, `major << 32 | minor << 16 | patch`.
  package var version: UInt64
  /// Microseconds since the Unix epoch, like every time here.
  package var startedAt: UInt64
  /// When the daemon last turned its loop's 30 s timer.
  package var heartbeatAt: UInt64
  /// Whether it has said good-bye.
  package var isStopped = false
  /// Whether the link will not come back unless somebody does something.
  package var redisNeedsPerson = false
  package var redis = RedisState.off
  /// Since when the link is in that state or, while it is not ready, since when it is unusable.
  package var redisSince: UInt64 = 0
  /// Why the link is not ready, or why it last was not; at most `StatusPage.errorBytes` of UTF-8 are kept.
  package var redisError = ""
  /// Messages appended to the queue since the daemon started, and messages handed to Redis.
  package var received: UInt64 = 0
  package var published: UInt64 = 0
  /// Messages that came in and could not be delivered, since the daemon started.
  package var lost: UInt64 = 0
  /// While the link catches up: how many entries of the stream were read since it began to, and about how many there are
  /// to read in all. A total of 0: it does not catch up, or knows of none.
  package var catchUpDone: UInt64 = 0
  package var catchUpTotal: UInt64 = 0

  package init(pid: UInt64, version: UInt64, startedAt: UInt64, heartbeatAt: UInt64) {
    self.pid = pid
    self.version = version
    self.startedAt = startedAt
    self.heartbeatAt = heartbeatAt
  }
}

/// The daemon's state in the queue file's header: read without the daemon, without a socket and without a lock.
///
///     1024  count of publications; the newest stands in slot (count & 1); 0: none yet
///     2048  slot 0 ┐ 64-bit words: how many words follow before the text, 32 bits, and the CRC-32C of what follows, 32
///     4096  slot 1 ┘ bits; pid, version, started, heartbeat, flags (1 stopped, 2 Redis needs a person), Redis state, Redis
///                    since, received, published, lost, length of the error text, catch-up done, catch-up total; the error
///                    text, zeros up to a multiple of 8
///
/// A later version adds its words behind the last, before the text: who knows fewer passes over them, and who knows
/// more reads those that are not there as 0. No word changes its meaning.
///
/// The writer fills the slot that is not the newest and then counts up. A reader copies the newest slot and believes
/// it if the count is still the same: had the writer begun to fill that slot again, the count would have moved first.
/// A writer that dies in the middle leaves the count, and so the newest whole state, as it was. The checksum is for what
/// nobody stored: bits that changed by themselves.
enum StatusPage {
  static let errorBytes = 256
  private static let countOffset = QueueLayout.statusOffset
  private static let slotBytes = 2048
  /// The words between the first, which holds their number, and the text.
  private static let fixedWords = 13
  private static func slot(_ count: UInt64) -> Int { 2048 + Int(count & 1) * slotBytes }

  static func publish(_ status: DaemonStatus, in file: borrowing QueueFile) {
    var slot = ByteBuffer(capacity: slotBytes)
    let fixed: InlineArray<13, UInt64> = [
      status.pid, status.version, status.startedAt, status.heartbeatAt, flags(status),
      UInt64(status.redis.rawValue), status.redisSince, status.received, status.published, status.lost,
      UInt64(kept(status.redisError).utf8.count), status.catchUpDone, status.catchUpTotal,
    ]
    for index in fixed.indices { append(fixed[index], to: &slot) }
    slot.append(utf8: kept(status.redisError))
    while slot.count & 7 != 0 { slot.append(0) }
    var checksum = CRC32C()
    checksum.update(slot.readable)
    // 0 means that there is none: a count that was damaged must not come to it.
    let count = max(file.mapping.loadRelaxed(countOffset) &+ 1, 1)
    let place = Self.slot(count)
    // Release: pairs with the acquire fence in `read`: who sees a word stored below, sees the count before it.
    atomicMemoryFence(ordering: .releasing)
    file.mapping.storeRelaxed(UInt64(fixedWords) | UInt64(checksum.value) << 32, place)
    file.mapping.storeRelaxed(slot.readable, place + 8)
    // Release: pairs with the acquire in `read`.
    file.mapping.storeReleasing(count, countOffset)
  }

  private static func flags(_ status: DaemonStatus) -> UInt64 {
    (status.isStopped ? 1 : 0) | (status.redisNeedsPerson ? 2 : 0)
  }

  /// As many whole characters of a text as there is room for.
  private static func kept(_ text: String) -> String {
    var kept = ""
    for character in text {
      guard kept.utf8.count + character.utf8.count <= errorBytes else { break }
      kept.append(character)
    }
    return kept
  }

  private static func append(_ word: UInt64, to buffer: inout ByteBuffer) {
    for shift in stride(from: UInt64(0), to: 64, by: 8) { buffer.append(UInt8(truncatingIfNeeded: word >> shift)) }
  }

  /// The newest state, or nil where no daemon has published one that this program understands.
  static func read(_ file: borrowing QueueFile) -> DaemonStatus? {
    var copy = ByteBuffer(capacity: slotBytes)
    // The daemon publishes a few times a second at most; it cannot overtake this loop often.
    for _ in 0..<1000 {
      // Acquire: pairs with the release in `publish`.
      let count = file.mapping.loadAcquiring(countOffset)
      guard count > 0 else { return nil }
      copy.removeAll()
      _ = unsafe copy.fill(reserving: slotBytes) { target in
        unsafe file.mapping.loadRelaxed(into: .init(rebasing: target[..<slotBytes]), slot(count))
        return slotBytes
      }
      // Pairs with the release fence in `publish`: had a word of a later state been copied, the count would differ.
      atomicMemoryFence(ordering: .acquiring)
      if file.mapping.loadRelaxed(countOffset) == count {
        return decode(copy.readable, isChecked: file.head.version >= 2)
      }
    }
    return nil
  }

  /// - Parameter isChecked: whether the slot has a checksum; since version 2 of the file.
  private static func decode(_ bytes: borrowing Span<UInt8>, isChecked: Bool) -> DaemonStatus? {
    func stored(_ index: Int) -> UInt64 {
      (0..<8).reduce(0) { $0 | UInt64(bytes[index * 8 + $1]) << UInt64($1 * 8) }
    }
    let count = Int(stored(0) & 0xFFFF_FFFF)
    guard count > 0, count < slotBytes / 8 else { return nil }
    /// Counted from the word behind the first; 0 where the writer knew of none.
    func word(_ index: Int) -> UInt64 { index < count ? stored(index + 1) : 0 }
    let text = (count + 1) * 8
    guard word(10) <= UInt64(errorBytes), Int(word(10)) <= bytes.count - text else { return nil }
    let end = text + Int(word(10))
    if isChecked {
      var checksum = CRC32C()
      checksum.update(bytes.extracting(8..<min((end + 7) & ~7, bytes.count)))
      guard UInt64(checksum.value) == stored(0) >> 32 else { return nil }
    }
    guard let redis = UInt8(exactly: word(5)).flatMap(RedisState.init(rawValue:)) else { return nil }
    var status = DaemonStatus(pid: word(0), version: word(1), startedAt: word(2), heartbeatAt: word(3))
    status.isStopped = word(4) & 1 != 0
    status.redisNeedsPerson = word(4) & 2 != 0
    status.redis = redis
    status.redisSince = word(6)
    status.received = word(7)
    status.published = word(8)
    status.lost = word(9)
    status.catchUpDone = word(11)
    status.catchUpTotal = word(12)
    status.redisError = String(repairing: bytes.extracting(text..<end))
    return status
  }
}

extension RingReader {
  /// What the daemon last said of itself; nil where none ever did.
  package var daemonStatus: DaemonStatus? { StatusPage.read(file) }
}
