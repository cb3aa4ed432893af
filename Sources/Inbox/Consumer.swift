package import Message
package import Ring
package import System

/// Who reads: whose cursor moves, and what of the queue is for them.
///
/// A class, because a copy of it is then a count: copying the optional name asks the runtime for its type at every
/// start (6 % of the instructions of `clawq check`).
package final class ConsumerIdentity: Sendable {
  /// The name of the cursor file.
  package let cursor: String
  /// The agent for whom messages are selected; nil reads all.
  package let agent: AgentName?

  /// - Parameters:
  ///   - agent: reads with the cursor of its name, unless `consumer` names another.
  ///   - unfiltered: everything is for this consumer, whatever its agent.
  package init(agent: AgentName?, consumer: AgentName?, unfiltered: Bool) {
    cursor = (consumer ?? agent)?.fileName ?? Cursor.defaultName
    self.agent = unfiltered ? nil : agent
  }

  /// Whether a message is for this consumer: addressed to its agent or to all, and not sent by it.
  func admits(_ members: MessageMembers, in bytes: borrowing Span<UInt8>) -> Bool {
    guard let agent else { return true }
    return members.isFor(agent, in: bytes)
  }
}

/// What stands next in the queue for a consumer.
package enum Entry: Equatable, Sendable {
  /// A message for this consumer; its bytes are `Consumer.payload`.
  case message(sequence: UInt64)
  /// Messages that cannot be had any more, from `sequence` on: so many sequence numbers. How many messages they were is
  /// for the reason to say (`LossReason.told`); a count of 0 is that of a loss which has no number in this queue.
  case loss(sequence: UInt64, count: UInt64, reason: LossReason)
}

