import Bytes
import Delivery
import Message
import Settings
import System
import TestSupport
import Testing

@Suite("Following the stream, whatever happens in whatever order")
struct FollowerRandomTests {
  /// What may happen to a stream beside publishing.
  struct Weather {
    var trims = false
    var fails = false
    var resets = false
    var forges = false
    var repeats = true
  }

  /// One history of a stream and a daemon that was joined at its beginning.
  private func history(_ seed: UInt64, _ weather: Weather) -> (redis: ModelRedis, daemon: ModelDaemon, live: Set<Int>) {
    var random = SeededGenerator(seed: seed)
    let redis = ModelRedis()
    let daemon = ModelDaemon(redis, firstStart: .all)
    // Published by somebody who is no script: at most once.
    var plain: Set<Int> = []
    func send(_ what: (message: Int, position: BusPosition?)) {
      if daemon.isUp { daemon.inbox.append((what.message, what.position, false)) }
    }
    daemon.settle()
    for _ in 0..<5 { send(redis.publish()) }
    daemon.settle()
    redis.slowest = redis.time
    for _ in 0..<Int.random(in: 10...300, using: &random) {
      switch Int.random(in: 0..<40, using: &random) {
      case 0..<12:
        // Now and then more than a page, so that the next one is asked for while one is looked at.
        let burst = Int.random(in: 0..<100, using: &random) == 0 ? 200 : 3
        for _ in 0..<Int.random(in: 1...burst, using: &random) { send(redis.publish()) }
      case 12..<22: daemon.hear()
      case 22..<30:
        // What was trimmed before it was fetched, and is heard after its loss was counted, comes late: not in these.
        if weather.trims, !weather.fails { while !daemon.inbox.isEmpty, daemon.isUp { daemon.hear() } }
        daemon.answer()
      case 30, 31: daemon.linkDown()
      case 32, 33: if !daemon.isUp { daemon.linkUp() }
      case 34: daemon.die()
      case 35:
        // Sent again after an unknown outcome, and not seen by who looked: a second copy.
        if weather.repeats, let entry = redis.entries.randomElement(using: &random) {
          send(redis.publish(entry.message))
        }
      case 36:
        daemon.now = daemon.now + .milliseconds(700)
        if daemon.request == nil, let request = daemon.follower.due(at: daemon.now) { daemon.request = request }
      case 37:
        if weather.trims { redis.trim(to: Int.random(in: 0...5, using: &random)) }
        if weather.resets, Int.random(in: 0..<6, using: &random) == 0 {
          [redis.flush, redis.deleteStream, redis.deleteMeta].randomElement(using: &random)?()
        }
        if weather.fails, Int.random(in: 0..<3, using: &random) == 0 {
          // Whoever was connected to the old master is not any more.
          daemon.linkDown()
          redis.failOver(
            losing: Int.random(in: 0...4, using: &random), clockBehind: UInt64.random(in: 0...20, using: &random))
        }
      case 38:
        guard daemon.isUp else { break }
        let position = redis.epoch.map { BusPosition(epoch: $0, number: max(redis.number, 1), id: .zero) }
        daemon.inbox.append((0, position, true))
      default:
        guard weather.forges, let place = daemon.follower.place, let epoch = place.epoch else { break }
        let message = redis.nextMessage()
        plain.insert(message)
        let number = Bool.random(using: &random) ? place.number + 1 : UInt64.random(in: 1...20, using: &random)
        let id = StreamID(milliseconds: UInt64.random(in: 0...3_000, using: &random), sequence: 0)
        send((message, BusPosition(epoch: epoch, number: number, id: id)))
      }
    }
    daemon.settle()
    // A last message, by which whatever was hidden comes to light.
    send(redis.publish())
    daemon.settle()
    daemon.linkDown()
    daemon.settle()
    return (redis, daemon, plain)
  }

  private func seeds(_ count: Int) -> [UInt64] {
    var random = SeededGenerator()
    return (0..<count).map { _ in random.next() }
  }

  @Test("every message once and in the order of the stream, whatever connections, deaths and repeats do")
  func undisturbed() {
    for seed in seeds(2_000) {
      let (redis, daemon, _) = history(seed, Weather())
      #expect(daemon.messages == redis.stored && daemon.losses.isEmpty, "seed \(seed)")
      if daemon.messages != redis.stored { return }
    }
  }

  @Test("what was trimmed is counted exactly, and the rest comes once and in order")
  func trimmed() {
    for seed in seeds(2_000) {
      let (redis, daemon, _) = history(seed, Weather(trims: true, repeats: false))
      let messages = daemon.messages
      #expect(messages == redis.stored.filter { Set(messages).contains($0) }, "seed \(seed): order")
      var lost: UInt64 = 0
      for loss in daemon.losses {
        guard case .lost(let count) = loss else {
          Issue.record("seed \(seed): \(loss)")
          return
        }
        lost += count
      }
      // A second copy has a number of its own: it may be lost although the first was not.
      let missing = UInt64(redis.stored.count - messages.count)
      #expect(
        lost >= missing && lost <= redis.number - UInt64(messages.count),
        "seed \(seed): lost \(lost), missing \(missing)")
      if lost < missing { return }
    }
  }

  @Test("after failovers to replicas that lag, all that the stream has is there once, and nothing is counted twice")
  func failedOver() {
    for seed in seeds(2_000) {
      let (redis, daemon, _) = history(seed, Weather(fails: true))
      let messages = daemon.messages
      let there = redis.entries.map(\.message)
      #expect(Set(messages).count == messages.count, "seed \(seed): repeated")
      #expect(Set(there).isSubset(of: messages), "seed \(seed): lacks \(Set(there).subtracting(messages).sorted())")
      if Set(messages).count != messages.count || !Set(there).isSubset(of: messages) { return }
    }
  }

  @Test("after anything at all, what the stream has is there once")
  func anything() {
    for seed in seeds(3_000) {
      let (redis, daemon, _) = history(seed, Weather(trims: true, fails: true, resets: true, forges: true))
      let messages = daemon.messages
      let there = redis.entries.map(\.message)
      #expect(Set(messages).count == messages.count, "seed \(seed): repeated")
      #expect(Set(there).isSubset(of: messages), "seed \(seed): lacks \(Set(there).subtracting(messages).sorted())")
      if Set(messages).count != messages.count || !Set(there).isSubset(of: messages) { return }
    }
  }

  @Test("a forged position costs nothing: the true messages and the forged one are there, once each")
  func forged() {
    for seed in seeds(2_000) {
      let (redis, daemon, plain) = history(seed, Weather(forges: true))
      let messages = daemon.messages
      #expect(messages.filter { !plain.contains($0) } == redis.stored, "seed \(seed)")
      if messages.filter({ !plain.contains($0) }) != redis.stored { return }
    }
  }
}
