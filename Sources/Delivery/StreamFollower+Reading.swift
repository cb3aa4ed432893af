package import Bytes
internal import Settings

extension StreamFollower {
  /// The answer to `meta`.
  package mutating func meta(epoch: StreamEpoch?, number: UInt64?) -> Request? {
    guard isReading else { return nil }
    reading.epoch = epoch
    reading.number = number ?? 0
    guard let place else { return comeIn() }
    reading.mode = place.id == .zero ? .unanchored : .seeking
    if epoch != nil, epoch == place.epoch, reading.number > place.number {
      reading.expected = reading.number - place.number
    }
    return ask(from: place.id)
  }

  /// The first request of a first start.
  private mutating func comeIn() -> Request {
    switch firstStart {
    case .all:
      reading.expected = reading.number
      return ask(from: .zero)
    case .end: reading.wanted = 1
    case .last(let count):
      reading.wanted = max(count, 1)
      reading.expected = reading.wanted
    }
    return askNewest(before: nil)
  }

  private mutating func ask(from id: StreamID) -> Request {
    reading.inPage = 0
    reading.asked = pages.count
    return .page(from: id, count: pages.count)
  }

  private mutating func askNewest(before id: StreamID?) -> Request {
    reading.inPage = 0
    reading.asked = pages.count(atMost: reading.wanted)
    return .newest(before: id, count: reading.asked)
  }

  /// An entry of a page of the newest, which come in falling order.
  package mutating func newest(_ entry: StreamEntryPlace) {
    guard isReading, reading.wanted > 0 else { return }
    reading.wanted -= 1
    reading.inPage += 1
    reading.oldestWanted = entry.id
    guard firstStart == .end else { return }
    place = StreamPlace(
      epoch: entry.epoch ?? reading.epoch, number: entry.number ?? reading.number, id: entry.id)
  }

  /// Whether the next entry is to be the one at which we stand.
  package var isSeeking: Bool { isReading && reading.mode == .seeking }

  /// An entry of a page.
  ///
  /// - Parameters:
  ///   - isKnown: whether the queue has it already, by its key and its bytes.
  ///   - isAnother: whether the queue knows another message at its id; asked only where `isSeeking`.
  package mutating func entry(_ entry: StreamEntryPlace, isKnown: Bool, isAnother: Bool = false) -> Ruling {
    guard isReading, reading.mode != .lost else { return Ruling(verdict: .stop) }
    reading.inPage += 1
    reading.last = entry.id
    if reading.mode == .seeking { return seek(entry, isKnown: isKnown, isAnother: isAnother) }
    reading.seen += 1
    if entry.id < reading.notBefore, reading.isPast(entry) { return Ruling(verdict: .pass) }
    if place == nil {
      // A first start: where we come in, nothing is missing before.
      place = StreamPlace(epoch: entry.epoch, number: (entry.number ?? 1) - 1, id: entry.id.previous)
    }
    guard var place else { return Ruling(verdict: .stop) }
    var ruling = Ruling(verdict: isKnown ? .pass : .take)
    ruling.lacksUnknown = reading.lacksUnknown && entry.epoch == nil
    reading.lacksUnknown = false
    if let epoch = entry.epoch, let number = entry.number {
      if epoch != place.epoch {
        // Behind an entry that is accounted for nothing is missing: there only the hash was lost.
        let isNext = reading.mode == .anchored || reading.isUnderWay || isKnown
        ruling.isReset = place.epoch != nil && !isNext
        if ruling.isReset { place.id = .zero }
        // Numbers begin with 1, or go on behind the stream's last.
        place.number = isNext ? number - 1 : 0
        place.epoch = epoch
      }
      if number > place.number + 1 {
        ruling.lack(number - place.number - 1)
        place.number = number - 1
      }
      ruling.before = place
      // A lower one that is known was accounted for before; one that is not shows that numbers were given anew.
      place.number = isKnown ? max(place.number, number) : number
      reading.lastNumber = number
    } else {
      ruling.before = place
    }
    place.id = entry.id
    self.place = place
    reading.isUnderWay = true
    return ruling
  }

  /// The first entry of a reading that knows where we stand.
  private mutating func seek(_ entry: StreamEntryPlace, isKnown: Bool, isAnother: Bool) -> Ruling {
    // A replica that took over may have given our entry's id to another message. The one after which a first start came in
    // is in no queue: its number tells.
    guard let known = place, entry.id == known.id, !isAnother,
      entry.epoch == nil || known.epoch == nil || entry.epoch == known.epoch,
      isKnown || entry.number == nil || known.epoch == nil || entry.number == known.number
    else {
      reading.mode = .lost
      return Ruling(verdict: .stop)
    }
    reading.mode = .anchored
    reading.lastNumber = entry.number
    // The queue may have lost what it knew of the epoch; the entry says it.
    if known.epoch == nil, let epoch = entry.epoch, let number = entry.number {
      place = StreamPlace(epoch: epoch, number: number, id: known.id)
    }
    return Ruling(verdict: .pass, before: place ?? known)
  }

