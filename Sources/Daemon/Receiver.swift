internal import Bytes
internal import Delivery
internal import EventLoop
internal import Message
internal import RedisLink
internal import Ring
internal import Settings
internal import System

/// Is told how far the reading of the stream has come.
protocol ReceiverOwner: AnyObject {
  /// All that the stream had was read: what comes now comes live.
  func caughtUp()
  /// A long reading has come further.
  func progressed()
  /// Redis does not let us read the stream.
  func cannotRead(_ kind: RedisErrorKind, text: String)
}

/// Puts into the queue what comes by the link, live and from the stream: has the follower decide, keeps what it holds back,
/// and asks Redis for what it wants to read.
final class Receiver: TimerHandler {
  /// A reading of so many entries is worth a line in the log, and another for each so many more.
  private static let entriesPerLine: UInt64 = 10_000
  /// So many messages that were too long are remembered.
  private static let oversizedKept = 64

  private let loop: EventLoop
  private let intake: Intake
  private let log: DaemonLog
  private let target: UInt64
  private unowned let owner: any ReceiverOwner
  private unowned let link: RedisLink

  private var follower: StreamFollower
  private var held = HeldMessages()
  private var alarm: (timer: TimerToken, at: Instant)?
  /// Live messages that were too long to be kept, and counted as they came, with the reading that went on or had ended last:
  /// until the stream was read, one of that size in it is the same.
  private var oversized: [(byteCount: Int, since: UInt64)] = []
  /// Messages that came long after they were delivered.
  private var past: UInt64 = 0
  private var saidEntries: UInt64 = 0
  /// Whether the queue's place is one in another server, database or channel than the one we are connected to.
  private var isElsewhere: Bool

  init(
    _ loop: EventLoop, _ intake: Intake, _ link: RedisLink, target: UInt64, firstStart: FirstStart, log: DaemonLog,
    owner: any ReceiverOwner
  ) {
    self.loop = loop
    self.intake = intake
    self.link = link
    self.target = target
    self.log = log
    self.owner = owner
    isElsewhere = intake.stream.map { $0.target != target } ?? false
    follower = StreamFollower(place: intake.place, firstStart: firstStart)
  }

  /// Whether all that the stream had was read since the link came up.
  var isLive: Bool { follower.isLive }
  /// Whether the stream may not be read, so that there is nothing to wait for.
  var isBarred: Bool { follower.isBarred }
  /// How many entries were read, and how many there are about (0: not known).
  var progress: (done: UInt64, total: UInt64) { follower.progress }
  /// Behind which entry to look for what an earlier call may have stored.
  var place: StreamID? { follower.place?.id }

  // MARK: - The link

  func linkReady() {
    guard !follower.isLive, !follower.isReading else { return }
    saidEntries = 0
    guard let request = follower.linkReady(at: loop.now) else {
      return owner.cannotRead(.tooLarge, text: "an entry of the stream is larger than can be read")
    }
    ask(request)
  }

  func linkDown() {
    follower.linkDown()
    held.removeAll()
    if let alarm { loop.cancel(alarm.timer) }
    alarm = nil
  }

  /// What came was more than fits into memory at once.
  func pageWasTooLarge() { if follower.isReading { follower.pageWasTooLarge() } }

  /// Tries at once what Redis refused to let us read.
  func retryNow() { follower.retryNow(at: loop.now) }

  /// Something shows that others have what we lack.
  func wantReading() { follower.wantReading() }

  private func ask(_ request: StreamFollower.Request) {
    switch request {
    case .meta: link.fetch(.meta)
    case .page(let id, let count): link.fetch(.page(from: id, count: count))
    case .newest(let id, let count): link.fetch(.newest(before: id, count: count))
    }
  }

  /// To be called at the end of every turn: arms the timer for what the follower waits for.
  func turnEnded() {
    guard let deadline = follower.deadline else { return }
    if let alarm {
      guard deadline < alarm.at else { return }
      loop.cancel(alarm.timer)
    }
    alarm = (loop.arm(at: deadline, self), deadline)
  }

  func timerFired(_ token: TimerToken) {
    alarm = nil
    guard link.isOpen, let request = follower.due(at: loop.now) else { return }
    saidEntries = 0
    ask(request)
  }

  // MARK: - Live

  func received(_ payload: borrowing Span<UInt8>) {
    do throws(MessageFault) {
      let examined = try intake.examine(payload)
      settle(payload, examined)
    } catch {
      // What is no message is in no stream of ours, or will be counted there.
      intake.lose(1, .invalid, error.description, now: now)
    }
  }