/// Reads the queue on behalf of one consumer: applies its filter, and accounts for every sequence number exactly once
/// as delivered, passed over or lost. Moving the cursor is a step of its own (`commit`), for after the output.
package struct Consumer: ~Copyable {
  package let identity: ConsumerIdentity
  package var reader: RingReader
  private let cursorPlace: CursorPlace
  /// Where the cursor stood when it was opened; nil where there was none.
  package var mark: CursorMark? { cursorPlace.mark }
  /// The first sequence number that this consumer answers for, and how many from there on were reported lost before.
  let start: UInt64
  let lostBefore: UInt64
  /// Where the cursor stands, if that is a number which the queue has not given yet.
  private let impossible: UInt64?
  /// Where the queue's name is looked at once more before a cursor is mended; nil where none is to be.
  private let queuePlace: QueuePlace?
  /// Everything before this sequence number was dealt with already.
  private var floor: UInt64
  /// What is to be said before the next record: the cursor counted in a queue that is gone, or further than this one.
  var owed: LossReason?

  /// How a consumer opens its cursor.
  package enum Access: Sendable {
    /// Reads it where there is one, and changes nothing.
    case readOnly
    /// Makes it where there is none, with these permissions for the file and the folder around it.
    case readWrite(file: UInt32, folder: UInt32)
    /// Leaves it alone: reads from the oldest record on, and can mark nothing.
    case withoutCursor

    fileprivate var isWithoutCursor: Bool {
      if case .withoutCursor = self { return true }
      return false
    }
  }

  /// Opens the queue `name` in `folder` for `identity`, whose cursor is in the folder `cursors` beside it.
  ///
  /// The cursor first, then the queue: another file may take the queue's name at any time, and other processes of this
  /// consumer read on in that one. What has the name after the mark was read is as new as the mark, or newer:
  ///
  ///     mark.generation == generation, unless the queue was made anew since
  ///     mark.next <= nextSequence,     unless the cursor file was tampered with
  ///
  /// - Parameter atEnd: stand behind the newest record, where damage in the queue is no hindrance.
  package static func open(
    _ identity: ConsumerIdentity, queue name: String, cursors: String, in folder: borrowing Folder, _ access: Access,
    atEnd: Bool = false
  ) throws(InboxError) -> Consumer {
    var cursorPlace: CursorPlace
    do { cursorPlace = try CursorPlace(identity.cursor, cursors, in: folder, access) } catch { throw .cursor(error) }
    var reader = try openReader(name, in: folder, atEnd: atEnd)
    let first = identity.cursor == Cursor.defaultName && !access.isWithoutCursor ? 1 : reader.sequence
    let isMarkNewer: Bool
    do throws(CursorError) {
      isMarkNewer = try cursorPlace.make(generation: reader.generation, first: first, in: folder)
    } catch {
      throw .cursor(error)
    }
    if isMarkNewer { reader = try openReader(name, in: folder, atEnd: atEnd) }
    let generation = reader.generation
    let mark = cursorPlace.mark
    let isStale = mark.map { $0.generation != generation } ?? false
    let standing = isStale ? nil : mark
    var floor = isStale ? 1 : standing?.next ?? first
    var hint = standing?.hint ?? 0
    var impossible: UInt64?
    var owed: LossReason? = isStale ? .newQueue : nil
    do throws(QueueError) {
      // Cannot be, but for a cursor file that was tampered with or restored from elsewhere.
      if floor > (try reader.nextSequence()) {
        impossible = floor
        owed = .reset
        floor = 1
        hint = 0
      }
      if !atEnd { try reader.seek(to: floor, hint: hint) }
    } catch {
      throw .queue(error)
    }
    let queuePlace: QueuePlace?
    do throws(SystemError) {
      queuePlace = owed == nil ? nil : QueuePlace(folder: try Folder(".", in: folder), name: name)
    } catch {
      throw .queue(.system(error))
    }
    return Consumer(
      identity: identity, reader: reader, cursorPlace: cursorPlace, start: isStale ? 1 : standing?.start ?? first,
      lostBefore: standing?.lost ?? 0, impossible: impossible, queuePlace: queuePlace, floor: floor, owed: owed)
  }

  private static func openReader(
    _ name: String, in folder: borrowing Folder, atEnd: Bool
  ) throws(InboxError) -> RingReader {
    do {
      return atEnd ? try RingReader.openAtEnd(name, in: folder) : try RingReader.open(name, in: folder)
    } catch {
      throw .queue(error)
    }
  }

  /// The place in the ring that the reader has come to.
  package var position: UInt64 { reader.position }
  /// Every sequence number before this one is accounted for.
  package var next: UInt64 { max(floor, reader.sequence) }

  /// The bytes of the message that `nextEntry` answered last.
  package var payload: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get { reader.payload }
  }

  /// What comes next for this consumer; nil where there is nothing more. What is not for it is passed over.
  ///
  /// - Parameter end: records from this sequence number on are not looked at.
  package mutating func nextEntry(before end: UInt64 = .max) throws(InboxError) -> Entry? {
    if let reason = owed {
      owed = nil
      return .loss(sequence: floor, count: 0, reason: reason)
    }
    while reader.sequence < end {
      let expected = reader.sequence
      let step: RingReader.Step
      do { step = try reader.next() } catch { throw .queue(error) }
      switch step {
      case .end: return nil
      case .overwritten(let count):
        if let entry = loss(expected, expected + count, .overwritten) { return entry }
      case .record(let header):
        if let entry = entry(header) { return entry }
      }
    }
    return nil
  }

  private func entry(_ header: RecordHeader) -> Entry? {
    switch header.kind {
    case .position: return nil
    case .loss:
      return loss(header.sequence, header.nextSequence, LossReason(rawValue: header.reason) ?? .invalid)
    case .message:
      guard header.sequence >= floor else { return nil }
      do throws(MessageFault) {
        let members = try MessageMembers.find(in: reader.payload)
        return identity.admits(members, in: reader.payload) ? .message(sequence: header.sequence) : nil
      } catch {
        // The daemon lets nothing in that is no message; a queue file written by something else may hold it.
        return .loss(sequence: header.sequence, count: 1, reason: .invalid)
      }
    }
  }

  /// The loss of `start..<end`, without what is accounted for: a cursor in the middle of a loss has the rest of it
  /// before it.
  private func loss(_ start: UInt64, _ end: UInt64, _ reason: LossReason) -> Entry? {
    let start = max(start, floor)
    return end > start ? .loss(sequence: start, count: end - start, reason: reason) : nil
  }

  /// Goes to `sequence` (or to the oldest record after it) without regard to the cursor.
  package mutating func seek(to sequence: UInt64) throws(InboxError) {
    owed = nil
    try go(to: max(sequence, 1), hint: 0)
  }

  /// Goes behind the newest record: everything before it counts as accounted for.
  package mutating func seekToEnd() throws(InboxError) {
    owed = nil
    do { try reader.seekToEnd() } catch { throw .queue(error) }
    floor = reader.sequence
  }

  /// Goes to the oldest record, whatever came before it.
  mutating func seekToOldest() throws(InboxError) {
    owed = nil
    do { try reader.seekToOldest() } catch { throw .queue(error) }
    floor = reader.sequence
  }

  /// Goes to `sequence`, whose record probably is at `hint`: everything before it counts as accounted for.
  mutating func go(to sequence: UInt64, hint: UInt64) throws(InboxError) {
    floor = sequence
    do { try reader.seek(to: sequence, hint: hint) } catch { throw .queue(error) }
  }

  /// Whether the cursor counted in a queue that is gone: this one was created since.
  package var isInNewQueue: Bool { mark.map { $0.generation != reader.generation } ?? false }

  /// Where the last batch that was marked read began and ended; nil where there is none in this queue.
  package var lastBatch: (start: UInt64, end: UInt64)? {
    guard let mark, mark.generation == reader.generation else { return nil }
    return (mark.batch, mark.next)
  }

  /// Moves the cursor forward to `end`. A cursor that was of no use here is mended first: only now was it said.
  ///
  /// Not where the queue is another again since it was opened: then other processes of this consumer may have mended
  /// the cursor and read on, and it is theirs. What was given is given again next time.
  func advance(
    to end: UInt64, hint: UInt64, asBatch isBatch: Bool, lostSince lost: (UInt64) -> UInt64
  ) throws(InboxError) {
    switch queuePlace {
    case .none: cursorPlace.cursor.advance(to: end, hint: hint, asBatch: isBatch, lostSince: lost)
    case .some(let place):
      if let impossible {
        guard try place.holds(reader.generation, endingBefore: impossible) else { return }
        cursorPlace.cursor.setBack(from: impossible)
        cursorPlace.cursor.advance(to: end, hint: hint, asBatch: isBatch, lostSince: lost)
      } else {
        guard try place.holds(reader.generation) else { return }
        let fresh: Cursor?
        do throws(CursorError) {
          fresh = try cursorPlace.replacement(generation: reader.generation, in: place.folder)
        } catch {
          throw .cursor(error)
        }
        fresh.advance(to: end, hint: hint, asBatch: isBatch, lostSince: lost)
      }
    }
  }
}

