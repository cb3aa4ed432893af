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

/// One with an id, as `clawsend` writes it.
func numbered(_ number: Int, _ text: String? = nil) -> String {
  #"{"from":"elon","text":"\#(text ?? "\(number)")","id":"\#(SimulatedDaemon.id(number).text)"}"#
}

/// What a test chooses of the settings.
struct Choice {
  var isLocal = false
  var messageBytes = 10_000
  var queueBytes = 1 << 20
  var firstStart = FirstStart.end
  var streamMaxLength = 10_000
  /// Tells one Redis from another.
  var target: UInt64 = 1
  /// What the service manager asks for.
  var watchdog: UInt64?
}

/// A daemon on a simulated world, with a real state folder.
final class SimulatedDaemon {
  let temporary = TemporaryFolder()
  private(set) var world: SimulatedWorld
  private(set) var loop: EventLoop
  let redis: SimulatedRedis
  private(set) var daemon: Daemon
  private var sender: Int = 0
  /// For the next start.
  var choice: Choice
  /// What a reload finds; nil: nothing that can be used.
  var configuration: Settings?
  /// Whether queue and lock are still under their names.
  var filesAreInPlace = true
  /// What the service manager was told.
  var notified: [ServiceState] { box.notified }

  private final class Box {
    var notified: [ServiceState] = []
    weak var owner: SimulatedDaemon?
  }
  private let box = Box()
  private let logFile: DaemonLog

  init(_ choice: Choice = Choice()) throws {
    let world = try SimulatedWorld()
    redis = SimulatedRedis(world)
    self.choice = choice
    self.world = world
    logFile = try openLog(temporary)
    (loop, daemon, configuration) = try Self.make(choice, world, redis, temporary, logFile, box)
    box.owner = self
  }

  convenience init(isLocal: Bool = false, messageBytes: Int = 10_000) throws {
    try self.init(Choice(isLocal: isLocal, messageBytes: messageBytes))
  }

  private static func make(
    _ choice: Choice, _ world: SimulatedWorld, _ redis: SimulatedRedis, _ temporary: TemporaryFolder, _ log: DaemonLog,
    _ box: Box
  ) throws -> (EventLoop, Daemon, Settings) {
    let loop = EventLoop(poller: world)
    var chosen = Settings()
    chosen.maxMessageBytes = choice.messageBytes
    chosen.firstStart = choice.firstStart
    chosen.streamMaxLength = choice.streamMaxLength
    let settings = chosen
    let intake = try Intake(
      try openQueue(temporary, capacity: choice.queueBytes), limit: choice.messageBytes + Limits.receivedSlack, log: log
    )
    let daemon = Daemon(
      loop, settings, intake: intake, pid: 4711, log: log,
      system: DaemonSystem(
        makeLink: { handler in
          guard !choice.isLocal else { return nil }
          let target = RedisTarget(
            endpoint: .tcp(host: "127.0.0.1", port: 6379), login: RedisLogin(), channel: settings.channel,
            streamMaxLength: settings.streamMaxLength)
          return RedisLink(
            loop, NoResolver(), target, random: { .max / 2 }, handler: handler, makeTransport: redis.connect)
        },
        loadSettings: { () throws(ReloadFault) in
          guard let settings = box.owner?.configuration else { throw ReloadFault(why: "line 3 is wrong") }
          return settings
        },
        filesAreInPlace: { box.owner?.filesAreInPlace ?? true }, random: { .max / 2 },
        target: choice.isLocal ? 0 : choice.target, notify: { box.notified.append($0) }, watchdog: choice.watchdog))
    return (loop, daemon, settings)
  }

  /// kill -9, with whatever is in flight: nothing is written any more, and the connections are gone.
  func kill() {
    for connection in redis.open { connection.close() }
    loop.forgetAll()
  }

  deinit { loop.forgetAll() }

  /// The link is down, and does not come up again until `comeBack`.
  func leave() throws {
    redis.connectFault = .closed
    for connection in redis.open { connection.end() }
    try run()
  }

  /// Gives the link the time to come up, and two seconds more.
  func comeBack() throws {
    redis.connectFault = nil
    for _ in 0..<400 where redis.open.count < 2 { try run(for: .milliseconds(100)) }
    try run(for: .seconds(2))
  }

  /// A second life, on the same state folder. The first must have ended, or been killed.
  func startAgain() throws {
    let next = try SimulatedWorld()
    next.skip(world.time - next.time)
    next.wallOffset = world.wallOffset
    world = next
    redis.move(to: next)
    (loop, daemon, configuration) = try Self.make(choice, next, redis, temporary, logFile, box)
    try start()
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
