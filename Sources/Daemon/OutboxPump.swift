package import Bytes
package import EventLoop
internal import Message
package import Outbox
package import RedisLink
package import System

/// Where the messages of the outbox go.
package enum OutboxDestination {
  /// Straight into this machine's queue: the local bus.
  case queue
  case redis(RedisLink)
}

/// Empties the outbox: watches it, hands out its messages in order, and takes each file away when the message has
/// arrived. What can never be sent goes to `failed/`; what cannot be sent now waits.
package final class OutboxPump: FolderWatchHandler, TimerHandler {
  /// How many messages go straight into the queue in one turn of the loop, so that the rest of it is not held up.
  private static let messagesPerTurn = 256
  /// How long to wait after the outbox or Redis failed, in nanoseconds; doubled up to the last.
  private static let firstPause = UInt64.seconds(1)
  private static let lastPause = UInt64.seconds(60)

  private let loop: EventLoop
  private let state: Folder
  private let access: OutboxAccess
  private let intake: Intake
  private let log: DaemonLog
  private let messageBytes: Int
  package var destination: OutboxDestination

  private var drain: OutboxDrain
  /// Whether `drain` holds the folders that senders find, watched and listed; else they are opened at the next pump.
  private var isOpen = false
  private var openedAt: Instant?
  private var watch: FolderWatch?
  private var watched: WatchedFolder?
  private var buffer = ByteBuffer(capacity: 64 * 1024)
  /// Loaded into `buffer`, but there was no room in flight.
  private var loaded: OutboxToken?
  /// In flight to Redis, oldest first, each with the token that the link knows it by.
  private var flights: [(link: UInt64, outbox: OutboxToken)] = []
  private var nextLinkToken: UInt64 = 1
  private var pause: TimerToken?
  private var pauses: UInt64 = 0
  /// Something went wrong: when all that is in flight was answered, what did not arrive is to be sent again.
  private var mustPutBack = false
  private var lastTrouble = ""
  private var handsOut = true
  /// Whether Redis took nothing when it was last given something.
  package private(set) var isHeldBack = false
  /// The newest message in the queue when the daemon started: the local bus may have died between putting it there and
  /// taking its file away, and must not deliver it again.
  private var newest: ULID?

  /// Messages handed to Redis or, on the local bus, to the queue.
  package private(set) var published: UInt64 = 0
  /// Whether messages wait because something went wrong, and not only for their turn.
  package var isHeldUp: Bool { !lastTrouble.isEmpty }

  /// Whether nothing is in flight.
  package var isIdle: Bool { flights.isEmpty }

  /// Hands out nothing more; what is in flight is still answered.
  package func stopHandingOut() { handsOut = false }

  /// Opens the outbox, lists it and begins to watch it.
  ///
  /// - Parameter newest: the id of the newest message in the queue.
  package init(
    _ loop: EventLoop, state: borrowing Folder, access: OutboxAccess, messageBytes: Int, intake: Intake,
    destination: OutboxDestination, newest: ULID?, log: DaemonLog
  ) throws(OutboxError) {
    self.newest = newest
    self.loop = loop
    do { self.state = try Folder(".", in: state) } catch { throw .system(error) }
    self.access = access
    self.intake = intake
    self.destination = destination
    self.messageBytes = messageBytes
    self.log = log
    drain = try OutboxDrain(state: state, access: access, maximumMessageBytes: messageBytes)
    try begin()
  }

  /// Watch, then scan, then what the watch saw meanwhile: in this order nothing is missed.
  private func begin() throws(OutboxError) {
    watch?.stop()
    openedAt = loop.now
    do {
      let watch = try FolderWatch(self)
      watched = try watch.watch(drain.new)
      self.watch = watch
      try watch.start(loop)
    } catch {
      throw .system(error)
    }
    try tidy()
    try scan()
    // The watch may have told meanwhile that it is over.
    guard watched != nil else { throw .folderRemoved(drain.new.path) }
    isOpen = true
  }

  /// Makes the folders that are missing and opens all of them anew.
  private func open() throws(OutboxError) {
    drain = try OutboxDrain(state: state, access: access, maximumMessageBytes: messageBytes)
    try begin()
  }

  private func scan() throws(OutboxError) {
    try drain.scan()
    do { try watch?.drain() } catch { throw .system(error) }
  }

  /// Lists again what the watch may have missed; the watch may tell meanwhile that the folder is gone.
  private func rescan() throws(OutboxError) {
    try scan()
    guard isOpen else { throw .folderRemoved(drain.new.path) }
  }

  /// To be called at every heartbeat: sees whether the folders are still those that senders find (the watch is not
  /// told of the end of a folder that we hold open), and `hourly` tidies them.
  package func keepUp(hourly: Bool) {
    guard isOpen else { return }
    do throws(OutboxError) {
      try drain.checkInPlace()
      // What arrived and could not be taken away then.
      if flights.isEmpty, loaded == nil { drain.putBack() }
      if hourly { try tidy() }
    } catch {
      trouble(error)
    }
  }

  /// Removes what killed senders left, and counts afresh: at start and hourly.
  private func tidy() throws(OutboxError) {
    let removed = try drain.cleanTemporary(olderThan: .seconds(3600), now: loop.wallClock)
    if removed > 0 { log(.info, "removed \(removed) unfinished files from the outbox") }
    try drain.recount()
  }

  // MARK: - Events

  package func fileArrived(_ name: borrowing Span<UInt8>, in folder: WatchedFolder) {
    drain.noticed(name)
  }

  package func arrivalsLost() {
    do { try drain.scan() } catch { trouble(error) }
  }

  package func folderGone(_ folder: WatchedFolder) {
    watched = nil
    if isOpen { close() }
  }

  /// The end of a pause.
  package func timerFired(_ token: TimerToken) {
    pause = nil
    pump()
  }

  /// Redis has it.
  package func arrived(_ token: UInt64) {
    guard let flight = take(token) else { return }
    published += 1
    if !mustPutBack { isHeldBack = false }
    do throws(OutboxError) {
      try drain.finish(flight)
      succeeded()
    } catch {
      trouble(error)
    }
  }

  /// Redis did not take it: it waits for its turn again, and with it everything behind it.
  ///
  /// - Parameter delay: how long at least, in nanoseconds.
  package func refused(_ token: UInt64, because text: String, for delay: UInt64 = 0) {
    guard take(token) != nil else { return }
    trouble("Redis refuses a message: \(text)", atLeast: delay)
  }

  /// Redis takes nothing now: it goes again, in its old place, when the link is ready again.
  package func held(_ token: UInt64) {
    guard take(token) != nil else { return }
    mustPutBack = true
    isHeldBack = true
  }

  /// Nothing in flight is known to have arrived: it is sent again when the link is back.
  package func linkLost() {
    isHeldBack = false
    flights.removeAll(keepingCapacity: true)
    putBack()
  }

  /// Everything that was handed out and has not arrived waits again, in its old order.
  private func putBack() {
    mustPutBack = false
    loaded = nil
    buffer.removeAll()
    drain.putBack()
  }

  private func take(_ token: UInt64) -> OutboxToken? {
    guard let index = flights.firstIndex(where: { $0.link == token }) else { return nil }
    return flights.remove(at: index).outbox
  }

  // MARK: - Pumping

  /// Sends what can be sent now. Called at the end of every turn: with nothing to do it costs two comparisons.
  package func pump() {
    guard pause == nil, handsOut else { return }
    do throws(OutboxError) {
      if !isOpen { try open() }
      if mustPutBack {
        // The answers still to come say what of it has arrived.
        guard flights.isEmpty else { return }
        putBack()
      }
      switch destination {
      case .queue: try pumpIntoQueue()
      case .redis(let link): if link.isReady { try pumpIntoRedis(link) }
      }
    } catch {
      trouble(error)
    }
  }

  private func pumpIntoQueue() throws(OutboxError) {
    for _ in 0..<Self.messagesPerTurn {
      buffer.removeAll()
      guard let token = try nextMessage() else { return }
      if token.name.id != newest { intake.receive(buffer.readable, at: loop.wallClock) }
      newest = nil
      published += 1
      try drain.finish(token)
      succeeded()
    }
    // There may be more: the next turn comes at once.
    pause = loop.arm(at: loop.now, self)
  }

  private func pumpIntoRedis(_ link: RedisLink) throws(OutboxError) {
    while true {
      if loaded == nil {
        // Nothing is loaded that could not be handed on: what waits stays on disk.
        guard link.canPublish(1) else { return }
        buffer.removeAll()
        loaded = try nextMessage()
        // What was held back may have been taken away meanwhile.
        if loaded == nil, flights.isEmpty { isHeldBack = false }
      }
      guard let token = loaded, link.canPublish(buffer.count) else { return }
      loaded = nil
      flights.append((nextLinkToken, token))
      link.publish(buffer.readable, token: nextLinkToken)
      nextLinkToken += 1
    }
  }

  /// The next message that is fit to be sent, in `buffer`; nil where none waits.
  private func nextMessage() throws(OutboxError) -> OutboxToken? {
    while true {
      switch try drain.next(into: &buffer) {
      case .empty: return nil
      case .scanNeeded: try rescan()
      case .failed(let failure): log(.warning, failure.description)
      case .message(let token):
        do throws(MessageFault) {
          if try MessageMembers.find(in: buffer.readable).bus != nil { try Self.stripReserved(&buffer) }
          return token
        } catch {
          if let failure = try drain.fail(token, .rejected("not a message: \(error)")) {
            log(.warning, failure.description)
          }
          buffer.removeAll()
        }
      }
    }
  }

  /// `bus` is not a sender's to give.
  private static func stripReserved(_ buffer: inout ByteBuffer) throws(MessageFault) {
    var object = ByteBuffer(capacity: buffer.count)
    try MessageMembers.appendSenderObject(of: buffer.readable, to: &object)
    swap(&buffer, &object)
  }

  // MARK: - Trouble

  private func succeeded() {
    // Behind one that failed others may succeed: that does not mend it.
    guard !mustPutBack, isHeldUp else { return }
    log(.notice, "messages leave the outbox again")
    pauses = 0
    lastTrouble = ""
  }

  private func trouble(_ error: OutboxError) {
    if case .folderRemoved = error, isOpen { return close() }
    trouble(error.description)
  }

  /// Says what is wrong, once for each thing, and has everything that did not arrive sent again after a pause.
  private func trouble(_ text: String, atLeast least: UInt64 = 0) {
    mustPutBack = true
    if text != lastTrouble { log(.error, text) }
    lastTrouble = text
    guard pause == nil else { return }
    let delay = max(least, min(Self.lastPause, Self.firstPause << min(pauses, 10)))
    pauses += 1
    pause = loop.arm(after: delay, self)
  }

  /// Somebody removed or replaced the folders. What is in flight may arrive, but where its file is now nobody knows.
  private func close() {
    isHeldBack = false
    log(.warning, "the outbox was removed or replaced; opening it again")
    isOpen = false
    watch?.stop()
    watch = nil
    flights.removeAll()
    putBack()
    guard pause == nil else { return }
    // At once, but not again and again where somebody keeps removing them.
    let isFirst = openedAt.map { loop.now - $0 >= Self.firstPause } ?? true
    pause = loop.arm(after: isFirst ? 0 : Self.firstPause, self)
  }
}
