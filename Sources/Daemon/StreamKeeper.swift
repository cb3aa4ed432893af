internal import Delivery
internal import EventLoop
internal import RedisLink
internal import System

/// Has the stream trimmed while Redis is out of memory: asks what the trimmer wants to know, and does what it says.
final class StreamKeeper: TimerHandler {
  private let loop: EventLoop
  private let log: DaemonLog
  private let random: () -> UInt64
  private unowned let link: RedisLink
  private var trimmer = StreamTrimmer()
  private var alarm: TimerToken?

  /// - Parameter random: 64 random bits.
  init(_ loop: EventLoop, _ link: RedisLink, log: DaemonLog, random: @escaping () -> UInt64) {
    self.loop = loop
    self.link = link
    self.log = log
    self.random = random
  }

  /// Redis refused to store something, with `text`.
  func refused(_ text: String) {
    // As Redis says it, alone or from inside a script.
    guard text.contains("OOM") else { return }
    trimmer.outOfMemory(at: loop.now, random: random)
    arm()
  }

  /// Something was stored, or the link is down.
  func end() {
    trimmer.end()
    arm()
  }

  private func arm() {
    if let alarm { loop.cancel(alarm) }
    alarm = trimmer.deadline.map { loop.arm(at: $0, self) }
  }

  func timerFired(_ token: TimerToken) {
    alarm = nil
    follow(trimmer.due(at: loop.now))
  }

  private func follow(_ step: StreamTrimmer.Step) {
    switch step {
    case .nothing: arm()
    case .look: if link.isOpen { link.fetch(.length) }
    case .trim(let count): if link.isOpen { link.fetch(.trim(to: count)) }
    }
  }

  func fetched(_ count: UInt64, for request: StreamRequest) {
    switch request {
    case .length: follow(trimmer.length(count, at: loop.now, random: random))
    case .trim(let kept):
      log(.warning, "Redis is out of memory: the oldest \(count) messages of the stream were removed, \(kept) are kept")
      over()
    case .meta, .page, .newest: break
    }
  }

  func fetchRefused(_ text: String) {
    log(.warning, "Redis is out of memory, and the stream cannot be made shorter: \(text)")
    over()
  }

  private func over() {
    trimmer.trimmed(at: loop.now, random: random)
    arm()
  }
}
