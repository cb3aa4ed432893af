package import EventLoop
internal import System

extension RedisLink {
  /// The end of the wait before connecting, or the alarm of the open link.
  package func timerFired(_ token: TimerToken) {
    switch state {
    case .waiting: connect()
    case .open:
      alarm = nil
      lookAfterPath()
    case .subscribing, .commanding, .stopped: break
    }
  }

  func sendProbe() {
    guard let commander, let subscriber else { return }
    path.sent()
    receivedBefore = subscriber.bytesReceived
    commands.probe(probeMethod, at: loop.now, into: &commander.output)
    if probeMethod == .ping { subscription.ping(into: &subscriber.output) }
  }

  /// Does what is due on an open link.
  private func lookAfterPath() {
    if isAnswerLate(), let since = commands.waitsSince {
      return goDown(.noAnswer(to: commands.waitsFor, after: loop.now - since))
    }
    switch path.due(at: loop.now, random: random) {
    case .nothing: break
    case .probe: sendProbe()
    case .unheard:
      guard let subscriber, subscriber.bytesReceived > receivedBefore else {
        return goDown(.unheard(after: PathWatch.echoDeadline))
      }
      receivedBefore = subscriber.bytesReceived
      path.postpone(at: loop.now)
    }
  }

  /// Whether Redis owes an answer for too long. A slow way is not its fault: as long as what was written gets through,
  /// the time counts anew; where nothing does, TCP gives up by itself (`SocketTransport`). So it does as long as something
  /// comes in: a page of the stream may be large.
  private func isAnswerLate() -> Bool {
    guard let due = answerDue, loop.now >= due, let commander else { return false }
    if commander.bytesReceived > receivedUntilAnswer {
      receivedUntilAnswer = commander.bytesReceived
      patience = loop.now + RedisConnection.answerDeadline
      return false
    }
    let delivery = commander.delivery
    guard delivery.isUnderWay, delivered.map({ delivery.delivered > $0 }) ?? true else { return true }
    delivered = delivery.delivered
    patience = loop.now + RedisConnection.answerDeadline
    return false
  }

  func forgetLateness() {
    delivered = nil
    patience = nil
  }

  /// When the oldest command's answer is late: counted from the last answer, and the longer the more is under way, since a
  /// proxy may have taken it all off our hands and pass it on slowly.
  private var answerDue: Instant? {
    guard let sentAt = commands.waitsSince else { return nil }
    let large = UInt64(max(commands.inFlightBytes - Self.bytesWithoutDelay, 0))
    let passage = large * (.seconds(1) / Self.slowestBytesPerSecond)
    let due = max(sentAt, answeredAt ?? sentAt) + RedisConnection.answerDeadline + passage
    return patience.map { max($0, due) } ?? due
  }

  /// Arms the timer for what comes first. Looked at in every turn of an open link, so nothing is done where it is armed
  /// early enough: when it fires, what is due is found anew.
  func setAlarm() {
    guard case .open = state else { return }
    var first = path.deadline
    if let answerDue { first = first.map { min($0, answerDue) } ?? answerDue }
    guard let first else { return }
    if let alarm {
      guard first < alarm.at else { return }
      loop.cancel(alarm.timer)
    }
    alarm = (loop.arm(at: first, self), first)
  }
}
