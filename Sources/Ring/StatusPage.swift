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
///     2048  slot 0 ┐ 64-bit words: how many words follow before the text; pid, version, started, heartbeat,
///     4096  slot 1 ┘ flags (1 stopped), Redis state, Redis since, received, published, lost, length of the error
///                    text; the error text
///
/// A later version adds its words behind the last, before the text: who knows fewer passes over them, and who knows
/// more reads those that are not there as 0. No word changes its meaning.
///
/// The writer fills the slot that is not the newest and then counts up. A reader copies the newest slot and believes
/// it if the count is still the same: had the writer begun to fill that slot again, the count would have moved first.
/// A writer that dies in the middle leaves the count, and so the newest whole state, as it was.
enum StatusPage {
  static let errorBytes = 256
  private static let countOffset = QueueLayout.statusOffset
  private static let slotBytes = 2048
  /// The words between the first, which holds their number, and the text.
  private static let fixedWords = 11
  private static func slot(_ count: UInt64) -> Int { 2048 + Int(count & 1) * slotBytes }

  static func publish(_ status: DaemonStatus, in mapping: borrowing SharedMapping) {
    let count = mapping.loadRelaxed(countOffset) &+ 1
    let slot = slot(count)
    var text = ByteBuffer(capacity: errorBytes)
    for character in status.redisError {
      guard text.count + character.utf8.count <= errorBytes else { break }
      text.append(utf8: String(character))
    }
    // Release: pairs with the acquire fence in `read`: who sees a word stored below, sees the count before it.
    atomicMemoryFence(ordering: .releasing)
    let fixed: InlineArray<12, UInt64> = [
      UInt64(fixedWords), status.pid, status.version, status.startedAt, status.heartbeatAt, status.isStopped ? 1 : 0,
      UInt64(status.redis.rawValue), status.redisSince, status.received, status.published, status.lost,
      UInt64(text.count),
    ]
    for index in fixed.indices { mapping.storeRelaxed(fixed[index], slot + index * 8) }
    mapping.storeRelaxed(text.readable, slot + fixed.count * 8)
    // Release: pairs with the acquire in `read`.
    mapping.storeReleasing(count, countOffset)
  }

  /// The newest state, or nil where no daemon has published one that this program understands.
  static func read(_ mapping: borrowing SharedMapping) -> DaemonStatus? {
    // The daemon publishes a few times a second at most; it cannot overtake this loop often.
    for _ in 0..<1000 {
      let count = mapping.loadAcquiring(countOffset)
      guard count > 0 else { return nil }
      let slot = slot(count)
      var copy = ByteBuffer(capacity: slotBytes)
      _ = unsafe copy.fill(reserving: slotBytes) { target in
        unsafe mapping.loadRelaxed(into: .init(rebasing: target[..<slotBytes]), slot)
        return slotBytes
      }
      atomicMemoryFence(ordering: .acquiring)
      if mapping.loadRelaxed(countOffset) == count { return decode(copy.readable) }
    }
    return nil
  }

  private static func decode(_ bytes: borrowing Span<UInt8>) -> DaemonStatus? {
    func stored(_ index: Int) -> UInt64 {
      (0..<8).reduce(0) { $0 | UInt64(bytes[index * 8 + $1]) << UInt64($1 * 8) }
    }
    let count = stored(0)
    guard count > 0, count < UInt64(slotBytes / 8) else { return nil }
    /// Counted from the word behind the first; 0 where the writer knew of none.
    func word(_ index: Int) -> UInt64 { index < Int(count) ? stored(index + 1) : 0 }
    let text = Int(count + 1) * 8
    guard let redis = UInt8(exactly: word(5)).flatMap(RedisState.init(rawValue:)), word(10) <= UInt64(errorBytes),
      Int(word(10)) <= bytes.count - text
    else { return nil }
    var status = DaemonStatus(pid: word(0), version: word(1), startedAt: word(2), heartbeatAt: word(3))
    status.isStopped = word(4) & 1 != 0
    status.redis = redis
    status.redisSince = word(6)
    status.received = word(7)
    status.published = word(8)
    status.lost = word(9)
    status.redisError = String(repairing: bytes.extracting(text..<text + Int(word(10))))
    return status
  }
}

extension RingReader {
  /// What the daemon last said of itself; nil where none ever did.
  package var daemonStatus: DaemonStatus? { StatusPage.read(file.mapping) }
}
