internal import Bytes
internal import EventLoop
internal import Message
internal import Outbox
internal import RedisLink
internal import System

/// Where the messages of the outbox go.
enum OutboxDestination {
  /// Straight into this machine's queue: the local bus.
  case queue
  case redis(RedisLink, Receiver)
}

/// Empties the outbox: watches it, hands out its messages in order, and takes each file away when the message has
/// arrived. What can never be sent goes to `failed/`; what cannot be sent now waits.
final class OutboxPump: FolderWatchHandler, TimerHandler {
  /// How many messages go straight into the queue in one turn of the loop, so that the rest of it is not held up.
  private static let messagesPerTurn = 256
  /// How long to wait after the outbox or Redis failed, in nanoseconds; doubled up to the last.
  private static let firstPause = UInt64.seconds(1)
  private static let lastPause = UInt64.seconds(60)

  let loop: EventLoop
  private let state: Folder
  private let access: OutboxAccess
  let intake: Intake
  let log: DaemonLog
  private let messageBytes: Int
  let destination: OutboxDestination

  var drain: OutboxDrain
  /// Whether `drain` holds the folders that senders find, watched and listed; else they are opened at the next pump.
  private var isOpen = false
  private var openedAt: Instant?
  private var watch: FolderWatch?
  private var watched: WatchedFolder?
  var buffer = ByteBuffer(capacity: 64 * 1024)
  /// Loaded into `buffer`, but there was no room in the batch.
  var loaded: OutboxToken?
  /// In flight to Redis, in the order of the batch.
  var flights: [OutboxToken] = []
  /// Arrived; their files are taken away while Redis has the next batch.
  var arrived: [OutboxToken] = []
  /// What an earlier batch may have stored whose answer never came is looked for once on each link.
  var hasLookedBack = false
  /// How many messages still go alone, to find out which of them Redis will never take.
  var alone = 0
  private var pause: TimerToken?
  private var pauses: UInt64 = 0
  /// Something went wrong: when all that is in flight was answered, what did not arrive is to be sent again.
  var mustPutBack = false
  private var lastTrouble = ""
  private var handsOut = true
  /// Whether Redis took nothing when it was last given something.
  var isHeldBack = false
  /// Messages handed to Redis or, on the local bus, to the queue.
  var published: UInt64 = 0
  /// Whether messages wait because something went wrong, and not only for their turn.
  var isHeldUp: Bool { !lastTrouble.isEmpty }

  /// Whether nothing is in flight.
  var isIdle: Bool { flights.isEmpty }

  /// Hands out nothing more; what is in flight is still answered.
  func stopHandingOut() { handsOut = false }

  /// Opens the outbox, lists it and begins to watch it.
  init(
    _ loop: EventLoop, state: borrowing Folder, access: OutboxAccess, messageBytes: Int, intake: Intake,
    destination: OutboxDestination, log: DaemonLog
  ) throws(OutboxError) {
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
  func keepUp(hourly: Bool) {
    guard isOpen else { return }
    do throws(OutboxError) {
      try drain.checkInPlace()
      // What arrived and could not be taken away then.
      if flights.isEmpty, arrived.isEmpty, loaded == nil { drain.putBack() }
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

  /// Ends a pause early: somebody may just have mended what was wrong.
  func retryNow() {
    guard let pause, isHeldUp else { return }
    loop.cancel(pause)
    self.pause = loop.arm(at: loop.now, self)
  }

  /// Nothing in flight is known to have arrived: it is sent again when the link is back, unless the stream has it.
  func linkLost() {
    isHeldBack = false
    hasLookedBack = false
    flights.removeAll(keepingCapacity: true)
    putBack()
  }

  /// Everything that was handed out and has not arrived waits again, in its old order.
  private func putBack() {
    finishArrived()
    mustPutBack = false
    loaded = nil
    buffer.removeAll()
    drain.putBack()
  }

  // MARK: - Pumping

  /// Sends what can be sent now. Called at the end of every turn: with nothing to do it costs two comparisons.
  func pump() {
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
      case .redis(let link, let receiver):
        // What an earlier batch may have stored is in the queue once all was read: only then it is known what to send.
        guard link.canPublish, hasLookedBack || receiver.isLive || receiver.isBarred else { return }
        try pumpIntoRedis(link, receiver)
      }
    } catch {
      trouble(error)
    }
  }

  private func pumpIntoQueue() throws(OutboxError) {
    for _ in 0..<Self.messagesPerTurn {
      buffer.removeAll()
      guard let token = try nextMessage() else { return }
      intake.receive(buffer.readable, at: loop.wallClock)
      published += 1
      try drain.finish(token)
      succeeded()
    }
    // There may be more: the next turn comes at once.
    pause = loop.arm(at: loop.now, self)
  }

  /// The next message that is fit to be sent, in `buffer`; nil where none waits.
  func nextMessage() throws(OutboxError) -> OutboxToken? {
    while true {
      switch try drain.next(into: &buffer) {
      case .empty: return nil
      case .scanNeeded: try rescan()
      case .failed(let failure): log(.warning, failure.description)
      case .message(let token):
        do throws(MessageFault) {
          if try MessageMembers.find(in: buffer.readable).bus != nil { try Self.stripReserved(&buffer) }
          trim()
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

  /// White space around the object is not the sender's message, and the publish script looks for its last brace.
  private func trim() {
    var end = buffer.count
    while end > 0, buffer.readable[end - 1] != UInt8(ascii: "}") { end -= 1 }
    var start = 0
    while start < end, buffer.readable[start] != UInt8(ascii: "{") { start += 1 }
    buffer.truncate(to: end)
    buffer.consume(start)
  }

  // MARK: - Trouble

  func succeeded() {
    // Behind one that failed others may succeed: that does not mend it.
    guard !mustPutBack, isHeldUp else { return }
    log(.notice, "messages leave the outbox again")
    pauses = 0
    lastTrouble = ""
  }

  func trouble(_ error: OutboxError) {
    if case .folderRemoved = error, isOpen { return close() }
    trouble(error.description)
  }

  /// Says what is wrong, once for each thing, and has everything that did not arrive sent again after a pause.
  func trouble(_ text: String, atLeast least: UInt64 = 0) {
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
    // What is being put together is not to go without its files.
    if case .redis(let link, _) = destination, !link.batch.isInFlight { link.batch.removeAll() }
    putBack()
    guard pause == nil else { return }
    // At once, but not again and again where somebody keeps removing them.
    let isFirst = openedAt.map { loop.now - $0 >= Self.firstPause } ?? true
    pause = loop.arm(after: isFirst ? 0 : Self.firstPause, self)
  }
}
