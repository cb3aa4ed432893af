import Bytes
import Glibc
import System
import Testing

@testable import Outbox

@Suite("The counts page and crashes")
struct CountsTests {
  /// Three messages sent and one more that failed before, numbers 1 to 4, and a page made useless by `damage`.
  private func afterDamage(_ damage: (TemporaryState) throws -> Void) throws -> TemporaryState {
    let state = TemporaryState()
    var drain = try state.drain()
    var sender = try OutboxSender(state: state.open())
    for index in 0..<4 { _ = try sender.send("old \(index)", 90 - index) }
    try drain.scan()
    let (token, _) = try drain.takeMessage()
    _ = try drain.fail(token, .rejected("no object"))
    try damage(state)
    return state
  }

  static let damages = [
    "rm counts", ": > counts", "printf hello > counts", "head -c 64 /dev/urandom > counts",
    "head -c 64 /dev/zero > counts", "truncate -s 63 counts", "truncate -s 65 counts", "truncate -s 16 counts",
    "rm counts; mkdir counts; touch counts/precious", "rm counts; mkfifo counts", "rm counts; ln -s /dev/zero counts",
    "rm counts; ln -s new counts", "rm counts; mkdir counts.aside 2>/dev/null; rmdir counts.aside; touch counts.aside",
    // next number 0, next number above 10^18, version 0
    "head -c 8 /dev/zero | dd of=counts bs=1 seek=16 conv=notrunc 2>/dev/null",
    "printf '\\377\\377\\377\\377\\377\\377\\377\\377' | dd of=counts bs=1 seek=16 conv=notrunc 2>/dev/null",
    "head -c 8 /dev/zero | dd of=counts bs=1 seek=8 conv=notrunc 2>/dev/null",
  ]

  @Test("a missing or damaged page is rebuilt: order and counts stay right", arguments: damages)
  func rebuilt(damage: String) throws {
    let state = try afterDamage { shell("cd '\($0.path)/outbox' && \(damage)") }
    var sender = try OutboxSender(state: state.open())
    let name = try sender.send("young", 1)
    #expect(name.number == 5)
    #expect(try state.held() == OutboxCounted(messages: 4, bytes: 3 * 5 + 5))
    var drain = try state.drain()
    try drain.scan()
    #expect(try drain.takeAll() == ["old 1", "old 2", "old 3", "young"])
    #expect(try state.folder(".").contains("counts.aside") == false)
  }

  @Test("a number only in failed/ is not used again")
  func failedNumber() throws {
    let state = try afterDamage { state in
      var drain = try state.drain()
      try drain.scan()
      while case (.message(let token), _) = try drain.take() { _ = try drain.fail(token, .rejected("x")) }
      shell("rm '\(state.path)/outbox/counts'")
    }
    #expect(try state.nextNumber() == 5)
  }

  @Test("a page with too low a number is raised by the daemon's recount")
  func tooLow() throws {
    let state = try afterDamage { state in
      shell(
        "printf '\\001\\0\\0\\0\\0\\0\\0\\0' | dd of='\(state.path)/outbox/counts' bs=1 seek=16 conv=notrunc 2>/dev/null"
      )
    }
    #expect(try state.nextNumber() == 1)
    var drain = try state.drain()
    try drain.recount()
    var sender = try OutboxSender(state: state.open())
    #expect(try sender.send("young", 1).number == 5)
  }

  @Test("a newer page is refused and left as it is", arguments: [64, 4096])
  func newer(size: Int) throws {
    let state = TemporaryState()
    _ = try state.drain()
    let path = "\(state.path)/outbox/counts"
    shell("printf '\\002' | dd of='\(path)' bs=1 seek=8 conv=notrunc 2>/dev/null; truncate -s \(size) '\(path)'")
    for attempt in 0..<2 {
      var error: OutboxError?
      do {
        if attempt == 0 { _ = try OutboxSender(state: state.open()) } else { _ = try state.drain() }
      } catch let thrown { error = thrown as? OutboxError }
      #expect(error == .newerVersion(2, path: path))
    }
    #expect(try state.folder(".").status(of: "counts").size == size)
  }

