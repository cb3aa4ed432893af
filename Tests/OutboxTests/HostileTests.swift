import Bytes
import Glibc
import System
import Testing

@testable import Outbox

@Suite("Hostile entries in new/")
struct HostileTests {
  /// Runs `command` inside `new/` of a fresh outbox with one honest message after it, scans, and takes all.
  private func afterPlanting(_ command: String) throws -> (TemporaryState, [OutboxFailure]) {
    let state = TemporaryState()
    var drain = try state.drain()
    #expect(shell("cd '\(state.path)/outbox/new' && \(command)") == 0)
    try state.put("honest", "new", name(500))
    try drain.scan()
    var failures: [OutboxFailure] = []
    var texts: [String] = []
    while true {
      let (next, text) = try drain.take()
      switch next {
      case .failed(let failure): failures.append(failure)
      case .message(let token):
        texts.append(text)
        try drain.finish(token)
      case .scanNeeded: Issue.record("no flood here")
      case .empty:
        #expect(texts == ["honest"])
        #expect(try state.names("new").isEmpty)
        return (state, failures)
      }
    }
  }

  static let good = name(3)

  @Test(
    "what is not a readable file under a message's name is moved away unread",
    arguments: [
      ("mkdir \(good); touch \(good)/inside", OutboxReason.notRegularFile),
      ("mkfifo \(good)", .notRegularFile),
      ("ln -s /etc/passwd \(good)", .notRegularFile),
      ("ln -s \(good) \(good)", .notRegularFile),
      ("ln -s /nowhere \(good)", .notRegularFile),
      ("mknod \(good) c 1 5", .notRegularFile),
      ("python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('\(good)')\"", .notRegularFile),
      ("touch \(good)", .empty),
      ("truncate -s 1T \(good) 2>/dev/null || truncate -s 1G \(good)", .tooLarge(limit: 1000)),
      ("printf x > \(good) && chown 12345 \(good)", .foreignOwner(12345)),
    ])
  func wrongKind(command: String, reason: OutboxReason) throws {
    let (state, failures) = try afterPlanting(command)
    #expect(failures == [OutboxFailure(name: Self.good, reason: reason, stuck: nil)])
    #expect(try state.names("failed") == [Self.good, Self.good + ".reason"])
    #expect(try state.read("failed", Self.good + ".reason") == reason.text + "\n")
  }

  @Test(
    "what has no message's name is moved away under a name that is safe",
    arguments: [
      ("touch x", "x"), ("touch .hidden", "%2Ehidden"), ("touch '\(name(3)).reason'", name(3) + "%2Ereason"),
      ("touch \"$(printf 'a\\nb')\"", "a%0Ab"), ("touch -- '-rf *'", "-rf%20%2A"), ("mkdir .d; touch .d/x", "%2Ed"),
      ("touch 99999999999999999999-01HF7YAT00001W0000000000ZZ", "99999999999999999999-01HF7YAT00001W0000000000ZZ"),
      ("ln -s /etc/passwd link", "link"), ("mkfifo pipe", "pipe"),
    ])
  func strange(command: String, target: String) throws {
    let (state, failures) = try afterPlanting(command)
    #expect(failures.count == 1)
    #expect(failures.first?.reason == .badName)
    let name = try #require(failures.first?.name)
    #expect(name.hasPrefix(target))
    #expect(try state.names("failed") == [name, name + ".reason"].sorted())
  }

  @Test("a name that is not UTF-8 is moved away too, and one of 255 bytes")
  func bytes() throws {
    let long = String(repeating: "y", count: 255)
    let (state, failures) = try afterPlanting("touch \"$(printf 'a\\377\\376')\" \(long)")
    #expect(Set(failures.map(\.name)) == ["a%FF%FE", String(repeating: "y", count: Limits.outboxStrangeNameBytes - 2)])
    #expect(try state.names("failed").count == 4)
  }

  @Test("things that would have the same name in failed/ are all kept")
  func collisions() throws {
    let stem = String(repeating: "z", count: 200)
    let (state, failures) = try afterPlanting("printf 1 > \(stem)1; printf 2 > \(stem)2; printf 3 > \(stem)3")
    #expect(Set(failures.map(\.name)).count == 3)
    let contents = try failures.map { try state.read("failed", $0.name) }
    #expect(contents.sorted() == ["1", "2", "3"])
    #expect(try state.names("failed").count == 6)
  }

  @Test("a message whose name stands in failed/ already does not replace it")
  func sameName() throws {
    let (state, failures) = try afterPlanting("printf earlier > ../failed/\(Self.good); touch \(Self.good)")
    #expect(failures.count == 1)
    #expect(try state.read("failed", Self.good) == "earlier")
    #expect(failures.first?.name.hasPrefix(Self.good + "~") == true)
  }

