package import EventLoop
package import System

/// Something with a descriptor that exists in the simulation alone.
package protocol SimulatedDevice: AnyObject {
  /// What its descriptor is ready for now.
  var readiness: Readiness { get }
}

/// A loop would have turned for ever, or waited for what never comes.
package struct RunawayLoop: Error, CustomStringConvertible {
  package let description: String
}

/// A poller over simulated devices, and beside them over real descriptors (a folder watch), with a clock that stands
/// still while there is something to do and else jumps to the next deadline. Nothing ever waits.
package final class SimulatedWorld: Poller {
  private let epoll: EpollPoller
  private var devices: [Int32: any SimulatedDevice] = [:]
  private var watched: [Int32: (token: UInt64, interest: Interest)] = [:]
  /// Beyond every number that the system gives out.
  private var nextDescriptor: Int32 = 1_000_000
  private var horizon = Instant(nanoseconds: 0)
  private var hasArrived = false

  package private(set) var time = Instant(nanoseconds: .seconds(1000))
  /// What the wall clock is ahead of the monotonic one, in nanoseconds.
  package var wallOffset: UInt64 = 1_700_000_000_000_000_000
  /// What a real poller would not have taken.
  package private(set) var mistakes: [String] = []

  package init() throws(SystemError) { epoll = try EpollPoller() }

  /// The devices that the loop waits for.
  package var watchedDevices: Int { watched.count }

  /// What the loop waits for on a descriptor; empty where it does not have it.
  package func interest(in descriptor: Int32) -> Interest { watched[descriptor]?.interest ?? [] }

  /// Gives a device its descriptor.
  package func register(_ device: any SimulatedDevice) -> Int32 {
    nextDescriptor += 1
    devices[nextDescriptor] = device
    return nextDescriptor
  }

  /// The device closes its descriptor, which must not be watched any more.
  package func unregister(_ descriptor: Int32) {
    devices[descriptor] = nil
    if watched.removeValue(forKey: descriptor) != nil { mistakes.append("\(descriptor) was closed while watched") }
  }

  /// Turns `loop` until `duration` nanoseconds have passed and nothing is left to be done; 0: only what is due now.
  /// Answers how many turns did anything.
  ///
  /// - Parameter turns: more than this many are a loop that runs hot.
  @discardableResult
  package func run(_ loop: EventLoop, for duration: UInt64 = 0, atMost turns: Int = 20_000) throws -> Int {
    horizon = time + duration
    var count = 0
    var quiet = 0
    while true {
      hasArrived = false
      try loop.turn()
      // The end of a turn in which nothing happened may still have sent something: only a second one is quiet.
      quiet = hasArrived ? quiet + 1 : 0
      if quiet == 2 { return count }
      if hasArrived { continue }
      count += 1
      guard count <= turns else { throw RunawayLoop(description: "more than \(turns) turns in \(duration) ns") }
    }
  }

  /// Sets the clock forward as if the machine had been busy with something else.
  package func skip(_ duration: UInt64) { time = time + duration }

  package func add(_ descriptor: Int32, token: UInt64, interest: Interest) throws(SystemError) {
    guard devices[descriptor] != nil else { return try epoll.add(descriptor, token: token, interest: interest) }
    if watched[descriptor] != nil || interest.isEmpty { mistakes.append("add \(descriptor)") }
    watched[descriptor] = (token, interest)
  }

  package func modify(_ descriptor: Int32, token: UInt64, interest: Interest) throws(SystemError) {
    guard devices[descriptor] != nil else { return try epoll.modify(descriptor, token: token, interest: interest) }
    if watched[descriptor]?.token != token || interest.isEmpty { mistakes.append("modify \(descriptor)") }
    watched[descriptor] = (token, interest)
  }

  package func remove(_ descriptor: Int32) throws(SystemError) {
    guard devices[descriptor] != nil else { return try epoll.remove(descriptor) }
    if watched.removeValue(forKey: descriptor) == nil { mistakes.append("remove \(descriptor)") }
  }

  package func wait(until deadline: Instant?, into events: inout [PollEvent]) throws(SystemError) {
    try epoll.wait(until: Instant(nanoseconds: 0), into: &events)
    for (descriptor, entry) in watched.sorted(by: { $0.key < $1.key }) {
      let readiness = devices[descriptor]?.readiness ?? []
      let wanted = Readiness(rawValue: entry.interest.rawValue | Readiness([.hangUp, .error]).rawValue)
      if !readiness.isDisjoint(with: wanted) {
        events.append(PollEvent(token: entry.token, readiness: readiness.intersection(wanted)))
      }
    }
    guard events.isEmpty else { return }
    if let deadline, deadline <= horizon {
      time = max(time, deadline)
    } else {
      time = max(time, horizon)
      hasArrived = true
    }
  }

  package func now() -> Instant { time }
  package func wallClock() -> UInt64 { wallOffset + time.nanoseconds }
}
