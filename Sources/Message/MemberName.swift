internal import Bytes
internal import JSON

/// The members of a message that the bus itself reads or writes. A sender gives `from`, `text`, `ts`, `time`, `id` and
/// perhaps `to` and `re`; the publish script adds `bus`; our output to consumers adds `seq` and `lost`.
///
/// Reserved for later, passed on untouched today: `kind` (absent means chat), `thread`, `exp`, `hops`, `sig`,
/// `agent_key`. So is every member we do not know.
enum MemberName: Int {
  case from
  case text
  case ts
  case time
  case id
  case to
  case re
  case bus
  case seq
  case lost

  /// The name of `member`, decoded; nil where it is none of ours.
  @inline(__always)
  init?(_ member: JSONMember, in bytes: borrowing Span<UInt8>) {
    switch Self.word(member, in: bytes) {
    case Self.word("from"): self = .from
    case Self.word("text"): self = .text
    case Self.word("ts"): self = .ts
    case Self.word("time"): self = .time
    case Self.word("id"): self = .id
    case Self.word("to"): self = .to
    case Self.word("re"): self = .re
    case Self.word("bus"): self = .bus
    case Self.word("seq"): self = .seq
    case Self.word("lost"): self = .lost
    default: return nil
    }
  }

  // Our names have two to four bytes. A name is therefore compared as one word: its bytes, the first highest, behind a
  // leading 1 that tells apart names that begin with a NUL.

  @inline(__always)
  private static func word(_ member: JSONMember, in bytes: borrowing Span<UInt8>) -> UInt64 {
    if member.nameHasEscapes { return decodedWord(bytes.extracting(member.name)) }
    let first = member.start + 1
    var word: UInt64 = 1
    switch member.nameEnd - 1 - first {
    case 2: break
    case 3: word = word << 8 | UInt64(bytes[first])
    case 4: word = (word << 8 | UInt64(bytes[first])) << 8 | UInt64(bytes[first + 1])
    default: return 0
    }
    return (word << 8 | UInt64(bytes[member.nameEnd - 3])) << 8 | UInt64(bytes[member.nameEnd - 2])
  }

  @inline(never)
  private static func decodedWord(_ content: borrowing Span<UInt8>) -> UInt64 {
    var word: UInt64 = 1
    var decoder = JSONStringDecoder()
    while let byte = decoder.next(content) {
      guard word < 1 << 32 else { return 0 }
      word = word << 8 | UInt64(byte)
    }
    return word
  }

  /// - Parameter name: at most four ASCII characters.
  @inline(__always)
  private static func word(_ name: StaticString) -> UInt64 {
    var word: UInt64 = 1
    for index in 0..<name.utf8CodeUnitCount { word = word << 8 | UInt64(unsafe name.utf8Start[index]) }
    return word
  }
}