  /// - Parameter heldSince: see `StreamFollower.hear`.
  /// - Returns: whether it is to be held back (still).
  @discardableResult
  private func settle(
    _ payload: borrowing Span<UInt8>, _ examined: Examined, heldSince: UInt64? = nil
  ) -> Bool {
    switch follower.hear(
      examined.position, hasID: examined.key != nil, isKnown: examined.knowledge == .known, heldSince: heldSince,
      oldestKnown: heldSince == nil ? nil : intake.oldestKnown)
    {
    case .take:
      if let place = follower.place, let before = examined.position?.previous {
        nameStream(StreamPlace(epoch: place.epoch, number: place.number - 1, id: before))
      }
      take(payload, examined)
    case .takePlain: intake.take(payload, examined, now: now)
    case .pass: break
    case .past:
      past += 1
      guard past.nonzeroBitCount == 1 else { break }
      log(.info, "\(past == 1 ? "a message" : "\(past) messages so far") came again long after: not delivered again")
    case .hold:
      guard heldSince == nil else { return true }
      let dropped = held.hold(payload, examined.position, since: follower.readings)
      if dropped > 0 {
        log(.info, "\(dropped) live messages were dropped while the stream is read; it will be read once more")
      }
      return true
    }
    return false
  }

  func receivedOversized(_ byteCount: Int) {
    intake.loseTooLarge(byteCount, now: now)
    if oversized.count == Self.oversizedKept { oversized.removeFirst() }
    oversized.append((byteCount, follower.readings))
    // It may be in the stream, and then we stand behind it.
    follower.wantReading()
  }

  func heardMark(_ mark: borrowing Span<UInt8>) {
    guard let colon = mark.indices.first(where: { mark[$0] == UInt8(ascii: ":") }) else { return }
    follower.heardMark(
      epoch: StreamEpoch(mark.extracting(0..<colon)), number: Decimal.unsigned(mark.extracting(colon + 1..<mark.count)))
  }

  // MARK: - The stream

  func fetched(_ meta: StreamMeta) {
    if isElsewhere {
      isElsewhere = false
      // The same stream under another name is still the same.
      if meta.epoch == nil || meta.epoch != follower.place?.epoch {
        log(
          .notice,
          "this queue was on another Redis, database or channel before: it comes to this one for the first time")
        follower.forgetPlace()
        intake.forgetPlaces()
      }
    }
    if let request = follower.meta(epoch: meta.epoch, number: meta.number) { ask(request) }
  }

  func fetched(_ page: borrowing StreamPage, for request: StreamRequest) {
    var page = copy page
    var bytes = 0
    if case .newest = request {
      while let entry = page.next() {
        bytes += entry.object?.count ?? 0
        follower.newest(StreamEntryPlace(id: entry.id, epoch: entry.epoch, number: entry.number))
      }
      return step(follower.newestEnded(bytes: bytes))
    }
    if let last = page.last, let ahead = follower.readAhead(behind: last, entries: page.count) {
      ask(ahead)
      link.sendNow()
    }
    while let entry = page.next() {
      bytes += entry.object?.count ?? 0
      guard take(entry) else { break }
    }
    step(follower.pageEnded(bytes: bytes, oldestKnown: intake.oldestKnown))
  }

  /// An entry of the stream; false where the rest of the page counts for nothing.
  private func take(_ entry: borrowing StreamEntry) -> Bool {
    let place = StreamEntryPlace(id: entry.id, epoch: entry.epoch, number: entry.number)
    guard let object = entry.object else {
      guard let byteCount = entry.oversizedByteCount else {
        return lose(place, .invalid, "an entry of the stream without a message")
      }
      return loseOversized(place, byteCount)
    }
    do throws(MessageFault) {
      var examined = try intake.examine(object, place: entry.id)
      // Of one that was too large the queue kept only where it stood.
      let isKnown = examined.knowledge == .known || intake.isTooLarge(examined.byteCount) && intake.knows(entry.id)
      guard let ruling = rule(place, isKnown: isKnown, examined) else { return false }
      // Others may have been examined meanwhile, and this one be among what was heard.
      if ruling.missing > 0 { examined = try intake.examine(object, place: entry.id) }
      if ruling.verdict == .take, examined.knowledge != .known {
        nameStream(ruling.before)
        take(object, examined)
      }
      return true
    } catch {
      return lose(place, .invalid, error.description)
    }
  }

  /// An entry that cannot be delivered: counted once, like a message.
  private func lose(_ entry: StreamEntryPlace, _ reason: LossReason, _ why: String) -> Bool {
    guard let ruling = rule(entry, isKnown: intake.knows(entry.id), nil) else { return false }
    guard ruling.verdict == .take, let place = follower.place else { return true }
    nameStream(ruling.before)
    intake.lose(1, reason, why, at: place, now: now)
    return true
  }

