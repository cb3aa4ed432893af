internal import Bytes
internal import Delivery
internal import Message
internal import Outbox
internal import RedisLink
internal import System

// To Redis the messages go in batches, one at a time, so that no retry can put one before another. A message leaves the
// outbox when Redis has answered that the stream has it, or when it is found to have come back by the stream: an answer that
// was lost with its connection is no reason to store it twice.

extension OutboxPump {
  /// Fills a batch and sends it. Where the outbox fails, what was taken out of it before goes all the same.
  func pumpIntoRedis(_ link: RedisLink, _ receiver: Receiver) throws(OutboxError) {
    var failure: OutboxError?
    do { try fill(link) } catch { failure = error }
    if !link.batch.isEmpty {
      // Where we may not read, the script may not either.
      link.publishBatch(after: hasLookedBack || receiver.isBarred ? nil : receiver.place ?? .zero)
      link.sendNow()
    } else if failure == nil {
      // What was held back may have been taken away meanwhile.
      isHeldBack = false
    }
    if let failure { throw failure }
  }

  private func fill(_ link: RedisLink) throws(OutboxError) {
    while link.batch.count < (alone > 0 ? 1 : Limits.publishBatchMessages) {
      if loaded == nil {
        buffer.removeAll()
        loaded = try nextMessage()
      }
      guard let token = loaded else { break }
      // Come back by the stream: its file was not taken away in time.
      if intake.hasFromStream(buffer) {
        loaded = nil
        try finish(token)
        continue
      }
      guard link.batch.canTake(buffer.count) else { break }
      link.batch.append(buffer.readable)
      flights.append(token)
      loaded = nil
    }
  }

  /// Takes away the files of what has arrived.
  func finishArrived() {
    guard !arrived.isEmpty else { return }
    let tokens = arrived
    arrived.removeAll(keepingCapacity: true)
    for token in tokens { do throws(OutboxError) { try finish(token) } catch { trouble(error) } }
  }

  /// The message is in the stream.
  private func finish(_ token: OutboxToken) throws(OutboxError) {
    published += 1
    try drain.finish(token)
    succeeded()
  }

  /// Redis has answered for the batch.
  ///
  /// - Returns: whether one of them was stored and not announced: nobody else was told.
  func published(_ outcomes: [PublishOutcome]) -> String? {
    // Without the script nobody looks: then only the reading tells, on each link again.
    hasLookedBack = outcomes.contains { $0.isNumbered || $0.isFound }
    let tokens = flights
    flights.removeAll(keepingCapacity: true)
    var unannounced: String?
    for (token, outcome) in zip(tokens, outcomes) {
      do throws(OutboxError) {
        switch outcome {
        case .stored(_, _, let announced, let text):
          if !announced { unannounced = text }
          if !mustPutBack { isHeldBack = false }
          take(token)
        case .found: take(token)
        case .refused(let kind, let text): try refused(token, kind, text)
        case .notTried: mustPutBack = true
        }
      } catch {
        trouble(error)
      }
    }
    return unannounced
  }

  private func take(_ token: OutboxToken) {
    if alone > 0 { alone -= 1 }
    arrived.append(token)
    succeeded()
  }

  /// Redis refused all of the batch; nothing of it is stored.
  func publishRefused(_ kind: RedisErrorKind, _ text: String) {
    let tokens = flights
    flights.removeAll(keepingCapacity: true)
    guard tokens.count != 1 else {
      do throws(OutboxError) { try refused(tokens[0], kind, text) } catch { trouble(error) }
      return
    }
    mustPutBack = true
    if kind == .tooLarge {
      // One of them, or all together: alone they show which.
      alone = tokens.count
    } else {
      wait(kind, text)
    }
  }

  private func refused(_ token: OutboxToken, _ kind: RedisErrorKind, _ text: String) throws(OutboxError) {
    guard kind == .tooLarge else {
      mustPutBack = true
      return wait(kind, text)
    }
    // It would be refused for ever, and hold up all behind it.
    if alone > 0 { alone -= 1 }
    if let failure = try drain.fail(token, .rejected("this Redis takes no message of that size: \(text)")) {
      log(.error, failure.description)
    }
  }

  private func wait(_ kind: RedisErrorKind, _ text: String) {
    switch kind.reaction {
    // The link says when Redis takes something again.
    case .hold: isHeldBack = true
    case .drop: break
    case .refuse:
      let hint = kind == .permission ? "; README, \"What Redis is asked for\", lists the rights that clawd needs" : ""
      trouble("Redis refuses a message: \(text)\(hint)", atLeast: kind.leastDelay)
    }
  }
}
