import Delivery
import System
import Testing

@Suite("Making room in a Redis without memory")
struct StreamTrimmerTests {
  /// Ten daemons on one stream, told at once: gives when somebody trimmed, and to what.
  private func simulate(_ daemons: Int, length: UInt64, for duration: UInt64) -> [(at: UInt64, length: UInt64)] {
    var trimmers = Array(repeating: StreamTrimmer(), count: daemons)
    var length = length
    var trims: [(at: UInt64, length: UInt64)] = []
    var dice: UInt64 = 1
    func random() -> UInt64 {
      dice = dice &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return dice
    }
    for index in trimmers.indices { trimmers[index].outOfMemory(at: Instant(nanoseconds: 0), random: random) }
    while let next = trimmers.indices.min(by: { (trimmers[$0].deadline ?? .end) < (trimmers[$1].deadline ?? .end) }),
      let now = trimmers[next].deadline, now.nanoseconds < duration
    {
      guard trimmers[next].due(at: now) == .look else { break }
      if case .trim(let kept) = trimmers[next].length(length, at: now, random: random) {
        length = kept
        trims.append((now.nanoseconds, length))
        trimmers[next].trimmed(at: now, random: random)
      }
    }
    return trims
  }

  @Test("alone, a quarter goes at a time, and never twice in a minute")
  func alone() {
    let trims = simulate(1, length: 10_000, for: .seconds(600))
    #expect(trims.map(\.length).starts(with: [7_500, 5_625, 4_219]))
    #expect((5...10).contains(trims.count))
    for (one, next) in zip(trims, trims.dropFirst()) { #expect(next.at - one.at >= .seconds(60)) }
  }

  @Test("a look that Redis refuses is not the last one")
  func lookRefused() {
    var trimmer = StreamTrimmer()
    trimmer.outOfMemory(at: Instant(nanoseconds: 0)) { 0 }
    let first = trimmer.deadline ?? Instant(nanoseconds: 0)
    #expect(trimmer.due(at: first) == .look)
    trimmer.trimmed(at: first) { 0 }
    let second = trimmer.deadline ?? Instant(nanoseconds: 0)
    #expect(second == first + StreamTrimmer.pause)
    #expect(trimmer.due(at: second) == .look)
  }

  @Test("ten daemons together take no more than one or two would")
  func together() {
    let trims = simulate(10, length: 10_000, for: .seconds(600))
    #expect((3...24).contains(trims.count), "\(trims)")
  }

  @Test("a short stream is left alone")
  func short() { #expect(simulate(3, length: StreamTrimmer.shortest - 1, for: .seconds(600)).isEmpty) }

  @Test("nothing is done once something was stored again")
  func over() {
    var trimmer = StreamTrimmer()
    trimmer.outOfMemory(at: Instant(nanoseconds: 0)) { 0 }
    #expect(trimmer.deadline == Instant(nanoseconds: StreamTrimmer.firstPause))
    trimmer.end()
    #expect(trimmer.deadline == nil)
    #expect(trimmer.length(10_000, at: Instant(nanoseconds: 1)) { 0 } == .nothing)
  }
}

extension Instant {
  fileprivate static let end = Instant(nanoseconds: .max)
}
