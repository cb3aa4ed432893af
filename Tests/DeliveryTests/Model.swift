import Bytes
import Delivery
import Message
import Settings
import System
import TestSupport

/// What stands in the model's stream.
struct ModelEntry: Equatable {
  var place: StreamEntryPlace
  var message: Int
}

/// A stream and its meta hash, with all that can happen to them; publishes to whoever listens.
final class ModelRedis {
  var epoch: StreamEpoch?
  var number: UInt64 = 0
  var entries: [ModelEntry] = []
  /// Everything that was ever stored, in the order of its first copy.
  private(set) var stored: [Int] = []
  private var clock: UInt64 = 1_000
  private var epochs: UInt64 = 0
  private var messages = 0
  private var lastID = StreamID.zero
  private var masters: UInt64 = 0
  /// No clock is further behind than this: an id before all that a queue knows cannot be told from one that it has forgotten.
  var slowest: UInt64 = 1
  var time: UInt64 { clock }

  /// The script: answers the message and what it is published with.
  func publish(_ message: Int? = nil, hasNumber: Bool = true) -> (message: Int, position: BusPosition?) {
    let message = message ?? nextMessage()
    if hasNumber, epoch == nil {
      epochs += 1
      epoch = StreamEpoch(high: 7, low: epochs)
      number = 0
    }
    clock += 1
    // Two masters do not give the very same id twice, be it for their clocks.
    let id = StreamID(milliseconds: max(clock, lastID.milliseconds + 1), sequence: masters)
    lastID = id
    let previous = entries.last?.place.id ?? .zero
    if !stored.contains(message) { stored.append(message) }
    guard hasNumber, let epoch else {
      entries.append(ModelEntry(place: StreamEntryPlace(id: id), message: message))
      return (message, nil)
    }
    number += 1
    entries.append(ModelEntry(place: StreamEntryPlace(id: id, epoch: epoch, number: number), message: message))
    return (message, BusPosition(epoch: epoch, number: number, id: id, previous: previous))
  }

  func nextMessage() -> Int {
    messages += 1
    return messages
  }

  func trim(to count: Int) { entries.removeFirst(max(0, entries.count - count)) }

  func deleteStream() {
    entries = []
    lastID = .zero
  }

  func flush() {
    deleteStream()
    deleteMeta()
  }

  func deleteMeta() {
    epoch = nil
    number = 0
  }

  /// A replica takes over that had not yet heard of the last `count` entries; its clock may be behind.
  func failOver(losing count: Int, clockBehind: UInt64 = 0) {
    entries.removeLast(min(count, entries.count))
    number -= min(UInt64(count), number)
    clock = max(clock - min(clockBehind, clock), slowest)
    masters += 1
    lastID = entries.last?.place.id ?? .zero
  }

  func page(from id: StreamID, count: Int) -> [ModelEntry] { Array(entries.filter { $0.place.id >= id }.prefix(count)) }

  func newest(before id: StreamID?, count: Int) -> [ModelEntry] {
    Array(entries.reversed().filter { entry in id.map { entry.place.id < $0 } ?? true }.prefix(count))
  }
}

/// What the model's queue holds.
enum ModelRecord: Equatable {
  case message(Int)
  case lost(UInt64)
  /// Nobody knows how many.
  case lostUnknown
  case reset
}

/// The follower with its shell: a queue, a window, and two connections whose ends the test moves.
final class ModelDaemon {
  let redis: ModelRedis
  let firstStart: FirstStart
  var follower: StreamFollower
  var window = DedupeWindow()
  var held = HeldMessages()
  /// What is in the queue, each with the place that was recorded with it.
  private(set) var records: [(record: ModelRecord, place: StreamPlace?)] = []
  /// Where the queue says that we stand: survives a death.
  private(set) var recorded: StreamPlace?
  /// Messages on their way, and the request that is not answered.
  var inbox: [(message: Int, position: BusPosition?, isMark: Bool)] = []
  var request: StreamFollower.Request?
  var isUp = false
  var now = Instant(nanoseconds: .seconds(10))
  private(set) var requests = 0

  init(_ redis: ModelRedis, firstStart: FirstStart = .end) {
    self.redis = redis
    self.firstStart = firstStart
    follower = StreamFollower(place: nil, firstStart: firstStart)
  }

  var messages: [Int] { records.compactMap { if case .message(let number) = $0.record { number } else { nil } } }
  var losses: [ModelRecord] { records.map(\.record).filter { if case .message = $0 { false } else { true } } }

  func linkUp() {
    isUp = true
    if let request = follower.linkReady(at: now) { ask(request) }
  }

  func linkDown() {
    isUp = false
    inbox = []
    request = nil
    held.removeAll()
    follower.linkDown()
  }

  /// The process dies; all that is left is the queue.
  func die() {
    linkDown()
    window = DedupeWindow(capacity: 1)
    held = HeldMessages()
    follower = StreamFollower(place: recorded, firstStart: firstStart)
    for (index, entry) in records.enumerated() {
      guard case .message(let number) = entry.record else { continue }
      note(number, entry.place?.id ?? .zero, index)
    }
  }

