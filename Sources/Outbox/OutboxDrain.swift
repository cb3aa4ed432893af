package import Bytes
internal import Glibc
package import System

/// A message handed out by `OutboxDrain.next` and not yet finished.
package struct OutboxToken: Equatable, Sendable {
  package let name: OutboxName
  /// How many bytes `next` appended.
  package let byteCount: Int
  /// Tells this hand-out from a later one of the same message.
  let serial: UInt64
}

/// What became of something that can never be sent.
package struct OutboxFailure: Equatable, Sendable, CustomStringConvertible {
  /// The name in `failed/`, or in `new/` (repaired where it is not UTF-8) if it could not be moved.
  package let name: String
  package let reason: OutboxReason
  /// Why it could not be moved: it stays in `new/` and is left alone until the next scan.
  package let stuck: SystemError?

  package var description: String {
    if let stuck { return "outbox: \(name) can never be sent (\(reason.text)) and cannot be moved away: \(stuck)" }
    return "outbox: \(name) can never be sent and was moved to failed/: \(reason.text)"
  }
}

/// What `OutboxDrain.next` found.
package enum OutboxNext: Equatable, Sendable {
  /// A message, whose bytes now stand at the end of the buffer.
  case message(OutboxToken)
  /// Something that can never be sent: log it and ask again.
  case failed(OutboxFailure)
  /// More names were noticed than are kept: call `scan`, drain the folder watch, ask again.
  case scanNeeded
  /// Nothing waits.
  case empty
}

