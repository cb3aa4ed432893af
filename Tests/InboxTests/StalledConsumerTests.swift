#if STEPS
  import Bytes
  import Inbox
  import Message
  import Ring
  import System
  import TestSupport
  import Testing

  /// What the consumer's cursor is like when it is opened.
  enum Beginning: String, CaseIterable, Sendable {
    case noCursor
    /// In the middle of the queue.
    case cursor
    /// It counts in a queue that is gone.
    case cursorOfOldQueue
  }

  /// What becomes of the queue while the consumer is stalled.
  enum Upheaval: String, CaseIterable, Sendable {
    case appended
    /// It is given another capacity, and goes on.
    case resized
    /// It is removed, and another made.
    case madeAnew
  }

  /// A queue, and what was given of it to the processes of one consumer.
  private final class World {
    let temporary = TemporaryFolder(inMemory: true)
    let folder: Folder
    private var capacity = 65536
    /// Every queue there was, the oldest first, and the numbers of it that were given or reported lost.
    private var generations: [UInt64] = []
    private var given: [UInt64: Set<UInt64>] = [:]
    private(set) var reasons: [LossReason] = []
    private var last: CursorMark?

    init(_ beginning: Beginning) throws {
      folder = try temporary.open()
      try append(5)
      switch beginning {
      case .noCursor: break
      case .cursor: try get()
      case .cursorOfOldQueue:
        try get()
        try undergo(.madeAnew)
      }
      try append(3)
    }

    private func append(_ count: Int) throws {
      var writer = try RingWriter.open(
        "queue.ring", in: folder, capacity: capacity, permissions: 0o600, lossReason: 5, now: 1)
      if generations.last != writer.generation { generations.append(writer.generation) }
      for _ in 0..<count {
        let bytes = Array(message(writer.nextSequence).utf8)
        _ = try writer.append(message: bytes.span, receivedAt: 1)
      }
    }

    func undergo(_ upheaval: Upheaval) throws {
      switch upheaval {
      case .appended: break
      case .resized: capacity *= 2
      case .madeAnew: _ = try folder.remove("queue.ring")
      }
      try append(4)
    }

    func consumer() throws -> Consumer {
      try Consumer.open(
        ConsumerIdentity(agent: nil, consumer: nil, unfiltered: false), queue: "queue.ring", cursors: "cursors",
        in: folder, .readWrite(file: 0o600, folder: 0o700))
    }

    /// What `clawq get` does.
    func get() throws {
      var consumer = try consumer()
      note(try consumer.get(), of: consumer.reader.generation)
    }

    /// The other process: reads what is there, and what comes then, unless it has to wait for the cursors' lock.
    func readOn() throws {
      if try isLocked() { return }
      try get()
      try append(1)
      try get()
    }

    func note(_ entries: [Entry], of generation: UInt64) {
      for entry in entries {
        switch entry {
        case .message(let sequence): given[generation, default: []].insert(sequence)
        case .loss(let sequence, let count, let reason):
          reasons.append(reason)
          given[generation, default: []].formUnion(sequence..<sequence + count)
        }
      }
    }

    /// Sees to it that the cursor has not gone back since the last time, neither in its queue nor to an older one.
    func checkCursor(_ note: Comment) throws {
      guard try folder.contains("cursors") else { return }
      let mark: CursorMark
      switch try Cursor.open("default", in: Folder("cursors", in: folder), writable: false) {
      case .some(let cursor): mark = cursor.mark
      case .none: return
      }
      if let last {
        let before = try #require(generations.firstIndex(of: last.generation), note)
        let now = try #require(generations.firstIndex(of: mark.generation), note)
        #expect(now > before || now == before && mark.next >= last.next, note)
      }
      last = mark
    }

    /// Sees to it that nothing of the queue that there is now was given to nobody, and that the cursor is of use.
    func checkEnd(_ note: Comment) throws {
      try get()
      try append(2)
      try get()
      try checkCursor(note)
      let reader = try RingReader.openAtEnd("queue.ring", in: folder)
      #expect(given[reader.generation] == Set(1..<reader.sequence), note)
      #expect(last?.generation == reader.generation && last?.next == reader.sequence, note)
    }

    private func isLocked() throws -> Bool {
      guard try folder.contains("cursors") else { return false }
      let cursors = try Folder("cursors", in: folder)
      guard try cursors.contains(".lock") else { return false }
      return try cursors.open(".lock", [.readWrite]).isLockedByAnother()
    }
  }

  /// Two processes that read as one consumer: the queue is replaced, and the second reads on, between any two steps of
  /// the first.
  @Suite("A consumer that stalls at any of its steps while the queue is replaced and another process reads on")
  struct StalledConsumerTests {
    /// Does what `clawq get` does, with the upheaval before its step `stalled`.
    ///
    /// - Parameter includingCommit: whether the steps of the commit are among them.
    /// - Returns: whether it came to that step.
    private func stall(
      _ world: World, at stalled: Int, _ upheaval: Upheaval, includingCommit: Bool, _ note: Comment
    ) throws -> Bool {
      var step = 0
      var copied = 0
      var didStall = false
      var failure: (any Error)?
      func adversary(_ kind: Step) {
        // Of the words that are copied from the ring in one go, one in a hundred is enough.
        if case .load(let offset) = kind, offset >= 65536 {
          copied += 1
          if copied % 100 != 0 { return }
        }
        defer { step += 1 }
        do {
          try world.checkCursor(note)
          guard step == stalled else { return }
          didStall = true
          try world.undergo(upheaval)
          try world.readOn()
          try world.checkCursor(note)
        } catch { failure = failure ?? error }
      }
      var buffer = ByteBuffer(capacity: 1024)
      var batch: Batch?
      var opened: Consumer?
      try Steps.watch(adversary) {
        var consumer = try world.consumer()
        let collected = try consumer.collect(.none, .lines, to: &buffer)
        if includingCommit { try consumer.commit(collected) }
        batch = collected
        opened = consume consumer
      }
      if let failure { throw failure }
      guard let batch, let consumer = opened.take() else { return false }
      if !includingCommit { try consumer.commit(batch) }
      world.note(try parse(buffer.readable, .lines), of: consumer.reader.generation)
      return didStall
    }

    @Test(
      "the cursor never goes back, and every number is given to one of the two or reported lost",
      arguments: Beginning.allCases, Upheaval.allCases)
    func replaced(beginning: Beginning, upheaval: Upheaval) throws {
      var stalled = 0
      while true {
        let world = try World(beginning)
        let note: Comment = "stalled at step \(stalled)"
        let includingCommit = true
        let didStall = try stall(world, at: stalled, upheaval, includingCommit: includingCommit, note)
        try world.checkCursor(note)
        try world.checkEnd(note)
        let isNew = beginning == .cursorOfOldQueue || upheaval == .madeAnew
        #expect(world.reasons.allSatisfy { isNew && $0 == .newQueue }, note)
        if !didStall { break }
        stalled += 1
      }
      #expect(stalled > 20)
    }
  }
#endif