  /// An entry whose message is too long to be kept; the one that was published is longer by its position.
  private func loseOversized(_ entry: StreamEntryPlace, _ byteCount: Int) -> Bool {
    let heard = oversized.firstIndex { 0...Limits.receivedSlack ~= $0.byteCount - byteCount }
    guard let ruling = rule(entry, isKnown: heard != nil || intake.knows(entry.id), nil) else { return false }
    if let heard { oversized.remove(at: heard) }
    guard ruling.verdict == .take, let place = follower.place else { return true }
    nameStream(ruling.before)
    intake.loseTooLarge(byteCount, at: place, now: now)
    return true
  }

  private func rule(_ entry: StreamEntryPlace, isKnown: Bool, _ examined: Examined?) -> Ruling? {
    let isAnother = follower.isSeeking && intake.hasAnother(at: entry.id, than: examined)
    let ruling = follower.entry(entry, isKnown: isKnown, isAnother: isAnother)
    guard ruling.verdict != .stop else { return nil }
    count(ruling, before: entry.id)
    return ruling
  }

  /// Puts the message that was examined last into the queue, where we stand now.
  private func take(_ object: borrowing Span<UInt8>, _ examined: Examined) {
    guard let place = follower.place else { return }
    intake.take(object, examined, at: place, now: now)
  }

  /// What is missing: heard already, or lost.
  private func count(_ ruling: Ruling, before entry: StreamID? = nil) {
    if ruling.isReset {
      intake.lose(1, .resetUnknown, "the stream in Redis was begun anew", now: now)
    }
    if ruling.lacksUnknown {
      intake.lose(1, .trimmedUnknown, "Redis had dropped messages before they were fetched", now: now)
    }
    guard ruling.missing > 0, let epoch = ruling.before.epoch else { return }
    let last = ruling.before.number
    var next = last - ruling.missing + 1
    nameStream(StreamPlace(epoch: epoch, number: next - 1, id: ruling.before.id))
    held.take(next...last, of: epoch, before: entry) { object, position in
      lose(next..<position.number, ruling.before)
      next = position.number + 1
      guard let examined = try? intake.examine(object), examined.knowledge != .known else { return }
      intake.take(
        object, examined, at: StreamPlace(epoch: epoch, number: position.number, id: ruling.before.id), now: now)
    }
    lose(next..<last + 1, ruling.before)
  }

  private func lose(_ numbers: Range<UInt64>, _ place: StreamPlace) {
    guard !numbers.isEmpty else { return }
    let here = StreamPlace(epoch: place.epoch, number: numbers.upperBound - 1, id: place.id)
    intake.lose(
      UInt64(numbers.count), .trimmed, "Redis had dropped messages before they were fetched", at: here, now: now)
  }

  /// Whatever is recorded from here on is of the stream that we read, in which we stand at `place`.
  private func nameStream(_ place: StreamPlace) {
    guard intake.stream != identity(place) else { return }
    intake.record(place, of: identity(place), now: now)
  }

  private func identity(_ place: StreamPlace) -> StreamIdentity {
    StreamIdentity(epoch: place.epoch ?? .none, target: target)
  }

  private func step(_ step: ReadingStep) {
    let (done, total) = follower.progress
    switch step {
    case .nothing: break
    case .goesOn(let request):
      if done >= saidEntries + Self.entriesPerLine {
        saidEntries = done
        log(.info, "catching up: \(done)\(total > 0 ? " of about \(total)" : "") messages read")
      }
      owner.progressed()
      if let request { ask(request) }
    case .finished(let ruling):
      count(ruling)
      finish()
    }
  }

  private func finish() {
    if let place = follower.place { intake.record(place, of: identity(place), now: now) }
    if saidEntries > 0 { log(.notice, "caught up with the stream") }
    oversized.removeAll { $0.since < follower.readings }
    let hadDropped = held.hasDropped
    settleHeld()
    if hadDropped { follower.wantReading() }
    owner.caughtUp()
  }

  func fetchRefused(_ kind: RedisErrorKind, text: String) {
    follower.refused(passes: kind.reaction == .hold, at: loop.now)
    guard kind.reaction == .refuse else { return }
    owner.cannotRead(kind, text: text)
    // What was held back is all there is.
    settleHeld()
  }

  private func settleHeld() {
    held.settle { payload, since in
      guard let examined = try? intake.examine(payload) else { return false }
      return settle(payload, examined, heldSince: since)
    }
  }

  private var now: UInt64 { loop.wallClock / 1000 }
}

extension Intake {
  /// Where the queue says that we stand; nil where it was never joined to a stream.
  var place: StreamPlace? {
    guard let stream, let position else { return nil }
    // No number of ours is greater; whatever stands in the file, it is counted on from here.
    let number = min(position.busSequence, BusPosition.largestNumber)
    return StreamPlace(epoch: stream.epoch == .none ? nil : stream.epoch, number: number, id: position.id)
  }
}

extension StreamEpoch {
  /// Stands in the queue where a stream has no epoch.
  static let none = StreamEpoch(high: 0, low: 0)
}
