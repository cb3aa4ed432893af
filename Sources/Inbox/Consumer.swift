internal import Glibc
package import Message
package import Ring
package import System

/// Who reads: whose cursor moves, and what of the queue is for them.
package struct ConsumerIdentity: Sendable {
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
    if agent.matches(members.from, in: bytes) { return false }
    guard let to = members.to else { return true }
    return agent.matches(to, in: bytes) || Self.everyone.contains { $0.matches(to, in: bytes) }
  }

  /// What senders write in `to` when they mean everyone, beside leaving it out.
  private static let everyone = ["all", "*"].compactMap { try? AgentName($0) }
}

/// What stands next in the queue for a consumer.
package enum Entry: Equatable, Sendable {
  /// A message for this consumer; its bytes are `Consumer.payload`.
  case message(sequence: UInt64)
  /// Messages that cannot be had any more, from `sequence` on. 0: nobody knows how many.
  case loss(sequence: UInt64, count: UInt64, reason: LossReason)
}

/// Reads the queue on behalf of one consumer: applies its filter, and accounts for every sequence number exactly once
/// as delivered, passed over or lost. Moving the cursor is a step of its own (`commit`), for after the output.
package struct Consumer: ~Copyable {
  package let identity: ConsumerIdentity
  package var reader: RingReader
  let cursor: Cursor?
  /// Where the cursor stood when it was opened; nil where there was none.
  package let mark: CursorMark?
  /// Everything before this sequence number was dealt with already.
  private var floor: UInt64
  /// What is to be said before the next record: the cursor counted in a queue that is gone, or further than this one.
  private var owed: LossReason?

  /// How a consumer opens its cursor.
  package enum Access: Sendable {
    /// Reads it where there is one, and changes nothing.
    case readOnly
    /// Makes it where there is none, with these permissions for the file and the folder around it.
    case readWrite(file: UInt32, folder: UInt32)
  }

  /// Opens the queue `name` in `folder` for `identity`, whose cursor is in the folder `cursors` beside it.
  package static func open(
    _ identity: ConsumerIdentity, queue name: String, cursors: String, in folder: borrowing Folder, _ access: Access
  ) throws(InboxError) -> Consumer {
    var reader: RingReader
    do { reader = try RingReader.open(name, in: folder) } catch { throw .queue(error) }
    let generation = reader.generation
    let first = identity.cursor == Cursor.defaultName ? 1 : reader.sequence
    let cursor: Cursor?
    let mark: CursorMark?
    do throws(CursorError) {
      switch access {
      case .readOnly:
        cursor = try standing(identity.cursor, cursors, in: folder, writable: false)
        mark = cursor.mark
      case .readWrite(let file, let inside):
        let own: Folder
        do { own = try Folder(making: cursors, in: folder, permissions: inside) } catch { throw .system(error) }
        let found = try Cursor.open(identity.cursor, in: own, writable: true)
        mark = found.mark
        if let mark, mark.generation == generation {
          cursor = found
        } else {
          cursor = try Cursor.make(
            identity.cursor, in: own, generation: generation, start: mark == nil ? first : 1, permissions: file,
            replacing: mark != nil)
        }
      }
    } catch {
      throw .cursor(error)
    }
    var floor = cursor.mark.map { $0.generation == generation ? $0.next : 1 } ?? first
    var hint = cursor.mark?.hint ?? 0
    var owed: LossReason?
    do throws(QueueError) {
      if let mark, mark.generation != generation {
        owed = .newQueue
        hint = 0
      }
      // Cannot be, but for a cursor file that was tampered with or restored from elsewhere.
      if floor > (try reader.nextSequence()) {
        owed = .reset
        floor = 1
        hint = 0
      }
      try reader.seek(to: floor, hint: hint)
    } catch {
      throw .queue(error)
    }
    return Consumer(
      identity: identity, reader: reader, cursor: cursor, mark: mark, floor: floor, owed: owed)
  }

  private static func standing(
    _ name: String, _ cursors: String, in folder: borrowing Folder, writable: Bool
  ) throws(CursorError) -> Cursor? {
    let own: Folder
    do { own = try Folder(cursors, in: folder) } catch {
      if error.code == ENOENT { return nil }
      throw .system(error)
    }
    return try Cursor.open(name, in: own, writable: writable)
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
  package mutating func nextEntry() throws(InboxError) -> Entry? {
    if let reason = owed {
      owed = nil
      return .loss(sequence: floor, count: 0, reason: reason)
    }
    while true {
      let expected = reader.sequence
      let step: RingReader.Step
      do { step = try reader.next() } catch { throw .queue(error) }
      switch step {
      case .end: return nil
      case .overwritten(let count):
        return .loss(sequence: expected, count: count, reason: .overwritten)
      case .record(let header):
        if let entry = entry(header) { return entry }
      }
    }
  }

  private func entry(_ header: RecordHeader) -> Entry? {
    switch header.kind {
    case .position: return nil
    case .loss:
      // A cursor that was moved into the middle of a loss has the rest of it before it.
      let start = max(header.sequence, floor)
      guard header.nextSequence > start else { return nil }
      let reason = LossReason(rawValue: header.reason) ?? .invalid
      return .loss(sequence: start, count: header.nextSequence - start, reason: reason)
    case .message:
      do throws(MessageFault) {
        let members = try MessageMembers.find(in: reader.payload)
        return identity.admits(members, in: reader.payload) ? .message(sequence: header.sequence) : nil
      } catch {
        // The daemon lets nothing in that is no message; a queue file written by something else may hold it.
        return .loss(sequence: header.sequence, count: 1, reason: .invalid)
      }
    }
  }

  /// Goes to `sequence` (or to the oldest record after it) without regard to the cursor.
  package mutating func seek(to sequence: UInt64) throws(InboxError) {
    owed = nil
    floor = max(sequence, 1)
    do { try reader.seek(to: floor) } catch { throw .queue(error) }
  }
}

extension Optional where Wrapped == Cursor {
  /// Where the cursor stands, if there is one.
  var mark: CursorMark? {
    switch self {
    case .some(let cursor): cursor.mark
    case .none: nil
    }
  }
}

/// Why a consumer cannot read.
package enum InboxError: Error, Equatable, CustomStringConvertible {
  case queue(QueueError)
  case cursor(CursorError)

  package var description: String {
    switch self {
    case .queue(let error): error.description
    case .cursor(let error): error.description
    }
  }
}
