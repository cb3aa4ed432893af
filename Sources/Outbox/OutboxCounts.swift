internal import Bytes
internal import System

/// What waits in the outbox by the counts page: sent or being sent, and not yet taken away.
package struct OutboxCounted: Equatable, Sendable {
  /// 0..<2^24.
  package let messages: UInt64
  /// 0..<2^40.
  package let bytes: UInt64

  static let messagesEnd: UInt64 = 1 << 24
  static let bytesEnd: UInt64 = 1 << 40

  /// Values beyond what the page can count become the greatest that it can.
  init(messages: UInt64, bytes: UInt64) {
    self.messages = min(messages, Self.messagesEnd - 1)
    self.bytes = min(bytes, Self.bytesEnd - 1)
  }

  init(word: UInt64) {
    messages = word >> 40
    bytes = word & (Self.bytesEnd - 1)
  }

  var word: UInt64 { messages << 40 | bytes }

  /// Without what is in `other`, stopping at zero.
  func subtracting(_ other: OutboxCounted) -> OutboxCounted {
    OutboxCounted(
      messages: messages > other.messages ? messages - other.messages : 0,
      bytes: bytes > other.bytes ? bytes - other.bytes : 0)
  }

  func adding(_ other: OutboxCounted) -> OutboxCounted {
    OutboxCounted(messages: messages + other.messages, bytes: bytes + other.bytes)
  }
}

/// The counts page: a file of 64 bytes that senders and `clawd` map and change by atomic operations alone.
///
///      0        8         16            24                          32           64
///      │ magic  │ version │ next number │ messages << 40 | bytes    │ zero       │
///
/// All words are little-endian UInt64. Messages and bytes share a word so that one compare-and-swap claims both: the
/// quota is exact however many send at once. Invariants: the next number only grows; it is greater than every number
/// in `new/`, `stored/` and `failed/`. Counts may be too high by what killed senders had claimed, until `recount`.
///
/// To change the layout: raise `version`, and say in `find` what becomes of the version before. Older programs refuse
/// a newer page and leave it alone.
struct OutboxCounts: ~Copyable {
  static let byteCount = 64
  /// "OCBOUTBX" in memory.
  static let magic: UInt64 = 0x5842_5455_4F42_434F
  static let version: UInt64 = 1

  static let magicOffset = 0
  static let versionOffset = 8
  static let nextNumberOffset = 16
  static let heldOffset = 24

  let file: FileDescriptor
  let mapping: SharedMapping
  /// For messages only.
  let path: String

  /// What is claimed now.
  var held: OutboxCounted { OutboxCounted(word: mapping.loadRelaxed(Self.heldOffset)) }
  var nextNumber: UInt64 { mapping.loadRelaxed(Self.nextNumberOffset) }

  /// Claims room for one message of `bytes` bytes: all of it or, throwing `quotaFull`, nothing.
  func claim(bytes: UInt64, of quota: OutboxQuota) throws(OutboxError) {
    var current = mapping.loadRelaxed(Self.heldOffset)
    while true {
      let held = OutboxCounted(word: current)
      guard held.messages < quota.messages, held.bytes <= quota.bytes, bytes <= quota.bytes - held.bytes else {
        throw .quotaFull(held, limit: quota)
      }
      let claimed = held.adding(OutboxCounted(messages: 1, bytes: bytes))
      let result = mapping.compareExchange(current, with: claimed.word, Self.heldOffset)
      if result.exchanged { return }
      current = result.original
    }
  }

  /// Gives back what one message of `bytes` bytes had claimed.
  func release(bytes: UInt64) {
    change { $0.subtracting(OutboxCounted(messages: 1, bytes: bytes)) }
  }

  /// Puts `actual` in the place of `expected`; false, and nothing is changed, where something else stands there.
  func replace(_ expected: OutboxCounted, with actual: OutboxCounted) -> Bool {
    mapping.compareExchange(expected.word, with: actual.word, Self.heldOffset).exchanged
  }

  /// Changes the counts by the difference between `expected` and `actual`, whatever they are by now.
  func correct(from expected: OutboxCounted, to actual: OutboxCounted) {
    change { $0.adding(actual.subtracting(expected)).subtracting(expected.subtracting(actual)) }
  }

  private func change(_ body: (OutboxCounted) -> OutboxCounted) {
    var current = mapping.loadRelaxed(Self.heldOffset)
    while true {
      let changed = body(OutboxCounted(word: current))
      let result = mapping.compareExchange(current, with: changed.word, Self.heldOffset)
      if result.exchanged { return }
      current = result.original
    }
  }

  /// Takes the next number. A number taken and not used is a gap, which nobody minds.
  func takeNumber() throws(OutboxError) -> UInt64 {
    let number = mapping.add(1, Self.nextNumberOffset)
    guard number >= 1, number <= OutboxLayout.maximumNumber else { throw .damagedCounts(path) }
    return number
  }

  /// Makes the next number at least `number`; it never goes back.
  func raiseNextNumber(to number: UInt64) {
    var current = nextNumber
    while current < number {
      let result = mapping.compareExchange(current, with: number, Self.nextNumberOffset)
      if result.exchanged { return }
      current = result.original
    }
  }

  /// Whether this page no longer has a name: another has taken its place and this one counts for nobody.
  func isRemoved() throws(SystemError) -> Bool { try file.status(path).links == 0 }
}