  @Test("a trap laid where the reason would go is not followed, and does not hold the file")
  func reasonTrap() throws {
    let state = TemporaryState()
    try state.open().makeFolder("victim", permissions: 0o700)
    var drain = try state.drain()
    shell(
      "cd '\(state.path)' && printf untouched > victim/file && ln -s ../../victim/file outbox/failed/\(Self.good).reason"
    )
    shell("touch '\(state.path)/outbox/new/\(Self.good)'")
    try drain.scan()
    let next = try drain.take().0
    #expect(next == .failed(OutboxFailure(name: Self.good, reason: .empty, stuck: nil)))
    #expect(try Folder("victim", in: state.open()).status(of: "file").size == 9)
  }

  @Test("messages of other users are taken where the outbox is shared")
  func sharedOwner() throws {
    let state = TemporaryState()
    var drain = try state.drain(.shared)
    try state.put("theirs", "new", Self.good)
    shell("chown 12345 '\(state.path)/outbox/new/\(Self.good)'")
    try drain.scan()
    #expect(try drain.takeAll() == ["theirs"])
  }

  @Test("files that vanish at any moment are passed over")
  func vanishing() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    for number in 1...5 { try state.put("\(number)", "new", name(UInt64(number))) }
    try state.put("odd", "new", "odd")
    try drain.scan()
    shell("cd '\(state.path)/outbox/new' && rm odd \(name(1)) \(name(3))")
    let (token, text) = try drain.takeMessage()
    #expect(text == "2")
    shell("cd '\(state.path)/outbox/new' && rm \(name(2)) \(name(4))")
    try drain.finish(token)
    let (last, lastText) = try drain.takeMessage()
    #expect(lastText == "5")
    shell("rm '\(state.path)/outbox/new/\(name(5))'")
    let failure = try drain.fail(last, .rejected("x"))
    #expect(failure == nil)
    #expect(try state.names("failed").isEmpty)
  }

  @Test("what cannot be moved away is told once, blocks nothing, and is tried again at the next scan")
  func stuck() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    // A mount point cannot be renamed.
    let mount = "\(state.path)/outbox/new/stuck"
    try #require(shell("mkdir '\(mount)' && mount -t tmpfs -o size=64k tmpfs '\(mount)'") == 0, "must run as root")
    try state.put("honest", "new", name(1))
    try drain.scan()
    let next = try drain.take().0
    guard case .failed(let failure) = next else {
      shell("umount '\(mount)'")
      throw Unexpected(next: next)
    }
    #expect(failure.name == "stuck" && failure.stuck?.code == EBUSY)
    let texts = try drain.takeAll()
    #expect(texts == ["honest"])
    shell("umount '\(mount)'")
    try drain.scan()
    let again = try drain.take().0
    #expect(again == .failed(OutboxFailure(name: "stuck", reason: .badName, stuck: nil)))
  }

  @Test(
    "folders removed, moved or replaced while running are told",
    arguments: [
      ("rm -r outbox/new", "/outbox/new"), ("rm -r outbox", "/outbox"), ("mv outbox gone", "/outbox"),
      ("mv outbox gone; mkdir outbox", "/outbox"), ("rm -r outbox/failed; touch outbox/failed", "/outbox/failed"),
      ("rm -r outbox/tmp", "/outbox/tmp"),
    ])
  func removedFolders(command: String, path: String) throws {
    let state = TemporaryState()
    var drain = try state.drain()
    shell("cd '\(state.path)' && \(command)")
    var errors: [OutboxError] = []
    do throws(OutboxError) { try drain.scan() } catch { errors.append(error) }
    do throws(OutboxError) { try drain.recount() } catch { errors.append(error) }
    #expect(errors == [.folderRemoved(state.path + path), .folderRemoved(state.path + path)])
  }

  @Test("a removed folder is told by next as well, not taken for vanished messages")
  func removedUnderNext() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    try state.put("x", "new", name(1))
    try drain.scan()
    shell("rm -r '\(state.path)/outbox/new'")
    var error: OutboxError?
    do { _ = try drain.take() } catch let thrown { error = thrown as? OutboxError }
    #expect(error == .folderRemoved(state.path + "/outbox/new"))
  }

  @Test("strange things in tmp/ disturb neither clean-up nor recount")
  func hostileTemporary() throws {
    let state = TemporaryState()
    var drain = try state.drain()
    shell(
      "cd '\(state.path)/outbox/tmp' && mkdir d \(id(1).text) && ln -s /etc/passwd l && mkfifo p && touch \"$(printf '\\377')\""
    )
    _ = try drain.cleanTemporary(olderThan: 0, now: .max)
    try drain.recount()
    #expect(drain.counted == OutboxCounted(messages: 0, bytes: 0))
    #expect(try !state.names("tmp").contains("l"))
  }
}