/// The queue's name, under which another file may stand by now.
private struct QueuePlace: ~Copyable {
  let folder: Folder
  let name: String

  /// Whether the queue that has the name now is that of `generation`, whatever its records are like.
  func holds(_ generation: UInt64) throws(InboxError) -> Bool {
    do throws(QueueError) { return try QueueInspector(name, in: folder).generation == generation } catch {
      if case .missing = error { return false }
      throw .queue(error)
    }
  }

  /// Whether the queue that has the name now is that of `generation`, and has still not given the number `impossible`.
  func holds(_ generation: UInt64, endingBefore impossible: UInt64) throws(InboxError) -> Bool {
    do throws(QueueError) {
      let newest = try RingReader.openAtEnd(name, in: folder)
      return newest.generation == generation && newest.sequence < impossible
    } catch {
      if case .missing = error { return false }
      throw .queue(error)
    }
  }
}

/// Why a consumer cannot read.
package enum InboxError: Error, Equatable, CustomStringConvertible {
  case queue(QueueError)
  case cursor(CursorError)

  /// The damage in the queue that it stands for; nil for everything else.
  package var damage: QueueError? {
    if case .queue(let error) = self, case .damaged = error { return error }
    return nil
  }

  package var description: String {
    switch self {
    case .queue(let error): error.description
    case .cursor(let error): error.description
    }
  }
}
