package import Bytes
internal import Message

/// Where a daemon stands in the stream: everything up to here is in its queue, as a message or as a counted loss.
package struct StreamPlace: Equatable, BitwiseCopyable, Sendable {
  /// Nil where the stream has none: nothing was ever published, or only by those who cannot run the script.
  package var epoch: StreamEpoch?
  /// The number of the epoch's last message that is accounted for; 0 before the first.
  package var number: UInt64
  /// The entry that was looked at last; zero before the first.
  package var id: StreamID

  package init(epoch: StreamEpoch?, number: UInt64, id: StreamID) {
    self.epoch = epoch
    self.number = number
    self.id = id
  }

  /// Whether a message that claims to stand at `position` is the very next one.
  func isFollowed(by position: BusPosition) -> Bool {
    guard position.previous == id, position.id > id else { return false }
    // Where the stream was empty, and nothing was ever counted, the first one begins the epoch.
    let isFirst = epoch == nil && id == .zero && number == 0 && position.number == 1
    return isFirst || position.epoch == epoch && position.number == number &+ 1
  }
}

extension StreamID {
  /// The smallest id that is greater.
  package var next: StreamID {
    guard sequence == .max else { return StreamID(milliseconds: milliseconds, sequence: sequence + 1) }
    guard milliseconds < .max else { return self }
    return StreamID(milliseconds: milliseconds + 1, sequence: 0)
  }

  /// The greatest id that is smaller; zero has none.
  var previous: StreamID {
    guard sequence == 0 else { return StreamID(milliseconds: milliseconds, sequence: sequence - 1) }
    guard milliseconds > 0 else { return self }
    return StreamID(milliseconds: milliseconds - 1, sequence: .max)
  }
}
