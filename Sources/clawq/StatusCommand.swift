import Bytes
import Inbox
import JSON
import Outbox
import Ring
import Settings
import System
import Terminal

/// Counts messages and says how queue, daemon, Redis and outbox are. A damaged queue keeps it from counting what lies
/// behind the damage, and from nothing else.
func status(_ session: borrowing Session) throws(Failure) -> ExitCode {
  let report = try StatusReport(session)
  var output = StandardOutput()
  if session.arguments.has(Options.json) {
    report.writeJSON(to: &output.buffer)
  } else {
    report.writeText(Style.of(1), to: &output.buffer)
  }
  try output.write()
  if let trouble = report.trouble { session.notes.warning(trouble) }
  if let complaint = report.health.complaint { session.notes.warning(complaint) }
  return .success
}

/// Everything that `clawq status` says, found at one moment.
private struct StatusReport {
  /// nil where nothing could be counted.
  let tally: Tally?
  /// Why not all was counted.
  let trouble: String?
  let consumer: String
  let path: String
  let capacity: UInt64
  let extent: QueueInspector.Extent
  let health: DaemonHealth
  let outbox: OutboxStatus
  /// Microseconds since the Unix epoch.
  let now: UInt64

  init(_ session: borrowing Session) throws(Failure) {
    // What cannot be opened at all ends it here: what comes after can only be damage.
    var inspector = try session.inspector()
    do { extent = try inspector.extent() } catch { throw Failure(error) }
    path = inspector.path
    capacity = inspector.capacity
    (tally, trouble) = try Self.count(session)
    consumer = session.consumerName
    now = SystemClock.wall() / 1000
    do throws(StateFolderError) {
      let isLocked = try session.state.daemonPresence() == .running
      health = DaemonHealth(isLocked: isLocked, status: inspector.daemonStatus, now: now)
    } catch {
      throw Failure(error)
    }
    do throws(SystemError) {
      outbox = try OutboxStatus(state: session.state.folder, now: SystemClock.wall())
    } catch {
      throw Failure("cannot look into the outbox", error)
    }
  }

  private static func count(_ session: borrowing Session) throws(Failure) -> (Tally?, String?) {
    do throws(Failure) {
      var consumer = try session.consumer(marking: false)
      let tally: Tally
      do throws(InboxError) { tally = try consumer.tally() } catch { throw Failure(error) }
      return (tally, tally.damage.map { "counted only up to number \(consumer.next - 1): \(Failure($0).line)" })
    } catch {
      guard error.exitCode == .badData else { throw error }
      return (nil, "no message was counted: \(error.line)")
    }
  }

  /// A daemon that does not run has no connection, whatever it last said.
  private var redis: RedisState {
    guard let status = health.status else { return .off }
    return health.state == .stopped && status.redis != .off ? .waiting : status.redis
  }

  /// The numbers that the queue holds; nil where there are none, or nobody can tell.
  private var numbers: ClosedRange<UInt64>? {
    guard let oldest = extent.oldestRecord, let next = extent.nextSequence, next > oldest.sequence else { return nil }
    return oldest.sequence...next - 1
  }
}

// MARK: - For people

extension StatusReport {
  func writeText(_ style: Style, to buffer: inout ByteBuffer) {
    func row(_ label: StaticString, _ text: String, _ ink: Style.Ink = .plain) {
      if label.utf8CodeUnitCount > 0 { style.paint(.dim, &buffer) { $0.append(label) } }
      buffer.append(blanks: 10 - label.utf8CodeUnitCount)
      style.paint(ink, &buffer) { $0.append(utf8: DisplayText.harmless(text)) }
      buffer.append("\n")
    }
    if let tally {
      row(
        "messages",
        "\(tally.total) in total: \(tally.read) read, \(tally.unread) unread, \(tally.lost) lost"
          + (tally.damage == nil ? "" : " (not all counted)"), tally.damage == nil ? .plain : .alarm)
    } else {
      row("messages", "not counted: the queue is damaged", .alarm)
    }
    row("reader", consumer)
    let used = "\(percent(extent.published - extent.oldest, of: capacity)) of \(size(capacity)) used"
    if let numbers {
      row("queue", "numbers \(numbers.lowerBound) to \(numbers.upperBound), \(used)")
    } else {
      let isWhole = extent.oldestRecord != nil && extent.newestRecord != nil
      row("queue", (isWhole ? "nothing yet, " : "damaged at one end, ") + used, isWhole ? .plain : .alarm)
    }
    if numbers != nil, let oldest = extent.oldestRecord, let newest = extent.newestRecord {
      row("", "received \(moment(oldest.receivedAt)) to \(moment(newest.receivedAt))")
    }
    row("", path)
    writeDaemon(row)
    writeRedis(row)
    row("telegram", "off")
    func oldest(_ part: OutboxStatus.Part) -> String {
      part.oldestAge.map { " (the oldest sent \(duration($0 / 1000)) ago)" } ?? ""
    }
    var parts = "\(outbox.new.count) waiting\(oldest(outbox.new))"
    if outbox.stored.count > 0 { parts += ", \(outbox.stored.count) in Redis and not mirrored\(oldest(outbox.stored))" }
    parts += ", \(outbox.failed.count) failed\(oldest(outbox.failed))"
    row("outbox", parts, outbox.failed.count > 0 ? .warning : .plain)
  }