  @Test("many who find no page make one together: all numbers differ")
  func creationRace() async throws {
    for _ in 0..<10 {
      let state = TemporaryState()
      _ = try state.drain()
      shell("rm '\(state.path)/outbox/counts'")
      let numbers = try await withThrowingTaskGroup(of: UInt64.self) { group in
        for index in 0..<8 {
          group.addTask {
            var sender = try OutboxSender(state: state.open())
            return try sender.send("x", index).number
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(Set(numbers).count == 8)
    }
  }

  @Test("who waited for the lock uses the page that was made meanwhile, and makes no other")
  func secondLook() throws {
    let state = TemporaryState()
    _ = try state.drain()
    // A page that no survey would make: its next number is 77. Another process holds the lock, then places it.
    let script = """
      import fcntl, os, time
      os.chdir("\(state.path)/outbox")
      lock = open("counts.lock", "r+")
      page = open("counts", "r+b")
      page.seek(16)
      page.write(bytes([77]))
      page.close()
      os.rename("counts", "page")
      if os.fork() == 0:
          fcntl.lockf(lock, fcntl.LOCK_EX)
          open("ready", "w").close()
          time.sleep(0.3)
          os.link("page", "counts")
      else:
          while not os.path.exists("ready"): time.sleep(0.001)
      """
    try #require(shell("python3 -c '\(script)'") == 0)
    var sender = try OutboxSender(state: state.open())
    #expect(try sender.send("x", 1).number == 77)
  }

  @Test("a sender and a drain that live on turn to the new page when theirs was removed")
  func renewed() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    var sender = try OutboxSender(state: state.open())
    for index in 0..<3 { _ = try sender.send("x", index) }
    shell("rm '\(state.path)/outbox/counts'")
    #expect(try sender.send("y", 3).number == 4)
    try drain.scan()
    #expect(try drain.takeAll() == ["x", "x", "x", "y"])
    try drain.recount()
    #expect(try state.held() == OutboxCounted(messages: 0, bytes: 0))
    #expect(drain.counted == OutboxCounted(messages: 0, bytes: 0))
  }

  @Test("a sender killed before its rename sent nothing; clean-up and recount take back what it held")
  func killedBeforeRename() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    var sender = try OutboxSender(state: state.open())
    try sender.stage("half".utf8.span, id: id(1), sync: false)
    _ = try sender.send("whole", 2)
    try drain.scan()
    let texts = try drain.takeAll()
    #expect(texts == ["whole"])
    #expect(drain.counted == OutboxCounted(messages: 1, bytes: 4))

    let written = try state.folder("tmp").status(of: id(1).text).modified
    // Not yet an hour old: perhaps its sender lives, and it keeps its place.
    #expect(try drain.cleanTemporary(olderThan: .seconds(3600), now: written + .seconds(3600)) == 0)
    try drain.recount()
    #expect(drain.counted == OutboxCounted(messages: 1, bytes: 4))
    #expect(try drain.cleanTemporary(olderThan: .seconds(3600), now: 0) == 0)
    #expect(try drain.cleanTemporary(olderThan: .seconds(3600), now: written + .seconds(3601)) == 1)
    try drain.recount()
    #expect(drain.counted == OutboxCounted(messages: 0, bytes: 0))
    #expect(try state.names("tmp").isEmpty)
    // The sender was alive after all: it is told, and no count goes wrong.
    #expect(throws: OutboxError.self) { _ = try sender.commit(id: id(1), byteCount: 4) }
    #expect(drain.counted == OutboxCounted(messages: 0, bytes: 0))
  }

  @Test("a sender killed after it claimed, or after it took a number, leaves a gap and no more")
  func killedBetween() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    var sender = try OutboxSender(state: state.open())
    _ = try sender.send("a", 1)
    let counts = try OutboxCounts.open(in: state.folder("."), .own)
    try counts.claim(bytes: 100, of: OutboxQuota(messages: 100, bytes: 1000))
    _ = try counts.takeNumber()
    #expect(try sender.send("b", 2).number == 3)
    #expect(drain.counted == OutboxCounted(messages: 3, bytes: 102))
    try drain.recount()
    #expect(drain.counted == OutboxCounted(messages: 2, bytes: 2))
    try drain.scan()
    #expect(try drain.takeAll() == ["a", "b"])
  }

  @Test("counts never fall below zero and never run over")
  func saturating() throws {
    let state = TemporaryState()
    _ = try state.drain()
    let counts = try OutboxCounts.open(in: state.folder("."), .own)
    counts.release(bytes: 10)
    let empty = counts.held
    #expect(empty == OutboxCounted(messages: 0, bytes: 0))
    counts.correct(from: empty, to: OutboxCounted(messages: .max, bytes: .max))
    counts.correct(from: empty, to: OutboxCounted(messages: 5, bytes: 5))
    let full = counts.held
    #expect(full == OutboxCounted(messages: 1 << 24 - 1, bytes: 1 << 40 - 1))
  }
}
