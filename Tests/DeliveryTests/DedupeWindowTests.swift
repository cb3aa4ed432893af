import Bytes
import Delivery
import TestSupport
import Testing

@Suite("The window of known messages")
struct DedupeWindowTests {
  private func key(_ number: UInt64) -> MessageKey {
    MessageKey(ULID(milliseconds: 1_700_000_000_000, random: (3, number)))
  }
  private func place(_ number: UInt64) -> StreamID { StreamID(milliseconds: number, sequence: 0) }

  @Test("agrees with a plain list through any mix of noting, forgetting and asking")
  func model() {
    var random = SeededGenerator()
    let seed = random.description
    var window = DedupeWindow(capacity: 2)
    var list: [(key: UInt64, fingerprint: UInt32, end: UInt64)] = []
    var end: UInt64 = 0
    for step in 0..<20_000 {
      switch UInt8.random(in: 0..<10, using: &random) {
      case 0..<6:
        end += UInt64.random(in: 1...3, using: &random)
        let number = UInt64.random(in: 0..<3_000, using: &random)
        let fingerprint = UInt32.random(in: 1...2, using: &random)
        window.note(key(number), fingerprint: fingerprint, place: place(number), end: end)
        list.append((number, fingerprint, end))
      case 6:
        let oldest = end > 2_000 ? end - 2_000 + UInt64.random(in: 0...4, using: &random) : 0
        window.forget(before: oldest)
        list.removeAll { $0.end <= oldest }
      default:
        let number = UInt64.random(in: 0..<3_000, using: &random)
        let fingerprint = UInt32.random(in: 1...3, using: &random)
        let same = list.filter { $0.key == number }
        let expected: DedupeWindow.Knowledge =
          same.isEmpty ? .unknown : same.contains { $0.fingerprint == fingerprint } ? .known : .differs
        let found = window.knowledge(of: key(number), fingerprint: fingerprint)
        guard found == expected, window.count == list.count else {
          Issue.record("\(seed), step \(step): \(found) where \(expected) is true, \(window.count) of \(list.count)")
          return
        }
      }
    }
    #expect(list.count > 500, "the window was filled")
  }

  @Test("beyond its limit it forgets the oldest, and knows the others")
  func limit() {
    var window = DedupeWindow()
    for number in 0..<UInt64(DedupeWindow.limit) + 1_000 {
      window.note(key(number), fingerprint: 1, place: place(number + 1), end: number)
    }
    let found1 = window.count
    #expect(found1 == DedupeWindow.limit)
    let found2 = window.knowledge(of: key(999), fingerprint: 1)
    #expect(found2 == .unknown)
    let found3 = window.knowledge(of: key(1_000), fingerprint: 1)
    #expect(found3 == .known)
    let found4 = window.oldestPlace
    #expect(found4 == place(1_001))
  }

  @Test("what is known by its place alone is known whatever its bytes are")
  func losses() {
    var window = DedupeWindow()
    window.note(MessageKey(place(7)), fingerprint: 0, place: place(7), end: 1)
    let found5 = window.knowledge(of: MessageKey(place(7)), fingerprint: 55)
    #expect(found5 == .known)
    let found6 = window.knowledge(of: MessageKey(place(8)), fingerprint: 55)
    #expect(found6 == .unknown)
  }

  @Test("the oldest place is that of the first message that was in the stream")
  func oldestPlace() {
    var window = DedupeWindow()
    window.note(key(1), fingerprint: 1, place: .zero, end: 1)
    let found7 = window.oldestPlace
    #expect(found7 == nil)
    window.note(key(2), fingerprint: 1, place: place(9), end: 2)
    window.note(key(3), fingerprint: 1, place: place(5), end: 3)
    let found8 = window.oldestPlace
    #expect(found8 == place(9))
    window.forget(before: 2)
    let found9 = window.oldestPlace
    #expect(found9 == place(5))
  }

  @Test("another message at a place is told from the one that stood there last")
  func another() {
    var window = DedupeWindow()
    window.note(key(1), fingerprint: 1, place: place(9), end: 1)
    let found10 = window.hasAnother(at: place(9), than: key(1), fingerprint: 1)
    #expect(!found10)
    let found11 = window.hasAnother(at: place(9), than: key(2), fingerprint: 1)
    #expect(found11)
    let found12 = window.hasAnother(at: place(9), than: key(1), fingerprint: 2)
    #expect(found12)
    let found13 = window.hasAnother(at: place(8), than: key(2), fingerprint: 1)
    #expect(!found13, "nothing is known of that place")
    window.note(key(2), fingerprint: 1, place: place(9), end: 2)
    let found14 = window.hasAnother(at: place(9), than: key(2), fingerprint: 1)
    #expect(!found14)
  }

  @Test("ids of any form are told apart, and never taken for places or for each other")
  func keys() {
    let texts = [
      "", "a", "b", "aa", "01BX5ZZKBKACTAV9WEVGEMMVRZ", "01bx5zzkbkactav9wevgemmvrz", "7", "\u{0}", "\u{0}\u{0}",
    ]
    let keys = texts.map { MessageKey(id: Array($0.utf8).span) } + [MessageKey(place(1)), MessageKey(place(2))]
    #expect(Set(keys).count == keys.count)
  }
}