/// The daemon's side: takes messages out of `new/` in the order they were sent.
///
/// The caller watches `new` (for files moved in), *then* calls `scan`, then hands every watched name to `noticed`, and
/// only then asks `next`: a listing made while files come may show a later one and miss an earlier one, and the watch
/// has what it missed. Every message is in exactly one of three places: waiting, in flight, or taken away.
package struct OutboxDrain: ~Copyable {
  /// One that `next` handed out.
  struct Flight {
    let token: OutboxToken
    /// Finished, but its file could not be removed: it must not be sent again.
    var isDone: Bool
  }

  let state: Folder
  let outbox: Folder
  let temporary: Folder
  /// Where sent messages wait: the folder to watch.
  package let new: Folder
  let stored: Folder
  let failed: Folder
  let access: OutboxAccess
  /// The owner of `new`, who is the only one whose messages are taken unless the outbox is shared.
  let owner: UInt32
  var counts: OutboxCounts

  var waiting: OutboxQueue
  /// Names that are not those of messages. They have no place in the order and go first.
  var strange: [[UInt8]] = []
  var flights: [Flight] = []
  /// At least as great as every name in flight, so that most names need no search.
  var greatestInFlight: OutboxName?
  var serial: UInt64 = 0
  var needsScan = false
  var namesKept = Limits.outboxNames

  /// The largest message taken, in bytes; a larger one goes to `failed/`.
  package var maximumMessageBytes: Int

  /// Opens the outbox in the open state folder and makes what is missing of it. Nothing is listed yet.
  ///
  /// - Parameter maximumMessageBytes: at least 1.
  package init(
    state: borrowing Folder, access: OutboxAccess = .own, maximumMessageBytes: Int
  ) throws(OutboxError) {
    precondition(maximumMessageBytes > 0, "a limit that no message meets")
    // Our own handle, to see later whether the outbox is still the one under this name.
    let own = try Self.open(state)
    let outbox = try Self.make(OutboxLayout.folder, in: state, access)
    let temporary = try Self.make(OutboxLayout.temporary, in: outbox, access)
    let new = try Self.make(OutboxLayout.new, in: outbox, access)
    let stored = try Self.make(OutboxLayout.stored, in: outbox, access)
    let failed = try Self.make(OutboxLayout.failed, in: outbox, access)
    let owner = try Self.settle(outbox, in: own, new)
    counts = try OutboxCounts.open(in: outbox, access)
    self.owner = owner
    self.state = own
    self.outbox = outbox
    self.temporary = temporary
    self.new = new
    self.stored = stored
    self.failed = failed
    self.access = access
    self.maximumMessageBytes = maximumMessageBytes
    waiting = OutboxQueue(reserving: Limits.outboxMessages)
  }

  private static func open(_ state: borrowing Folder) throws(OutboxError) -> Folder {
    do { return try Folder(".", in: state) } catch { throw OutboxError(error) }
  }

  private static func make(
    _ name: String, in parent: borrowing Folder, _ access: OutboxAccess
  ) throws(OutboxError) -> Folder {
    do {
      let folder = try Folder(making: name, in: parent, permissions: access.folderPermissions)
      guard access.isShared else { return folder }
      let status = try folder.descriptor.status(folder.path)
      // Fails for a folder that another user made, and who made it has set them.
      if status.mode & 0o7777 != access.folderPermissions {
        try? folder.descriptor.setPermissions(access.folderPermissions)
      }
      return folder
    } catch {
      throw OutboxError(error)
    }
  }

  /// Makes new folders durable: a message sent with `sync` is only as durable as the folder it is in. Answers the
  /// owner of `new`.
  private static func settle(
    _ outbox: borrowing Folder, in state: borrowing Folder, _ new: borrowing Folder
  ) throws(OutboxError) -> UInt32 {
    do {
      try outbox.sync()
      try state.sync()
      return try new.descriptor.status(new.path).owner
    } catch {
      throw OutboxError(error)
    }
  }

  /// How many names wait, repetitions included; those in flight are not among them.
  package var waitingCount: Int { waiting.count + strange.count }
  /// What the counts page says, that is what senders see against the quota.
  package var counted: OutboxCounted { counts.held }

  /// Lists `new/` afresh: what was waiting is forgotten, what is in flight stays so.
  package mutating func scan() throws(OutboxError) {
    try checkInPlace()
    // Taken out, so that its memory is used again.
    var names = waiting
    waiting = OutboxQueue(reserving: 0)
    names.removeAll()
    var others: [[UInt8]] = []
    defer { waiting = names }
    do {
      try new.forEachName { bytes in
        if let name = OutboxName(bytes) { names.insert(name) } else { others.append(bytes.array) }
      }
    } catch {
      needsScan = true
      throw OutboxError(error)
    }
    strange = others
    needsScan = false
    // A flood of repetitions may double what was listed before the next listing: linear work in all.
    namesKept = max(Limits.outboxNames, 2 * (names.count + others.count))
  }

  /// Takes a name that the folder watch reported in `new/`; in any order, and as often as it likes.
  package mutating func noticed(_ bytes: borrowing Span<UInt8>) {
    guard waitingCount < namesKept else {
      needsScan = true
      return
    }
    if let name = OutboxName(bytes) { waiting.insert(name) } else { strange.append(bytes.array) }
  }

  /// Hands out the first message that waits: appends its bytes to `buffer`. Ask again until `empty`, as long as there
  /// is room for more in flight.
  ///
  /// A throw has lost nothing: EIO, EMFILE and the like may pass, and the message waits at the front.
  package mutating func next(into buffer: inout ByteBuffer) throws(OutboxError) -> OutboxNext {
    if needsScan { return .scanNeeded }
    while let bytes = strange.popLast() {
      if let failure = try setAside(strange: bytes) { return .failed(failure) }
    }
    while let name = waiting.removeFirst() {
      if isInFlight(name) { continue }
      let start = buffer.count
      let loaded: Loaded
      do {
        loaded = try load(name, into: &buffer)
      } catch {
        buffer.truncate(to: start)
        waiting.insert(name)
        throw OutboxError(error)
      }
      switch loaded {
      case .message:
        serial += 1
        let token = OutboxToken(name: name, byteCount: buffer.count - start, serial: serial)
        flights.append(Flight(token: token, isDone: false))
        greatestInFlight = max(greatestInFlight ?? name, name)
        return .message(token)
      case .refused(let reason, let counted):
        buffer.truncate(to: start)
        if let failure = try setAside(name, reason, counted) { return .failed(failure) }
      case .vanished:
        buffer.truncate(to: start)
        // Or is it the folder that vanished?
        if isRemoved(new) { throw .folderRemoved(new.path) }
      }
    }
    return .empty
  }

  /// The message is where it should be: takes its file away. Nothing happens for a token put back meanwhile.
  ///
  /// Where the file cannot be removed this throws, and the message stays in flight so that it is not sent again;
  /// `finish` may be called again, and `putBack` tries again by itself.
  package mutating func finish(_ token: OutboxToken) throws(OutboxError) {
    guard let index = index(of: token) else { return }
    flights[index].isDone = true
    do {
      // Gone already is as good.
      _ = try new.remove(token.name.text)
    } catch {
      throw OutboxError(error)
    }
    land(index)
    release(UInt64(token.byteCount))
  }

  /// The message can never be sent: moves it to `failed/` with `reason`. nil for a token put back meanwhile, and where
  /// the file has vanished.
  package mutating func fail(_ token: OutboxToken, _ reason: OutboxReason) throws(OutboxError) -> OutboxFailure? {
    guard let index = index(of: token) else { return nil }
    land(index)
    return try setAside(token.name, reason, UInt64(token.byteCount))
  }

  /// Nothing in flight is known to have arrived: all of it waits again, in its old order, and its tokens mean nothing
  /// any more. What is finished is not sent again.
  package mutating func putBack() {
    var kept: [Flight] = []
    for flight in flights {
      if !flight.isDone {
        waiting.insert(flight.token.name)
      } else if (try? new.remove(flight.token.name.text)) == nil {
        kept.append(flight)
      } else {
        release(UInt64(flight.token.byteCount))
      }
    }
    flights = kept
    greatestInFlight = kept.map(\.token.name).max()
  }

  private func isInFlight(_ name: OutboxName) -> Bool {
    guard let greatestInFlight, name <= greatestInFlight else { return false }
    return flights.contains { $0.token.name == name }
  }

  private func index(of token: OutboxToken) -> Int? {
    flights.firstIndex { $0.token.serial == token.serial }
  }

  private mutating func land(_ index: Int) {
    flights.remove(at: index)
    if flights.isEmpty { greatestInFlight = nil }
  }

  /// Gives back a message's place in the quota. A page that was replaced meanwhile is renewed; where that fails
  /// `recount` mends the counts.
  mutating func release(_ byteCount: UInt64) {
    do {
      if try counts.isRemoved() {
        counts = try OutboxCounts.open(in: outbox, access)
        // The new page was made by a survey that may or may not have seen this one: the next recount knows.
        return
      }
    } catch {
      return
    }
    counts.release(bytes: byteCount)
  }
}

extension Span<UInt8> {
  /// A copy of the bytes.
  var array: [UInt8] {
    var array: [UInt8] = []
    array.reserveCapacity(count)
    for index in indices { array.append(self[index]) }
    return array
  }
}
