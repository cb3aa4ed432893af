package import Bytes
package import Message
package import Settings
package import System

/// Follows the stream: decides what is taken as it comes, what is read from the stream, and what is lost. Owns no bytes and
/// no connection; the queue and the requests are the caller's.
///
///     away ──linkReady──▶ reading ──last page──▶ live ──hole, rewind, mark…──▶ reading
///      ▲                     │ refused            ▲
///      └────── linkDown ─────┴──▶ pausing, barred ┘ a second, a minute later
///
/// **Only the stream moves the place.** What comes live is taken directly only as the very next message; whatever else
/// claims a position has the stream read (at most once a second), and is settled by what is found there.
///
/// A reading asks for the meta hash, and then for pages, the first of them from our own entry on, inclusive. Finding that
/// entry proves that nothing behind it was trimmed. Where it is missing, the reading begins again at the oldest entry that
/// the queue still knows (a failover may have brought back an older stream), or at the very beginning where the epoch is
/// another one; what is known is passed over by its id. Numbers say what is lost: within an epoch each entry's is one more.
package struct StreamFollower: Sendable {
  /// How long after the last reading began the next may, in nanoseconds.
  package static let readingInterval = UInt64.seconds(1)
  /// How long to wait after Redis refused to let us read, in nanoseconds.
  package static let barredPause = UInt64.seconds(60)

  /// What is to be asked of Redis next.
  package enum Request: Equatable, Sendable {
    case meta
    /// The entries from an id on, inclusive, at most so many.
    case page(from: StreamID, count: Int)
    /// The newest entries, the newest first: all that stand before an id, at most so many.
    case newest(before: StreamID?, count: Int)
  }

  enum Phase: Equatable {
    case away
    case reading
    case live
    /// Redis could not answer just now.
    case pausing(until: Instant)
    case barred(until: Instant)
  }

  /// Where we stand; nil until the first reading of a first start has found out.
  package internal(set) var place: StreamPlace?
  let firstStart: FirstStart
  var phase = Phase.away
  var reading = Reading()
  var pages = PageSize()
  /// Counts the readings, so that what is held back knows which of them began after it came.
  package private(set) var readings: UInt64 = 0
  private var beganAt: Instant?
  private var wantsReading = false
  private var isStuck = false

  /// - Parameter place: where the queue says that we stand; nil where it was never joined to this stream.
  package init(place: StreamPlace?, firstStart: FirstStart) {
    self.place = place
    self.firstStart = firstStart
  }

  /// Whether all that the stream had was read.
  package var isLive: Bool { phase == .live }
  package var isReading: Bool { phase == .reading }
  /// Whether live messages are all there is, because the stream may not be read.
  package var isBarred: Bool {
    if case .barred = phase { return true }
    return false
  }

  /// How many entries this reading has seen, and how many there are about, 0 where that is not known.
  package var progress: (done: UInt64, total: UInt64) {
    guard isReading else { return (0, 0) }
    return (reading.seen, reading.expected == 0 ? 0 : max(reading.expected, reading.seen))
  }

  // MARK: - Beginning

  /// The link is up: what was missed is to be read. Nil where that has just shown itself to be impossible: it is tried again
  /// when the deadline comes.
  package mutating func linkReady(at now: Instant) -> Request? {
    guard isStuck else { return begin(at: now) }
    isStuck = false
    phase = .barred(until: now + Self.barredPause)
    return nil
  }

  package mutating func linkDown() {
    phase = .away
    wantsReading = false
  }

  /// A page was more than can be taken at once: from now on entries are asked for one by one. A single one that is, is in the
  /// way until the stream has it no more.
  package mutating func pageWasTooLarge() {
    isStuck = reading.asked == 1
    pages = .single
  }

  /// The queue belongs to another stream than the one that is asked: it comes to this one for the first time.
  package mutating func forgetPlace() { place = nil }

  private mutating func begin(at now: Instant) -> Request {
    readings += 1
    beganAt = now
    wantsReading = false
    reading = Reading()
    phase = .reading
    return .meta
  }

  /// Something shows that we may lack something.
  package mutating func wantReading() { wantsReading = true }

  /// When `due` is to be asked at the latest; nil where nothing is waited for.
  package var deadline: Instant? {
    switch phase {
    case .away, .reading: nil
    case .live: wantsReading ? (beganAt ?? Instant(nanoseconds: 0)) + Self.readingInterval : nil
    case .pausing(let until), .barred(let until): until
    }
  }

  /// Begins the reading that is due.
  package mutating func due(at now: Instant) -> Request? {
    guard let deadline, now >= deadline else { return nil }
    return begin(at: now)
  }

  /// Redis did not let us read, for a reason that passes by itself, or not.
  package mutating func refused(passes: Bool, at now: Instant) {
    guard isReading else { return }
    phase = passes ? .pausing(until: now + Self.readingInterval) : .barred(until: now + Self.barredPause)
  }

  /// Waits no longer for a reading that was refused: somebody may just have mended what was wrong.
  package mutating func retryNow(at now: Instant) {
    switch phase {
    case .pausing: phase = .pausing(until: now)
    case .barred: phase = .barred(until: now)
    case .away, .reading, .live: break
    }
  }

  // MARK: - What comes live

  /// What a live message means.
  package enum Hearing: Equatable, Sendable {
    /// The very next one: to be put into the queue at `place`, where we stand now.
    case take
    /// Of no place in the stream: to be put into the queue.
    case takePlain
    /// There already.
    case pass
    /// It claims a place before all that the queue still knows: it was there once.
    case past
    /// To be held back until the stream was read.
    case hold
  }

  /// What to do with a message of the channel.
  ///
  /// - Parameters:
  ///   - position: what it claims; nil where it claims none.
  ///   - hasID: whether it can be found again by an id.
  ///   - isKnown: whether the queue has it already, by its key and its bytes.
  ///   - heldSince: of one that was held back: the reading that went on, or had ended last, when it came.
  ///   - oldestKnown: of one that was held back: the stream id of the oldest message that the queue knows.
  package mutating func hear(
    _ position: BusPosition?, hasID: Bool, isKnown: Bool, heldSince: UInt64? = nil, oldestKnown: StreamID? = nil
  ) -> Hearing {
    // Nothing could tell whether the stream has it: at most once, as Redis gives it.
    guard position != nil || hasID else { return .takePlain }
    // What is held back came first: nothing overtakes it.
    if isLive, !wantsReading, let position, var place, place.isFollowed(by: position) {
      place.epoch = position.epoch
      place.number = position.number
      place.id = position.id
      self.place = place
      return isKnown ? .pass : .take
    }
    // One that is known and claims nothing new is an echo, or was read before it came.
    if isKnown, position.map({ $0.epoch == place?.epoch && $0.number <= place?.number ?? 0 }) ?? true { return .pass }
    // Read since it came, and overwritten since; or an echo.
    if heldSince != nil, !isKnown, let position, let place, position.epoch == place.epoch, position.id <= place.id,
      let oldestKnown, position.id < oldestKnown
    {
      return .past
    }
    if isBarred { return isKnown ? .pass : .takePlain }
    // The stream was read from beginning to end since it came, and does not have it: what it claims is not so.
    if isLive, let heldSince, heldSince < readings { return isKnown ? .pass : .takePlain }
    // What comes while the stream is read is looked at again when that is done: the reading may find it, or end before it.
    if !isReading { wantsReading = true }
    return .hold
  }

  /// A probe was heard, which says where the stream is: as of now, because messages and probes come in one order.
  package mutating func heardMark(epoch: StreamEpoch?, number: UInt64?) {
    guard let place, isLive || isReading else { return }
    if epoch != place.epoch || (number ?? 0) != place.number { wantsReading = true }
  }
}
