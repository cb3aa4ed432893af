internal import Bytes
internal import Glibc
internal import System

// A queue file never changes its size or its format in place. A new one is made beside it, whole, and takes its name:
//
//   1. queue.ring.new         made, filled, written to the disk
//   2. queue.ring.superseded  becomes a second name of the old file
//   3. queue.ring             becomes the new file, by one rename
//   4. the old file           is flagged as superseded, and everyone who sleeps on it is woken
//   5. queue.ring.superseded  is removed
//
// Whoever dies before 3 has changed nothing but names that the next start removes. Whoever dies after it leaves the
// second name to the next start, which does 4 and 5, so that no reader sleeps on a file into which nobody writes. (Where the
// old file cannot be opened for that, its readers find out by looking at the name, which they do every few seconds.)

/// What came of making a queue file into one of another capacity or version.
package enum Rebuilding: Equatable, Sendable {
  /// The file was what it should be.
  case notNeeded
  /// It holds the newest records of the one before, which had that capacity in bytes and that version; `dropped` sequence
  /// numbers did not fit, and count as overwritten.
  case done(capacity: UInt64, version: UInt64, dropped: UInt64)
  /// It could not be made, and the one before is used on.
  case failed(QueueError)
}

/// Why a new file did not take the name, or was not safe under it.
struct ReplacingError: Error {
  let cause: QueueError
  /// Whether it has the name already.
  var isPlaced = false
}

extension RingWriter {
  /// Makes a queue with no message in it.
  ///
  /// - Parameters:
  ///   - continuing: a queue whose messages are all gone: its generation, and the number that it would give next.
  ///   - flags: of that queue; what it was joined to stays known.
  static func create(
    _ recipe: QueueRecipe, continuing: (generation: UInt64, sequence: UInt64)? = nil, flags: UInt64 = 0,
    in folder: borrowing Folder
  ) throws(ReplacingError) -> RingWriter {
    let generation: UInt64
    do throws(SystemError) {
      if let continuing { generation = continuing.generation } else { generation = try systemRandom() | 1 }
    } catch {
      throw ReplacingError(cause: .system(error))
    }
    let sequence = continuing?.sequence ?? 1
    let head = QueueHead(capacity: recipe.capacity, generation: generation, madeAt: recipe.now)
    let file = try makeFile(recipe, head, in: folder)
    // A queue is never without a record, so that the next sequence number can always be found from the newest: it
    // begins with a position, which occupies no number.
    let end = storePosition(at: 0, sequence: sequence, StreamTrace(), recipe, in: file)
    file.setFlags(flags & QueueLayout.joinedFlag)
    publishAll(oldest: 0, end: end, sequence: sequence, in: file)
    try takeName(recipe, in: folder)
    return RingWriter(file: file, oldest: 0, intent: end, published: end, nextSequence: sequence)
  }

  /// The same queue in a file as the recipe has it: the newest records that fit, at the same positions, with the same
  /// sequence numbers, in the same generation. Consumers' marks stay good. The stream is named again at their end, since
  /// the record that named it may be too old to be among them.
  func rebuilt(_ recipe: QueueRecipe, in folder: borrowing Folder) throws(ReplacingError) -> RingWriter {
    let head = QueueHead(capacity: recipe.capacity, generation: generation, madeAt: file.head.madeAt)
    let fresh = try Self.makeFile(recipe, head, in: folder)
    var end = published
    let kept: (start: UInt64, dropped: UInt64)
    do throws(QueueError) {
      let reserved = trace.identity == nil ? 0 : RecordLayout.recordBytes(payload: IdentityLayout.byteCount)
      kept = try newestThatFit(UInt64(recipe.capacity), reserving: UInt64(reserved))
      try copy(from: kept.start, into: fresh)
      do throws(SystemError) { _ = try folder.link(recipe.name, to: recipe.supersededName) } catch {
        throw .system(error)
      }
    } catch {
      _ = try? folder.remove(recipe.newName)
      throw ReplacingError(cause: error)
    }
    if kept.start == published || trace.identity != nil {
      end = Self.storePosition(at: published, sequence: nextSequence, trace, recipe, in: fresh)
    }
    fresh.setFlags(file.flags & QueueLayout.joinedFlag)
    Self.publishAll(oldest: kept.start, end: end, sequence: nextSequence, in: fresh)
    try Self.takeName(recipe, in: folder)
    var writer = RingWriter(
      file: fresh, oldest: kept.start, intent: end, published: end, nextSequence: nextSequence)
    writer.outcome = outcome
    var trace = trace
    if let identity = trace.identity { trace.note(identity, trace.position, at: published) }
    writer.resume(trace, at: recipe.now)
    writer.rebuilding = .done(capacity: capacity, version: file.head.version, dropped: kept.dropped)
    return writer
  }

  /// Says on this file that another has its name, and wakes who sleeps on it. For a writer that has lost its file's name
  /// to somebody else; nothing may be appended afterwards.
  package func supersede() {
    file.setFlags(file.flags | QueueLayout.supersededFlag)
    file.wakeAll()
  }