  /// A page has come, and is about to be given: what to ask for meanwhile, so that Redis makes the next one while this one is
  /// looked at. Nil where there is nothing to ask, or what is in the page has to tell.
  ///
  /// - Parameters:
  ///   - last: the id of its last entry.
  ///   - entries: how many it has.
  package mutating func readAhead(behind last: StreamID, entries: Int) -> Request? {
    let isSettled = reading.mode == .anchored || reading.mode == .unanchored && reading.isUnderWay
    guard isReading, isSettled, reading.askedAhead == nil, entries == reading.asked else { return nil }
    reading.askedAhead = pages.count
    return .page(from: last.next, count: pages.count)
  }

  /// All entries of a page were given.
  ///
  /// - Parameters:
  ///   - bytes: how many it had.
  ///   - oldestKnown: the stream id of the oldest message that the queue knows; nil where it knows none.
  package mutating func pageEnded(bytes: Int, oldestKnown: StreamID?) -> ReadingStep {
    guard isReading else { return .nothing }
    if reading.mode == .lost || reading.mode == .seeking { return .goesOn(beginAgain(oldestKnown)) }
    let entries = reading.inPage
    let isLast = entries < reading.asked
    pages.had(entries, bytes: bytes)
    if let asked = reading.askedAhead {
      reading.askedAhead = nil
      reading.asked = asked
      reading.inPage = 0
      return .goesOn(nil)
    }
    guard isLast else { return .goesOn(ask(from: reading.last?.next ?? .zero)) }
    return .finished(finish())
  }

  /// All entries of a page of the newest were given.
  package mutating func newestEnded(bytes: Int) -> ReadingStep {
    guard isReading else { return .nothing }
    let isLast = reading.inPage < reading.asked || reading.wanted == 0
    pages.had(reading.inPage, bytes: bytes)
    guard isLast else { return .goesOn(askNewest(before: reading.oldestWanted)) }
    if let place {
      // The end, which is an entry: what came since stands behind it.
      reading.mode = .seeking
      return .goesOn(ask(from: place.id))
    }
    guard let oldest = reading.oldestWanted else { return .finished(finish()) }
    return .goesOn(ask(from: oldest))
  }

  /// Our entry is gone. What stands in its place may be older than what we have (a lagging replica took over), newer (it was
  /// trimmed), or of another stream altogether.
  private mutating func beginAgain(_ oldestKnown: StreamID?) -> Request {
    reading.mode = .unanchored
    guard let place else { return ask(from: .zero) }
    reading.lacksUnknown = place.epoch == nil && reading.epoch == nil
    reading.notBefore = min(oldestKnown ?? place.id, place.id)
    reading.above = place.number
    reading.pastEpoch = place.epoch
    return ask(from: .zero)
  }

  /// The last page was read. The meta hash is older than the pages: of what it counted nothing may be missing in them.
  private mutating func finish() -> Ruling {
    phase = .live
    var ruling = Ruling(verdict: .pass)
    guard var place else {
      // The first start of a stream without an entry.
      let start = StreamPlace(epoch: reading.epoch, number: reading.number, id: .zero)
      place = start
      ruling.before = start
      return ruling
    }
    let isUnanchored = reading.mode == .unanchored
    if isUnanchored, reading.epoch != place.epoch, reading.lastNumber == nil {
      // Nothing of the epoch that we knew, and nothing of another, but the hash knows better.
      ruling.isReset = place.epoch != nil
      place = StreamPlace(epoch: reading.epoch, number: 0, id: reading.last ?? .zero)
    }
    if place.epoch != nil, reading.epoch == place.epoch {
      if reading.number > place.number {
        ruling.lack(reading.number - place.number)
        place.number = reading.number
      } else if isUnanchored {
        // Numbers were given anew from there, or will be.
        place.number = max(reading.lastNumber ?? 0, reading.number)
      }
    }
    if isUnanchored, reading.last == nil, reading.lacksUnknown { ruling.lacksUnknown = true }
    // Everything up to the stream's last entry is accounted for, also where we had been further in one that is no more.
    if let last = reading.last { place.id = last } else if isUnanchored { place.id = .zero }
    self.place = place
    ruling.before = place
    return ruling
  }
}
