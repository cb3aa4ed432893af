internal import Bytes
internal import Delivery
internal import Message
package import RedisLink
internal import Ring
internal import Settings
internal import System

extension Daemon: RedisLinkHandler {
  package func linkReady() {
    intake.markJoined()
    receiver?.linkReady()
    // It has said why nothing can be read.
    if receiver?.isBarred == true { return }
    guard receiver?.isLive == true else { return setRedis(.catchingUp) }
    // After a hold what was refused is to go through first: a probe may pass where a message does not.
    if !isHeld { recovered() }
  }

  func endHold() {
    isHeld = false
    guard receiver?.isLive == true else { return setRedis(.catchingUp) }
    recovered()
  }

  func recovered() {
    guard receiver?.isLive == true else { return setRedis(.catchingUp) }
    log(
      .notice, isConnected ? "Redis takes messages again" : "connected to Redis, subscribed to \(settings.channel)")
    isConnected = true
    loggedFailure = nil
    setRedis(.ready)
  }

  package func linkHeld(_ kind: RedisErrorKind, text: String) {
    if loggedFailure != kind.description {
      log(.warning, "Redis: \(kind): \(text); messages wait until it can")
      loggedFailure = kind.description
    }
    isHeld = true
    keeper?.refused(text)
    setRedis(.waiting, text)
  }

  package func linkProbes(by method: ProbeMethod, because text: String) {
    guard loggedProbes.insert(method).inserted else { return }
    let consequence =
      method == .ping
      ? "a subscription that hears nothing is not noticed by itself" : "a master that was demoted is noticed late"
    log(.warning, "Redis does not let us probe the connection as we should: \(text); \(consequence)")
  }

  package func linkStoresWithoutScript(because text: String) {
    log(
      .warning,
      "Redis does not let us run the script that publishes: \(text); messages are stored one at a time, without numbers, and arrive up to "
        + "a second later, and what is trimmed before it was fetched is not counted")
  }

  package func linkDown(_ failure: LinkFailure, retryAfter delay: UInt64) {
    pump?.linkLost()
    if failure.isTooLargeAnswer { receiver?.pageWasTooLarge() }
    receiver?.linkDown()
    keeper?.end()
    isHeld = false
    isConnected = false
    if failure.gist != loggedFailure {
      let seconds = delay / .seconds(1)
      log(.warning, "Redis: \(failure); trying again\(seconds < 60 ? "" : " in \(seconds) s")")
      loggedFailure = failure.gist
    }
    setRedis(.waiting, failure.description, needsPerson: failure.needsPerson)
  }

  package func received(_ payload: borrowing Span<UInt8>) { receiver?.received(payload) }

  package func receivedOversized(_ byteCount: Int) { receiver?.receivedOversized(byteCount) }

  package func heardMark(_ mark: borrowing Span<UInt8>) { receiver?.heardMark(mark) }

  package func published(_ outcomes: [PublishOutcome]) {
    if let text = pump?.published(outcomes) {
      // The stream has it, and nobody was told.
      receiver?.wantReading()
      if loggedFailure != text {
        log(
          .error,
          "Redis stores our messages and does not let us announce them: \(text); others fetch them up to 75 s later")
        loggedFailure = text
      }
      status.redisError = text
    }
    if outcomes.contains(where: \.isStored) {
      outage.ends()
      keeper?.end()
      if !isHeld, receiver?.isLive == true, status.redis != .ready, pump?.isHeldUp == false { setRedis(.ready) }
    }
    for case .refused(let kind, let text) in outcomes { sayRefused(kind, text) }
  }

  package func publishRefused(_ kind: RedisErrorKind, text: String) {
    pump?.publishRefused(kind, text)
    sayRefused(kind, text)
  }

  /// Connected, but of no use to who sends: what waits is to be seen.
  private func sayRefused(_ kind: RedisErrorKind, _ text: String) {
    guard kind.reaction == .refuse, kind != .tooLarge else { return }
    setRedis(.waiting, text, needsPerson: kind.isConfigurationFault)
  }

  package func fetched(meta: StreamMeta) { receiver?.fetched(meta) }

  package func fetched(page: borrowing StreamPage, for request: StreamRequest) { receiver?.fetched(page, for: request) }

  package func fetched(count: UInt64, for request: StreamRequest) { keeper?.fetched(count, for: request) }

  package func fetchRefused(_ request: StreamRequest, _ kind: RedisErrorKind, text: String) {
    switch request {
    case .meta, .page, .newest: receiver?.fetchRefused(kind, text: text)
    case .length, .trim: keeper?.fetchRefused(text)
    }
  }
}

extension Daemon: ReceiverOwner {
  func caughtUp() {
    guard link?.isReady == true, !isHeld else { return }
    // Having read mends nothing for a message that was refused.
    if !isConnected || status.redis != .ready && pump?.isHeldUp != true { recovered() }
  }

  func progressed() { if status.redis == .catchingUp { publishStatus() } }

  func cannotRead(_ kind: RedisErrorKind, text: String) {
    let what = "what was published while we were away cannot be fetched, and is tried again every minute: \(text)"
    if loggedFailure != what {
      log(.error, "Redis: \(what)")
      loggedFailure = what
    }
    setRedis(.waiting, text, needsPerson: kind.isConfigurationFault)
  }
}

extension PublishOutcome {
  var isNumbered: Bool {
    if case .stored(let number, _, _, _) = self { return number > 0 }
    return false
  }

  var isFound: Bool {
    if case .found = self { return true }
    return false
  }

  var isStored: Bool {
    switch self {
    case .stored, .found: true
    case .refused, .notTried: false
    }
  }
}