  /// Steps 4 and 5, for whatever file they are still owed to.
  static func tellSleepers(_ recipe: QueueRecipe, in folder: borrowing Folder) throws(QueueError) {
    do throws(SystemError) {
      guard let old = try folder.identity(of: recipe.supersededName) else { return }
      if try old != folder.identity(of: recipe.name),
        let file = try? QueueFile(recipe.supersededName, in: folder, writable: true)
      {
        file.setFlags(file.flags | QueueLayout.supersededFlag)
        file.wakeAll()
      }
      _ = try folder.remove(recipe.supersededName)
    } catch {
      throw .system(error)
    }
  }
}

extension RingWriter {
  /// Step 1: a file beside the one in use, with nothing in it yet but its head. It is meant for the name that it is to
  /// take, and says so in its messages.
  private static func makeFile(
    _ recipe: QueueRecipe, _ head: QueueHead, in folder: borrowing Folder
  ) throws(ReplacingError) -> QueueFile {
    let place = FilePlace(recipe.name, in: folder.place)
    do throws(SystemError) {
      // A writer that died in the middle of this left it; the lock says that nobody else is at it now.
      _ = try folder.remove(recipe.newName)
      let made = try folder.open(recipe.newName, [.readWrite, .createNew], permissions: recipe.permissions)
      // Real blocks for every byte, before it is mapped: a store into a hole on a full disk is SIGBUS.
      try made.allocate(head.fileBytes, place.path)
      let file = QueueFile(
        try SharedMapping(made, byteCount: head.fileBytes, writable: true, place.path), place, head)
      head.store(in: file.mapping)
      recipe.boot.note(in: file.mapping)
      return file
    } catch {
      _ = try? folder.remove(recipe.newName)
      throw ReplacingError(cause: .system(error))
    }
  }

  /// Step 3. The file is on the disk before it has the name, and the name before anything is appended: neither a crash
  /// of the machine nor a full disk takes away what was received since.
  private static func takeName(_ recipe: QueueRecipe, in folder: borrowing Folder) throws(ReplacingError) {
    do throws(SystemError) {
      try folder.open(recipe.newName, [.readOnly]).sync()
      try folder.rename(recipe.newName, to: recipe.name)
    } catch {
      _ = try? folder.remove(recipe.newName)
      throw ReplacingError(cause: .system(error))
    }
    do throws(SystemError) { try folder.sync() } catch {
      // Some file systems cannot, and say so; then nothing better can be had.
      guard error.code == EINVAL else { throw ReplacingError(cause: .system(error), isPlaced: true) }
    }
  }

  /// A record that occupies no number and says what `trace` knows of the stream, if anything.
  ///
  /// - Returns: where it ends.
  private static func storePosition(
    at start: UInt64, sequence: UInt64, _ trace: StreamTrace, _ recipe: QueueRecipe, in file: borrowing QueueFile
  ) -> UInt64 {
    var header = RecordHeader(kind: .position, sequence: sequence, span: 0, receivedAt: recipe.now)
    guard let identity = trace.identity else {
      file.store(header, Span(), at: start)
      return start + UInt64(RecordLayout.smallest)
    }
    let payload = identity.payload
    header.position = trace.position
    header.length = payload.count
    file.store(header, payload.span, at: start)
    return start + UInt64(RecordLayout.recordBytes(payload: payload.count))
  }

  /// The words that move, of a file that nobody reads yet.
  private static func publishAll(oldest: UInt64, end: UInt64, sequence: UInt64, in file: borrowing QueueFile) {
    file.mapping.storeRelaxed(oldest, QueueLayout.oldestOffset)
    file.mapping.storeRelaxed(end, QueueLayout.intentOffset)
    file.mapping.storeRelaxed(end, QueueLayout.publishedOffset)
    file.storeSequenceHint(sequence)
  }

  /// Where the newest records begin that fit into a ring of `capacity` bytes, each of them, and all together beside
  /// `reserved` bytes, and how many sequence numbers stand before them.
  private func newestThatFit(_ capacity: UInt64, reserving reserved: UInt64) throws(QueueError) -> (
    start: UInt64, dropped: UInt64
  ) {
    var start = oldest
    var first: UInt64?
    var kept: UInt64?
    try forEachRecord(from: oldest) { header, _, position, end in
      first = first ?? header.sequence
      kept = kept ?? header.sequence
      guard
        end - position > UInt64(RecordLayout.largest(capacity: capacity)) || published - position > capacity - reserved
      else { return }
      start = end
      kept = header.nextSequence
    }
    return (start, (kept ?? 1) - (first ?? 1))
  }

  private func copy(from start: UInt64, into fresh: borrowing QueueFile) throws(QueueError) {
    try forEachRecord(from: start) { header, window, position, _ in fresh.store(header, window.payload, at: position) }
  }

  /// Calls `body` with each record from `start` on, which no other writer is changing: its header, the window that has
  /// its payload, where it begins and where it ends.
  func forEachRecord(
    from start: UInt64, _ body: (RecordHeader, borrowing RecordWindow, UInt64, UInt64) -> Void
  ) throws(QueueError) {
    var position = start
    var window = RecordWindow()
    while position < published, let header = try window.header(at: position, in: file, published: published) {
      let end = position + UInt64(RecordLayout.recordBytes(payload: header.length))
      body(header, window, position, end)
      position = end
    }
  }
}