  private func ask(_ request: StreamFollower.Request) {
    requests += 1
    self.request = request
  }

  static func key(_ message: Int) -> MessageKey { MessageKey(ULID(milliseconds: 5, random: (1, UInt64(message)))) }

  private func isKnown(_ message: Int) -> Bool {
    window.knowledge(of: Self.key(message), fingerprint: UInt32(message)) == .known
  }

  private func note(_ message: Int, _ id: StreamID, _ index: Int) {
    window.note(Self.key(message), fingerprint: UInt32(message), place: id, end: UInt64(index + 1))
  }

  private func append(_ record: ModelRecord, _ place: StreamPlace?) {
    if case .message(let number) = record { note(number, place?.id ?? .zero, records.count) }
    records.append((record, place))
    if let place { recorded = place }
  }

  /// The oldest message on the subscription arrives.
  func hear() {
    guard isUp, !inbox.isEmpty else { return }
    let next = inbox.removeFirst()
    if next.isMark {
      follower.heardMark(epoch: next.position?.epoch, number: next.position?.number)
    } else {
      _ = hear(next.message, next.position)
    }
  }

  private func hear(_ message: Int, _ position: BusPosition?, heldSince: UInt64? = nil) -> Bool {
    switch follower.hear(
      position, hasID: true, isKnown: isKnown(message), heldSince: heldSince,
      oldestKnown: heldSince == nil ? nil : window.oldestPlace)
    {
    case .take: append(.message(message), follower.place)
    case .takePlain: append(.message(message), nil)
    case .pass, .past: break
    case .hold:
      guard heldSince == nil else { return true }
      let text = Array(
        "\(message) \(position.map { "\($0.epoch.text):\($0.number):\($0.id.text)\($0.previous.map { ":\($0.text)" } ?? "")" } ?? "")"
          .utf8)
      _ = held.hold(text.span, position, since: follower.readings)
    }
    return false
  }

  /// The request is answered.
  func answer() {
    guard isUp, let request else { return }
    self.request = nil
    switch request {
    case .meta:
      if let next = follower.meta(epoch: redis.epoch, number: redis.epoch == nil ? nil : redis.number) { ask(next) }
    case .page(let id, let count):
      let page = redis.page(from: id, count: count)
      if let last = page.last, let ahead = follower.readAhead(behind: last.place.id, entries: page.count) { ask(ahead) }
      for entry in page {
        let ruling = follower.entry(
          entry.place, isKnown: isKnown(entry.message),
          isAnother: follower.isSeeking
            && window.hasAnother(
              at: entry.place.id, than: Self.key(entry.message), fingerprint: UInt32(entry.message))
        )
        if ruling.verdict == .stop { break }
        lose(ruling, before: entry.place.id)
        if ruling.verdict == .take, !isKnown(entry.message) { append(.message(entry.message), follower.place) }
      }
      step(follower.pageEnded(bytes: 1, oldestKnown: window.oldestPlace))
    case .newest(let before, let count):
      for entry in redis.newest(before: before, count: count) { follower.newest(entry.place) }
      step(follower.newestEnded(bytes: 1))
    }
  }

  private func lose(_ ruling: Ruling, before entry: StreamID? = nil) {
    if ruling.isReset { append(.reset, ruling.before) }
    if ruling.lacksUnknown { append(.lostUnknown, ruling.before) }
    guard ruling.missing > 0, let epoch = ruling.before.epoch else { return }
    var next = ruling.before.number - ruling.missing + 1
    let last = ruling.before.number
    func count(_ end: UInt64) {
      guard end > next else { return }
      append(.lost(end - next), StreamPlace(epoch: epoch, number: end - 1, id: ruling.before.id))
    }
    held.take(next...last, of: epoch, before: entry) { text, position in
      count(position.number)
      next = position.number + 1
      let message = Int(String(repairing: text).split(separator: " ")[0]) ?? 0
      guard !isKnown(message) else { return }
      append(.message(message), StreamPlace(epoch: epoch, number: position.number, id: ruling.before.id))
    }
    count(last + 1)
  }

  private func step(_ step: ReadingStep) {
    switch step {
    case .goesOn(let request): if let request { ask(request) }
    case .nothing: break
    case .finished(let ruling):
      lose(ruling)
      recorded = follower.place
      if held.hasDropped { follower.wantReading() }
      held.settle { text, since in
        let parts = String(repairing: text).split(separator: " ")
        let position = parts.count > 1 ? BusPosition(Array(parts[1].utf8).span) : nil
        return self.hear(Int(parts[0]) ?? 0, position, heldSince: since)
      }
    }
  }

  /// Lets everything that is on its way come, in a fixed order.
  func settle() {
    if !isUp { linkUp() }
    for _ in 0..<100_000 {
      if !inbox.isEmpty {
        hear()
      } else if request != nil {
        answer()
      } else if follower.deadline != nil {
        now = now + StreamFollower.readingInterval
        if let request = follower.due(at: now) { ask(request) }
      } else {
        return
      }
    }
    fatalError("never settles")
  }
}
