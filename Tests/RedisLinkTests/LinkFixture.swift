import Bytes
import EventLoop
import Network
import RedisLink
import System
import TestSupport
import Testing

/// What a link told its handler, in order.
final class LinkLog: RedisLinkHandler {
  var events: [String] = []
  var messages: [String] = []
  var oversized: [Int] = []
  var failures: [LinkFailure] = []
  var delays: [UInt64] = []
  var published: [UInt64] = []
  var refused: [(token: UInt64, kind: RedisErrorKind, text: String)] = []
  var onMessage: () -> Void = {}
  var onPublished: () -> Void = {}

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
  func published(_ token: UInt64) {
    published.append(token)
    onPublished()
  }
  func refused(_ token: UInt64, _ kind: RedisErrorKind, text: String) { refused.append((token, kind, text)) }
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

  init(_ login: RedisLogin = RedisLogin(), channel: String = "openclaw-chat") throws {
    let world = try SimulatedWorld()
    let redis = SimulatedRedis(world)
    let random = Dice()
    self.world = world
    self.redis = redis
    self.random = random
    loop = EventLoop(poller: world)
    let target = RedisTarget(endpoint: .tcp(host: "127.0.0.1", port: 6379), login: login, channel: channel)
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
      endpoint: .tcp(host: "127.0.0.1", port: 6379), login: RedisLogin(), channel: "openclaw-chat")
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

  func publish(_ text: String, _ token: UInt64) {
    let bytes = Array(text.utf8)
    link.publish(bytes.span, token: token)
  }

  var subscriber: SimulatedConnection { get throws { try #require(redis.subscribers.last) } }
  var commander: SimulatedConnection { get throws { try #require(redis.commanders.last) } }
}