  private func writeDaemon(_ row: (StaticString, String, Style.Ink) -> Void) {
    guard let status = health.status else { return row("daemon", "stopped", .alarm) }
    let who = "pid \(status.pid), version \(ProgramVersion.text(packed: status.version))"
    switch health.state {
    case .running:
      row("daemon", "running since \(moment(status.startedAt)), \(who)", .plain)
    case .hung:
      row("daemon", "hung, started \(moment(status.startedAt)), \(who)", .alarm)
    case .stopped:
      let when = status.isStopped ? "since" : "without a good-bye, last seen"
      return row("daemon", "stopped \(when) \(moment(status.heartbeatAt))", .alarm)
    }
    let silence = now > status.heartbeatAt ? now - status.heartbeatAt : 0
    row(
      "",
      "last heartbeat \(duration(silence)) ago; "
        + "\(status.received) received, \(status.published) sent, \(status.lost) lost since it started", .plain)
  }

  private func writeRedis(_ row: (StaticString, String, Style.Ink) -> Void) {
    guard let status = health.status, status.redis != .off else {
      return row("redis", "off: a bus of this machine alone", .plain)
    }
    if health.state == .stopped {
      row("redis", "not connected", .warning)
    } else {
      let words =
        switch redis {
        case .off: "off"
        case .connecting: "connecting"
        case .catchingUp: "catching up\(health.progress.map { ": \($0.text)," } ?? "")"
        case .ready: "ready"
        case .waiting: "waiting to try again, unusable"
        }
      row("redis", "\(words) since \(moment(status.redisSince))", redis == .ready ? .plain : .warning)
    }
    if !status.redisError.isEmpty {
      row("", "\(redis == .ready ? "before that" : "last error"): \(status.redisError)", .plain)
    }
  }
}

/// A moment of the queue file, which is in microseconds.
func moment(_ microseconds: UInt64) -> String { LocalTime(unixMicroseconds: microseconds)?.text ?? "?" }

/// A time in microseconds, in the unit in which a person would say it.
private func duration(_ microseconds: UInt64) -> String {
  let seconds = microseconds / 1_000_000
  return switch seconds {
  case ..<120: "\(seconds) s"
  case ..<7200: "\(seconds / 60) min"
  case ..<172_800: "\(seconds / 3600) h"
  default: "\(seconds / 86400) days"
  }
}

/// A capacity, which is a power of two, in the largest unit that leaves it whole.
private func size(_ bytes: UInt64) -> String {
  bytes >= 1 << 30 ? "\(bytes >> 30) GiB" : bytes >= 1 << 20 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB"
}

private func percent(_ part: UInt64, of whole: UInt64) -> String {
  let percent = part * 100 / whole
  return percent == 0 && part > 0 ? "less than 1 %" : "\(percent) %"
}

// MARK: - For programs

extension StatusReport {
  func writeJSON(to buffer: inout ByteBuffer) {
    var json = JSONWriter()
    func number(_ name: StaticString, _ value: UInt64?) {
      json.name(name, &buffer)
      if let value { json.value(value, &buffer) } else { json.null(&buffer) }
    }
    func time(_ name: StaticString, _ microseconds: UInt64?) {
      json.name(name, &buffer)
      if let microseconds { json.value(microseconds: microseconds, &buffer) } else { json.null(&buffer) }
    }
    func text(_ name: StaticString, _ value: String) {
      json.name(name, &buffer)
      json.value(value, &buffer)
    }
    func object(_ name: StaticString, _ members: () -> Void) {
      json.name(name, &buffer)
      json.beginObject(&buffer)
      members()
      json.endObject(&buffer)
    }
    json.beginObject(&buffer)
    number("total", tally?.total)
    number("read", tally?.read)
    number("unread", tally?.unread)
    number("lost", tally?.lost)
    object("queue") {
      text("path", path)
      number("capacity", capacity)
      number("bytes", extent.published - extent.oldest)
      number("oldest_seq", numbers?.lowerBound)
      number("newest_seq", numbers?.upperBound)
      time("oldest_at", numbers == nil ? nil : extent.oldestRecord?.receivedAt)
      time("newest_at", numbers == nil ? nil : extent.newestRecord?.receivedAt)
      json.name("damaged", &buffer)
      json.value(trouble != nil, &buffer)
    }
    object("daemon") {
      text("state", health.state.rawValue)
      if let status = health.status {
        number("pid", status.pid)
        text("version", ProgramVersion.text(packed: status.version))
        time("started_at", status.startedAt)
        time("heartbeat_at", status.heartbeatAt)
      }
    }
    object("redis") {
      text("state", redis.name)
      json.name("last_error", &buffer)
      let error = health.status?.redisError ?? ""
      if error.isEmpty { json.null(&buffer) } else { json.value(error, &buffer) }
      if let status = health.status, status.redis != .off { time("since", status.redisSince) }
      if let progress = health.progress {
        object("catch_up") {
          number("done", progress.done)
          number("total", progress.total)
        }
      }
    }
    object("telegram") {
      text("state", "off")
      for name: StaticString in ["depth", "oldest_s", "unknown"] { number(name, 0) }
    }
    object("outbox") {
      func age(_ name: StaticString, _ part: OutboxStatus.Part) { number(name, (part.oldestAge ?? 0) / 1_000_000_000) }
      number("new", UInt64(outbox.new.count))
      number("stored", UInt64(outbox.stored.count))
      number("failed", UInt64(outbox.failed.count))
      age("oldest_s", outbox.new)
      age("stored_oldest_s", outbox.stored)
      age("failed_oldest_s", outbox.failed)
    }
    json.endObject(&buffer)
    buffer.append("\n")
  }
}
