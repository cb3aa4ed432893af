import Bytes
import EventLoop
import Network
import RedisLink
import System
import TestSupport
import Testing

/// Links to a redis-server of their own, in one loop.
final class RealLinks {
  let redis: RealRedis
  let loop: EventLoop
  let logs: [LinkLog]
  let links: [RedisLink]

  init(_ count: Int = 1, login: RedisLogin = RedisLogin(), streamMaxLength: Int = 10_000) throws {
    let redis = try RealRedis()
    let loop = EventLoop(poller: try EpollPoller())
    let target = RedisTarget(
      endpoint: .tcp(host: "127.0.0.1", port: redis.port), login: login, channel: "openclaw-chat",
      streamMaxLength: streamMaxLength)
    let logs = (0..<count).map { _ in LinkLog() }
    var generator = SystemRandomNumberGenerator()
    self.redis = redis
    self.loop = loop
    self.logs = logs
    links = logs.map { RedisLink(loop, NoResolver(), target, random: { generator.next() }, handler: $0) }
  }

  func start() throws {
    for link in links { link.start() }
    try turn { links.allSatisfy(\.isReady) }
  }

  deinit { for link in links { link.stop() } }

  /// Turns the loop until it is so. Guards against waiting for ever, and is so far away that it says nothing about speed.
  func turn(until condition: () -> Bool) throws {
    let end = loop.now + .seconds(60)
    final class Tick: TimerHandler { func timerFired(_ token: TimerToken) {} }
    let tick = loop.arm(at: end, Tick())
    while !condition(), loop.now < end { try loop.turn() }
    loop.cancel(tick)
    try #require(condition())
  }

  /// Publishes by the first link, and waits for the outcomes: none where the batch was refused as a whole.
  func publish(_ objects: [String], after: StreamID? = nil) throws -> [PublishOutcome] {
    let before = (batches: logs[0].batches.count, refused: logs[0].refused.count)
    for text in objects { links[0].batch.append(Array(text.utf8).span) }
    links[0].publishBatch(after: after)
    links[0].turnEnded()
    try turn { logs[0].batches.count > before.batches || logs[0].refused.count > before.refused }
    return logs[0].batches.count > before.batches ? logs[0].batches[before.batches] : []
  }

  func fetch(_ request: StreamRequest) throws -> String {
    let before = logs[0].answers.count
    links[0].fetch(request)
    links[0].turnEnded()
    try turn { logs[0].answers.count > before }
    return logs[0].answers[before]
  }
}

@Suite("The link to a real redis-server")
struct RealRedisTests {
  @Test("publishes, hears everyone and itself in order, and comes back after the server was killed")
  func overTCP() throws {
    let test = try RealLinks(2, login: RedisLogin(database: 2, clientName: "test"))
    try test.start()
    let objects = (0..<500).map { "{\"n\":\($0),\"text\":\"\(String(repeating: "é", count: $0))\"}" }
    var next = 0
    try test.turn {
      while test.links[0].canPublish, next < objects.count {
        while next < objects.count, test.links[0].batch.canTake(objects[next].utf8.count) {
          test.links[0].batch.append(Array(objects[next].utf8).span)
          next += 1
        }
        test.links[0].publishBatch()
      }
      test.links[0].turnEnded()
      return test.logs.allSatisfy { $0.messages.count == objects.count }
        && test.logs[0].outcomes.count == objects.count
    }
    #expect(test.logs[0].outcomes.map(\.number) == (1...500).map { $0 })
    #expect(test.logs[0].outcomes.allSatisfy(\.isArrived) && test.logs[1].outcomes == [])
    #expect(test.logs[0].messages == test.logs[1].messages)
    #expect(zip(objects, test.logs[0].messages).allSatisfy { $1.hasPrefix($0.dropLast() + ",\"bus\":\"") })

    test.redis.kill()
    try test.turn { test.logs.allSatisfy { $0.events.contains("down") } }
    try test.redis.restart()
    try test.turn { test.links.allSatisfy(\.isReady) }
    let outcomes = try test.publish([object("again")])
    #expect(outcomes.map(\.number) == [1], "the server has forgotten the stream and the script")
    try test.turn { test.logs.allSatisfy { $0.messages.last?.hasPrefix("{\"text\":\"again\"") == true } }
  }
}
