import Bytes
import Inbox
import JSON
import Outbox
import Ring
import Settings
import System
import Terminal

/// Counts messages and says how daemon, Redis and outbox are.
func status(_ session: borrowing Session) throws(Failure) -> ExitCode {
  var consumer = try session.consumer(marking: false)
  let tally: Tally
  do { tally = try consumer.tally() } catch { throw Failure(error) }
  let outbox: OutboxStatus
  do { outbox = try OutboxStatus(state: session.state.folder, now: SystemClock.wall()) } catch {
    throw Failure("cannot look into the outbox", error)
  }
  let health = try session.health(consumer)
  var output = StandardOutput()
  if session.arguments.has(Options.json) {
    writeJSON(tally, health, outbox, &output.buffer)
  } else {
    writeText(tally, health, outbox, &output.buffer)
  }
  try output.write()
  if let complaint = health.complaint { session.notes.warning(complaint) }
  return .success
}

private func writeText(
  _ tally: Tally, _ health: DaemonHealth, _ outbox: OutboxStatus, _ buffer: inout ByteBuffer
) {
  buffer.append(
    utf8: "messages  total \(tally.total), read \(tally.read), unread \(tally.unread), lost \(tally.lost)\n")
  var daemon = "daemon    \(health.state.rawValue)"
  if let status = health.status, health.state != .stopped {
    daemon +=
      ", pid \(status.pid), version \(ProgramVersion.text(packed: status.version)), since \(time(status.startedAt))"
  }
  buffer.append(utf8: daemon + "\n")
  var redis = "redis     \(redisState(health).name)"
  if let status = health.status, status.redis != .off {
    if health.state != .stopped { redis += " since \(time(status.redisSince))" }
    if !status.redisError.isEmpty { redis += ": \(status.redisError)" }
  }
  buffer.append(utf8: DisplayText.harmless(redis))
  buffer.append("\n")
  var waiting = "outbox    \(outbox.new) waiting"
  if let age = outbox.oldestAge { waiting += " (the oldest for \(age / 1_000_000_000) s)" }
  buffer.append(utf8: waiting + ", \(outbox.failed) failed\n")
}

/// A daemon that does not run has no connection, whatever it last said.
private func redisState(_ health: DaemonHealth) -> RedisState {
  guard let status = health.status else { return .off }
  return health.state == .stopped && status.redis != .off ? .waiting : status.redis
}

private func writeJSON(
  _ tally: Tally, _ health: DaemonHealth, _ outbox: OutboxStatus, _ buffer: inout ByteBuffer
) {
  var json = JSONWriter()
  json.beginObject(&buffer)
  json.name("total", &buffer)
  json.value(tally.total, &buffer)
  json.name("read", &buffer)
  json.value(tally.read, &buffer)
  json.name("unread", &buffer)
  json.value(tally.unread, &buffer)
  json.name("lost", &buffer)
  json.value(tally.lost, &buffer)
  json.name("daemon", &buffer)
  json.beginObject(&buffer)
  json.name("state", &buffer)
  json.value(health.state.rawValue, &buffer)
  if let status = health.status {
    json.name("pid", &buffer)
    json.value(status.pid, &buffer)
    json.name("version", &buffer)
    json.value(ProgramVersion.text(packed: status.version), &buffer)
  }
  json.endObject(&buffer)
  json.name("redis", &buffer)
  json.beginObject(&buffer)
  json.name("state", &buffer)
  json.value(redisState(health).name, &buffer)
  json.name("last_error", &buffer)
  let error = health.status?.redisError ?? ""
  if error.isEmpty { json.null(&buffer) } else { json.value(error, &buffer) }
  json.endObject(&buffer)
  json.name("telegram", &buffer)
  json.beginObject(&buffer)
  json.name("state", &buffer)
  json.value("off", &buffer)
  for name: StaticString in ["depth", "oldest_s", "unknown"] {
    json.name(name, &buffer)
    json.value(UInt64(0), &buffer)
  }
  json.endObject(&buffer)
  json.name("outbox", &buffer)
  json.beginObject(&buffer)
  json.name("new", &buffer)
  json.value(UInt64(outbox.new), &buffer)
  json.name("stored", &buffer)
  json.value(UInt64(outbox.stored), &buffer)
  json.name("failed", &buffer)
  json.value(UInt64(outbox.failed), &buffer)
  json.name("oldest_s", &buffer)
  json.value((outbox.oldestAge ?? 0) / 1_000_000_000, &buffer)
  json.endObject(&buffer)
  json.endObject(&buffer)
  buffer.append("\n")
}

/// A moment of the status page, which is in microseconds.
private func time(_ microseconds: UInt64) -> String {
  let (nanoseconds, overflow) = microseconds.multipliedReportingOverflow(by: 1000)
  return overflow ? "?" : LocalTime(unixNanoseconds: nanoseconds).text
}
