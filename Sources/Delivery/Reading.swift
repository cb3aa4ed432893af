package import Bytes
internal import Message

/// An entry of the stream, without its bytes.
package struct StreamEntryPlace: Equatable, BitwiseCopyable, Sendable {
  package let id: StreamID
  /// Both nil where the entry was not added by the script.
  package let epoch: StreamEpoch?
  package let number: UInt64?

  /// A number without an epoch, or beyond what the script can count, is none.
  package init(id: StreamID, epoch: StreamEpoch? = nil, number: UInt64? = nil) {
    self.id = id
    let isNumbered = epoch != nil && number.map { 1...BusPosition.largestNumber ~= $0 } ?? false
    self.epoch = isNumbered ? epoch : nil
    self.number = isNumbered ? number : nil
  }
}

/// What an entry of the stream means.
package struct Ruling: Equatable, Sendable {
  package enum Verdict: Equatable, Sendable {
    /// To be put into the queue.
    case take
    /// There already; only the place has moved.
    case pass
    /// Nothing of this page counts: `pageEnded` says what is to be asked instead.
    case stop
  }

  package var verdict: Verdict
  /// The stream was begun anew: what was lost with the old one nobody knows.
  package var isReset = false
  /// Something was trimmed before this entry, nobody knows how much.
  package var lacksUnknown = false
  /// So many messages were trimmed before this entry.
  package var missing: UInt64 = 0
  /// More than this cannot have been lost: the numbers are not those that we knew.
  static let mostMissing: UInt64 = 1 << 32

  /// So many numbers are missing.
  mutating func lack(_ count: UInt64) {
    if count <= Self.mostMissing { missing = count } else { lacksUnknown = true }
  }

  /// Where we stand when the losses are counted, and the entry is not taken yet.
  package var before = StreamPlace(epoch: nil, number: 0, id: .zero)
}

/// What the end of a page, or of a reading, leads to.
package enum ReadingStep: Equatable, Sendable {
  /// More is to be read; nil where it was asked for already, by `readAhead`.
  case goesOn(StreamFollower.Request?)
  /// Everything in the stream was read: `Ruling` without an entry, for what is lost at its end.
  case finished(Ruling)
  /// Nothing was being read.
  case nothing
}

/// How many entries to ask for at once: as many as are about `targetBytes`, judged by the page before.
struct PageSize: Sendable {
  /// Redis answers a page in one piece, and it is held in memory until it is whole.
  static let targetBytes = 1024 * 1024
  static let most = 1000
  /// So many pages of one entry follow one that was too large: it may be the next entry, or the one behind that.
  private static let carefulPages = 32
  /// One entry at a time.
  static let single = PageSize(count: 1, careful: carefulPages)
  private static let first = 64

  private(set) var count = Self.first
  private var careful = 0

  init() {}

  private init(count: Int, careful: Int) {
    self.count = count
    self.careful = careful
  }

  func count(atMost limit: UInt64) -> Int { Int(min(UInt64(count), limit)) }

  /// A page of so many entries had so many bytes.
  mutating func had(_ entries: Int, bytes: Int) {
    guard entries > 0 else { return }
    guard careful == 0 else {
      careful -= 1
      return
    }
    let fitting = Self.targetBytes / max(bytes / entries, 1)
    count = min(max(min(fitting, count * 4), Limits.streamPageAtLeast), Self.most)
  }
}

/// A reading of the stream, from the request for the meta hash to the last page.
struct Reading: Sendable {
  enum Mode {
    /// The first entry is to be the one we stand at.
    case seeking
    /// It was: nothing is missing in between.
    case anchored
    /// It was not: the reading begins again.
    case lost
    /// There is none to be found, or it is gone.
    case unanchored
  }

  var mode = Mode.unanchored
  /// Of the meta hash, before the first page.
  var epoch: StreamEpoch?
  var number: UInt64 = 0
  /// How many of the newest entries are still to be found, of a first start.
  var wanted: UInt64 = 0
  var oldestWanted: StreamID?
  /// Entries of the page that was asked for, and how many that were.
  var inPage = 0
  var asked = 0
  /// How many entries were asked for behind the page that is being looked at; nil where nothing was.
  var askedAhead: Int?
  var last: StreamID?
  /// The number of the epoch's last entry in the stream.
  var lastNumber: UInt64?
  /// Of a reading from the beginning: entries before this one are older than what the queue knows. They were in it once,
  /// but for those whose numbers are greater than `above`.
  var notBefore = StreamID.zero
  var above: UInt64 = 0
  /// The epoch in which `above` counts.
  var pastEpoch: StreamEpoch?
  /// An entry of this reading was accounted for.
  var isUnderWay = false
  /// Where there are no numbers, a missing entry of ours is all that shows a loss.
  var lacksUnknown = false
  /// For the progress.
  var seen: UInt64 = 0
  var expected: UInt64 = 0

  /// Whether an entry from before `notBefore` was in the queue once: of the epoch that we knew, without a number, or of an older
  /// epoch where ours goes on. Where it does not, the entries of another are new, whatever their ids.
  func isPast(_ entry: StreamEntryPlace) -> Bool {
    guard let epoch = entry.epoch, let number = entry.number else { return true }
    return epoch == pastEpoch ? number <= above : epoch != self.epoch
  }
}
