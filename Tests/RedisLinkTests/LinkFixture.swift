import Bytes
import EventLoop
import Network
import RedisLink
import System
import TestSupport
import Testing

/// What a link told its handler, in order.
final class LinkLog: RedisLinkHandler {
  /// What became of the link.
  var events: [String] = [] { didSet { all.append(events.last ?? "") } }
  /// The same, and between it what became of batches.
  var all: [String] = []
  var messages: [String] = []
  var oversized: [Int] = []
  var failures: [LinkFailure] = []
  var delays: [UInt64] = []
  /// The outcomes of each batch.
  var batches: [[PublishOutcome]] = []
  /// Batches of which nothing was stored.
  var refused: [(kind: RedisErrorKind, text: String)] = []
  var withoutScript: [String] = []
  /// The answers to requests, as texts, in order.
  var answers: [String] = []
  var marks: [String] = []
  var onMessage: () -> Void = {}
  var onPublished: () -> Void = {}

  var outcomes: [PublishOutcome] { batches.flatMap { $0 } }

  func linkReady() { events.append("ready") }
  var holds: [(kind: RedisErrorKind, text: String)] = []
  var probes: [ProbeMethod] = []

  func linkHeld(_ kind: RedisErrorKind, text: String) {
    events.append("held")
    holds.append((kind, text))
  }
  func linkProbes(by method: ProbeMethod, because text: String) { probes.append(method) }
  func linkDown(_ failure: LinkFailure, retryAfter delay: UInt64) {
    events.append("down")
    failures.append(failure)
    delays.append(delay)
  }
  func received(_ payload: borrowing Span<UInt8>) {
    messages.append(String(repairing: payload))
    onMessage()
  }
  func receivedOversized(_ byteCount: Int) {
    oversized.append(byteCount)
    messages.append("oversized")
  }
  func heardMark(_ mark: borrowing Span<UInt8>) { marks.append(String(repairing: mark)) }
  func published(_ outcomes: [PublishOutcome]) {
    all.append("published")
    batches.append(outcomes)
    onPublished()
  }
  func publishRefused(_ kind: RedisErrorKind, text: String) {
    all.append("refused")
    refused.append((kind, text))
  }
  func linkStoresWithoutScript(because text: String) { withoutScript.append(text) }
  func fetched(meta: StreamMeta) {
    answers.append("meta \(meta.epoch?.text ?? "none") \(meta.number.map { "\($0)" } ?? "none")")
  }
  func fetched(page: borrowing StreamPage, for request: StreamRequest) {
    answers.append("page \(texts(page).joined(separator: " "))")
  }
  func fetched(count: UInt64, for request: StreamRequest) { answers.append("\(request) \(count)") }
  func fetchRefused(_ request: StreamRequest, _ kind: RedisErrorKind, text: String) {
    answers.append("refused \(kind): \(text)")
  }
}

/// Each entry of a page: `<id>=<object>`.
func texts(_ page: borrowing StreamPage) -> [String] {
  var page = copy page
  var texts: [String] = []
  while let entry = page.next() {
    var object = entry.oversizedByteCount.map { "(\($0))" } ?? "none"
    if let bytes = entry.object { object = String(repairing: bytes) }
    texts.append("\(entry.id.text)=\(object)")
  }
  return texts
}

/// An object as a daemon gives it to the link.
func object(_ text: String) -> String { "{\"text\":\"\(text)\"}" }

extension PublishOutcome {
  /// Stored and announced.
  var isArrived: Bool {
    guard case .stored(_, _, announced: true, text: "") = self else { return false }
    return true
  }
  /// The number it was stored under.
  var number: UInt64? {
    guard case .stored(let number, _, _, _) = self else { return nil }
    return number
  }
  var refusal: RedisErrorKind? {
    guard case .refused(let kind, _) = self else { return nil }
    return kind
  }
}

/// A link to a simulated Redis.
final class SimulatedLink {
  let world: SimulatedWorld
  let loop: EventLoop
  let redis: SimulatedRedis
  let log = LinkLog()
  let link: RedisLink
  private let random: Dice

  /// The random numbers that the backoff gets.
  final class Dice {
    var next: () -> UInt64 = { 0 }
  }

  init(
    _ login: RedisLogin = RedisLogin(), channel: String = "openclaw-chat", streamMaxLength: Int = 10_000
  ) throws {
    let world = try SimulatedWorld()
    let redis = SimulatedRedis(world)
    let random = Dice()
    self.world = world
    self.redis = redis
    self.random = random
    loop = EventLoop(poller: world)
    let target = RedisTarget(
      endpoint: .tcp(host: "127.0.0.1", port: 6379), login: login, channel: channel,
      streamMaxLength: streamMaxLength)
    link = RedisLink(
      loop, NoResolver(), target, random: { random.next() }, handler: log, makeTransport: redis.connect)
  }

  /// One of several links of one world.
  init(world: SimulatedWorld, redis: SimulatedRedis, loop: EventLoop, random: @escaping () -> UInt64) {
    self.world = world
    self.redis = redis
    self.loop = loop
    self.random = Dice()
    let target = RedisTarget(
      endpoint: .tcp(host: "127.0.0.1", port: 6379), login: RedisLogin(), channel: "openclaw-chat",
      streamMaxLength: 10_000)
    link = RedisLink(loop, NoResolver(), target, random: random, handler: log, makeTransport: redis.connect)
  }

  func roll(_ next: @escaping () -> UInt64) { random.next = next }

  @discardableResult
  func run(for duration: UInt64 = 0) throws -> Int { try world.run(loop, for: duration) }

  func startUp() throws {
    link.start()
    try run()
    try #require(link.isReady)
  }

  /// Publishes objects with these texts as one batch, and sends it.
  func publish(_ texts: String..., after: StreamID? = nil) { publish(objects: texts.map(object), after: after) }

  func publish(objects: [String], after: StreamID? = nil) {
    for text in objects {
      let bytes = Array(text.utf8)
      link.batch.append(bytes.span)
    }
    link.publishBatch(after: after)
    link.turnEnded()
  }

  var subscriber: SimulatedConnection { get throws { try #require(redis.subscribers.last) } }
  var commander: SimulatedConnection { get throws { try #require(redis.commanders.last) } }
}
