import Bytes
import EventLoop
import Network
import RedisLink
import System
import TestSupport
import Testing

@Suite("The link to a real redis-server")
struct RealRedisTests {
  @Test("publishes, hears everyone and itself in order, and comes back after the server was killed")
  func overTCP() throws {
    let redis = try RealRedis()
    let loop = EventLoop(poller: try EpollPoller())
    let target = RedisTarget(
      endpoint: .tcp(host: "127.0.0.1", port: redis.port), login: RedisLogin(database: 2, clientName: "test"),
      channel: "openclaw-chat")
    let logs = [LinkLog(), LinkLog()]
    let links = logs.map { RedisLink(loop, NoResolver(), target, random: { .max / 4 }, handler: $0) }
    for link in links { link.start() }
    // Guards against waiting for ever, and is so far away that it says nothing about speed.
    func turn(until condition: () -> Bool) throws {
      let end = loop.now + .seconds(60)
      final class Tick: TimerHandler { func timerFired(_ token: TimerToken) {} }
      _ = loop.arm(at: end, Tick())
      while !condition(), loop.now < end { try loop.turn() }
      try #require(condition())
    }
    try turn { links.allSatisfy(\.isReady) }

    let expected = (0..<500).map { "{\"n\":\($0),\"text\":\"\(String(repeating: "é", count: $0))\"}" }
    var next = 0
    try turn {
      while next < expected.count, links[0].canPublish(expected[next].utf8.count) {
        let bytes = Array(expected[next].utf8)
        links[0].publish(bytes.span, token: UInt64(next))
        next += 1
        if next % 64 == 0 { break }
      }
      links[0].turnEnded()
      return logs.allSatisfy { $0.messages.count == expected.count } && logs[0].published.count == expected.count
    }
    for log in logs { #expect(log.messages == expected) }
    #expect(logs[0].published == (0..<500).map(UInt64.init) && logs[1].published == [])

    redis.kill()
    try turn { logs.allSatisfy { $0.events.contains("down") } }
    try redis.restart()
    try turn { links.allSatisfy(\.isReady) }
    let bytes = Array("again".utf8)
    links[1].publish(bytes.span, token: 9)
    links[1].turnEnded()
    try turn { logs.allSatisfy { $0.messages.last == "again" } && logs[1].published == [9] }
    for link in links { link.stop() }
  }
}
