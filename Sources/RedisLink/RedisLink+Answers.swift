internal import EventLoop
internal import RESP
internal import System

extension RedisLink {
  func opened(_ connection: RedisConnection, protocolVersion: Int) {
    if connection === subscriber {
      subscription.start(protocolVersion: protocolVersion, into: &connection.output)
      connection.expectAnswer(to: "SUBSCRIBE")
    } else {
      commanding()
    }
  }

  func received(_ frame: borrowing RESPFrame, _ connection: RedisConnection) -> LinkFailure? {
    connection === subscriber ? heard(frame, connection) : answered(frame, connection)
  }

  func failed(_ connection: RedisConnection, _ failure: LinkFailure) {
    // The other connection of a link that went down in this same turn.
    guard connection === subscriber || connection === commander else { return }
    goDown(failure)
  }

  private func heard(_ frame: borrowing RESPFrame, _ connection: RedisConnection) -> LinkFailure? {
    switch subscription.receive(frame, into: &connection.output) {
    case .none: return nil
    case .subscribed:
      subscribed()
      return nil
    case .message(let payload): handler.received(frame.bytes(payload))
    case .oversized(let byteCount): handler.receivedOversized(byteCount)
    case .probe(let mark): handler.heardMark(frame.bytes(mark))
    case .pong: break
    case .failed(let fault): return .redis(fault, text: text(frame))
    }
    path.heard(at: loop.now)
    concludeProbe()
    return nil
  }

  private func answered(_ frame: borrowing RESPFrame, _ connection: RedisConnection) -> LinkFailure? {
    forgetLateness()
    answeredAt = loop.now
    receivedUntilAnswer = connection.bytesReceived
    switch commands.receive(frame, batch, at: loop.now, into: &connection.output) {
    case .none: break
    case .probed: probed()
    case .probeRefused(let kind): return probeRefused(kind, text(frame))
    case .fetched(let request): hand(frame, for: request)
    case .fetchRefused(let request, let kind):
      let text = text(frame)
      handler.fetchRefused(request, kind, text: text)
      return react(to: kind, text)
    case .published: return published()
    case .publishRefused(let kind):
      let text = text(frame)
      handler.publishRefused(kind, text: text)
      batch.removeAll()
      return react(to: kind, text)
    case .goesWithoutScript:
      guard !storesWithoutScript else { break }
      storesWithoutScript = true
      handler.linkStoresWithoutScript(because: text(frame))
    case .failed(let fault): return .redis(fault, text: text(frame))
    }
    return nil
  }

  private func published() -> LinkFailure? {
    storesWithoutScript = commands.storesWithoutScript
    let outcomes = commands.outcomes
    handler.published(outcomes)
    batch.removeAll()
    for case .refused(let kind, let text) in outcomes { return react(to: kind, text) }
    return nil
  }

  /// Gives the answer of a request to the handler.
  private func hand(_ frame: borrowing RESPFrame, for request: StreamRequest) {
    switch request {
    case .meta:
      if let meta = StreamMeta(frame) { handler.fetched(meta: meta) }
    case .page, .newest: handler.fetched(page: StreamPage(copy frame), for: request)
    case .length, .trim: handler.fetched(count: UInt64(clamping: frame.root.integer), for: request)
    }
  }

  private func probeRefused(_ kind: RedisErrorKind, _ text: String) -> LinkFailure? {
    guard kind.reaction == .refuse else { return react(to: kind, text, isProbe: true) }
    // PING may be refused to a user like any command: that, too, is an answer.
    guard let next = probeMethod.next else {
      probed()
      return nil
    }
    degrade(to: next, because: text)
    sendProbe()
    return nil
  }

  /// What an error leads to beyond the command that it answers.
  private func react(to kind: RedisErrorKind, _ text: String, isProbe: Bool = false) -> LinkFailure? {
    switch kind.reaction {
    case .refuse: return nil
    case .drop: return .redis(.refused(kind), text: text)
    case .hold:
      path.held(at: loop.now, isProbe: isProbe)
      handler.linkHeld(kind, text: text)
      return nil
    }
  }

  private func probed() {
    // Whether the server knows the mark does not change; what it says to a first attempt may have had another reason.
    if probeMethod == .script { bestMethod = .script }
    if let weakerBecause, probeMethod > .script { handler.linkProbes(by: probeMethod, because: weakerBecause) }
    weakerBecause = nil
    path.answered(at: loop.now)
    concludeProbe()
  }

  private func concludeProbe() {
    guard case .open = state else { return }
    let wasReady = path.isReady
    guard path.concludes(at: loop.now, random: random), !wasReady else { return }
    backoff.ready(at: loop.now)
    handler.linkReady()
  }

  /// Proves the path in a weaker way from here on. Without the mark nothing is lost: nobody needs to know.
  func degrade(to method: ProbeMethod, because text: String) {
    probeMethod = method
    if method > .script { weakerBecause = text }
  }

  private func text(_ frame: borrowing RESPFrame) -> String {
    frame.isError ? RedisErrorText.shown(frame, hiding: target.login.password) : ""
  }
}
