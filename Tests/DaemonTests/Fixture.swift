import Bytes
import Daemon
import EventLoop
import Message
import Network
import Outbox
import RedisLink
import Ring
import Settings
import System
import TestSupport
import Testing

/// A log that writes into a file of the test's.
func openLog(_ temporary: TemporaryFolder) throws -> DaemonLog {
  let folder = try temporary.open()
  return DaemonLog(try folder.open("log", [.writeOnly, .createNew], permissions: 0o600), forJournal: true)
}

/// The lines of the log at least as important as `level`, without their priority.
func lines(_ temporary: TemporaryFolder, _ level: LogLevel = .warning) -> [String] {
  String(decoding: contents(temporary.path + "/log"), as: UTF8.self).split(separator: "\n").compactMap { line in
    guard let priority = line.dropFirst().first?.wholeNumberValue, priority <= Int(level.rawValue) else { return nil }
    return String(line.dropFirst(3))
  }
}

func openQueue(_ temporary: TemporaryFolder, capacity: Int = 1 << 20) throws -> RingWriter {
  let folder = try temporary.open()
  return try RingWriter.open("queue.ring", in: folder, capacity: capacity, permissions: 0o600, lossReason: 5, now: 1)
}

/// What stands in the queue: the objects of messages, and losses as "lost <count> <reason>".
func readQueue(_ temporary: TemporaryFolder) throws -> [String] {
  let folder = try temporary.open()
  var reader = try RingReader.open("queue.ring", in: folder)
  var found: [String] = []
  while true {
    switch try reader.next() {
    case .end: return found
    case .overwritten(let count): found.append("overwritten \(count)")
    case .record(let header):
      switch header.kind {
      case .message: found.append(String(repairing: reader.payload))
      case .loss:
        let reason = LossReason(rawValue: header.reason).map { "\($0.name)" } ?? "?"
        found.append("lost \(header.span) \(reason)")
      case .position: break
      }
    }
  }
}

func statusPage(_ temporary: TemporaryFolder) throws -> DaemonStatus? {
  let folder = try temporary.open()
  return try RingReader.open("queue.ring", in: folder).daemonStatus
}

func message(_ text: String, from: String = "elon") -> String { #"{"from":"\#(from)","text":"\#(text)"}"# }

/// A daemon on a simulated world, with a real state folder.
final class SimulatedDaemon {
  let temporary = TemporaryFolder()
  let world: SimulatedWorld
  let loop: EventLoop
  let redis: SimulatedRedis
  let daemon: Daemon
  private var sender: Int = 0
  /// What a reload finds; nil: nothing that can be used.
  var configuration: Settings?
  /// Whether queue and lock are still under their names.
  var filesAreInPlace = true

  private final class Box { weak var owner: SimulatedDaemon? }

  init(isLocal: Bool = false, messageBytes: Int = 10_000, newestInQueue: ULID? = nil) throws {
    let world = try SimulatedWorld()
    let loop = EventLoop(poller: world)
    let redis = SimulatedRedis(world)
    var chosen = Settings()
    chosen.maxMessageBytes = messageBytes
    let settings = chosen
    let log = try openLog(temporary)
    let intake = Intake(try openQueue(temporary), limit: messageBytes + Limits.receivedSlack, log: log)
    let box = Box()
    self.world = world
    self.loop = loop
    self.redis = redis
    configuration = settings
    daemon = Daemon(
      loop, settings, intake: intake, pid: 4711, log: log,
      system: DaemonSystem(
        makeLink: { handler in
          guard !isLocal else { return nil }
          let target = RedisTarget(
            endpoint: .tcp(host: "127.0.0.1", port: 6379), login: RedisLogin(), channel: settings.channel)
          return RedisLink(
            loop, NoResolver(), target, random: { .max / 2 }, handler: handler, makeTransport: redis.connect)
        },
        loadSettings: { () throws(ReloadFault) in
          guard let settings = box.owner?.configuration else { throw ReloadFault(why: "line 3 is wrong") }
          return settings
        },
        filesAreInPlace: { box.owner?.filesAreInPlace ?? true }, newestInQueue: newestInQueue))
    box.owner = self
  }

  func start() throws {
    let state = try temporary.open()
    try daemon.start(state: state, access: .own)
    try run()
  }

  @discardableResult
  func run(for duration: UInt64 = 0) throws -> Int { try world.run(loop, for: duration) }

  /// The id of the message that is sent as the `number`th.
  static func id(_ number: Int) -> ULID { ULID(milliseconds: 1_700_000_000_000, random: (1, UInt64(number))) }

  /// Hands messages over as `clawsend` does.
  func send(_ objects: String...) throws { try send(objects) }
  func send(_ objects: [String]) throws {
    let state = try temporary.open()
    var outbox = try OutboxSender(state: state)
    for object in objects {
      sender += 1
      let bytes = Array(object.utf8)
      _ = try outbox.send(bytes.span, id: Self.id(sender))
    }
  }

  func files(_ folder: String) throws -> [String] { try Folder(temporary.path + "/outbox/" + folder).names().sorted() }
  func queue() throws -> [String] { try readQueue(temporary) }
  func log(_ level: LogLevel = .warning) -> [String] { lines(temporary, level) }
  func status() throws -> DaemonStatus { try #require(try statusPage(temporary)) }

  func shell(_ command: String) {
    let outcome = TestSupport.run("/bin/sh", ["-c", "cd '\(temporary.path)' && \(command)"])
    #expect(outcome.code == 0, "\(command)")
  }
}
