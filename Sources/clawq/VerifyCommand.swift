import Bytes
import JSON
import Message
import Ring
import Settings
import System
import Terminal

/// Checks every record of the queue and every consumer's read mark, and says what is bad, where, and what to do.
func verify(_ session: borrowing Session) throws(Failure) -> ExitCode {
  var findings = Findings()
  var inspector = try session.inspector()
  do { try findings.walk(&inspector) } catch { throw Failure(error) }
  do { try findings.lookAtMarks(session.state, &inspector) } catch {
    throw Failure("cannot look at the read marks", error)
  }
  var output = StandardOutput()
  if session.arguments.has(Options.json) {
    findings.writeJSON(to: &output.buffer)
  } else {
    findings.writeText(Style.of(1), to: &output.buffer)
  }
  try output.write()
  if let failure = findings.failure(inspector.path) { throw failure }
  return .success
}

extension Session {
  /// Opens the queue to look at it, whatever its records are like.
  func inspector() throws(Failure) -> QueueInspector {
    do { return try QueueInspector(StateFolder.queueFile, in: state.folder) } catch { throw Failure(error) }
  }
}

/// What `clawq verify` found.
private struct Findings {
  private var records = 0
  private var messages = 0
  private var losses = 0
  /// Messages that the losses stand for.
  private var lost: UInt64 = 0
  /// Of the losses: those of nobody knows how many.
  private var uncounted = 0
  private var moves = 0
  private var first: UInt64?
  private var next: UInt64 = 0
  private var bytes: UInt64 = 0
  /// What the writer overwrote before it was looked at.
  private var missed: UInt64 = 0
  private var damage: [QueueInspector.Damage] = []
  /// Bad stretches beyond those that are listed.
  private var unlisted = 0
  private var marks: [Mark] = []

  /// A consumer's read mark, and what is wrong with it.
  private struct Mark {
    let name: String
    let next: UInt64?
    let fault: String?
  }

  /// More would only be more of the same.
  private static let damageListed = 100

  var isWhole: Bool { damage.isEmpty }
  private var badMarks: Int { marks.count { $0.fault != nil } }

  mutating func walk(_ inspector: inout QueueInspector) throws(QueueError) {
    let start = inspector.position
    var progress = Progress(end: inspector.end)
    while true {
      switch try inspector.next() {
      case .end:
        progress.clear()
        bytes = inspector.position - start
        return
      case .overtaken(let count): missed = missed.addingReportingOverflow(count).overflow ? .max : missed + count
      case .damage(let found): note(found)
      case .record(let header, let position, let endsWell):
        count(header)
        if !endsWell { note(.badEnd(header, from: position, to: inspector.position)) }
      }
      progress.show(inspector.position, from: start)
    }
  }

  private mutating func count(_ header: RecordHeader) {
    records += 1
    first = first ?? header.sequence
    next = header.nextSequence
    switch header.kind {
    case .message: messages += 1
    case .position: moves += 1
    case .loss:
      losses += 1
      let told = LossReason(rawValue: header.reason)?.told(header.span) ?? header.span
      if told == 0 { uncounted += 1 }
      lost = lost.addingReportingOverflow(told).overflow ? .max : lost + told
    }
  }

  private mutating func note(_ found: QueueInspector.Damage) {
    if damage.count < Self.damageListed { damage.append(found) } else { unlisted += 1 }
  }

  /// Looks at every file among the cursors.
  mutating func lookAtMarks(
    _ state: borrowing StateFolder, _ inspector: inout QueueInspector
  ) throws(SystemError) {
    let folder: Folder
    do { folder = try Folder(StateFolder.cursorsFolder, in: state.folder) } catch {
      // Nobody has read yet.
      if error.isMissing { return }
      throw error
    }
    for name in try folder.names().sorted() where !name.hasPrefix(".") {
      do throws(CursorError) {
        guard let mark = try Cursor.open(name, in: folder, writable: false)?.mark else { continue }
        var fault = fault(of: mark, &inspector)
        // It may count in a file that has taken the place of the one that is open: what has the name now is as new.
        if fault != nil { fault = self.fault(of: mark, inNewestOf: state) }
        marks.append(Mark(name: name, next: mark.next, fault: fault))
      } catch {
        marks.append(Mark(name: name, next: nil, fault: Failure(error).line))
      }
    }
  }

  /// What is wrong with the mark by the file that has the queue's name now.
  private func fault(of mark: CursorMark, inNewestOf state: borrowing StateFolder) -> String? {
    do throws(QueueError) {
      var newest = try QueueInspector(StateFolder.queueFile, in: state.folder)
      return fault(of: mark, &newest)
    } catch {
      // None to judge it by, for the moment.
      return nil
    }
  }

  private func fault(of mark: CursorMark, _ inspector: inout QueueInspector) -> String? {
    // One of an earlier queue begins anew when it is used next, and its consumer is told.
    guard mark.generation == inspector.generation else { return nil }
    // The queue's end after the mark was read: both only grow.
    if let end = (try? inspector.extent().nextSequence) ?? nil, mark.next > end {
      return "it stands at number \(mark.next), and the queue has only come to \(end - 1)"
    }
    if mark.next < mark.start { return "it stands at number \(mark.next), before its own beginning at \(mark.start)" }
    if mark.batch > mark.next { return "its last batch begins at number \(mark.batch), behind where it stands" }
    return nil
  }

  /// Why the command ends with 65; nil where all is well.
  func failure(_ path: String) -> Failure? {
    if !damage.isEmpty {
      return Failure(
        .badData, "\(path) is damaged",
        why: "\(counted(damage.count + unlisted, "bad stretch", "bad stretches"))",
        whatToDo:
          "what can still be read is shown by clawq dump; keep a copy, then restart clawd, which repairs what can "
          + "be repaired")
    }
    let names = marks.filter { $0.fault != nil }.map(\.name)
    guard !names.isEmpty else { return nil }
    return Failure(
      .badData, counted(names.count, "read mark is", "read marks are") + " bad",
      why: names.prefix(20).joined(separator: ", "),
      whatToDo: "remove the file in \(StateFolder.cursorsFolder)/; its consumer then begins at the oldest message again"
    )
  }
}

// MARK: - Output

extension Findings {
  func writeText(_ style: Style, to buffer: inout ByteBuffer) {
    func line(_ text: String, _ ink: Style.Ink = .plain) {
      style.paint(ink, &buffer) { $0.append(utf8: DisplayText.harmless(text)) }
      buffer.append("\n")
    }
    for found in damage { line("bad: \(found.description)", .alarm) }
    if unlisted > 0 { line("bad: \(unlisted) more stretches", .alarm) }
    for mark in marks {
      if let fault = mark.fault { line("bad read mark \(mark.name): \(fault)", .alarm) }
    }
    if missed > 0 {
      line(
        "\(counted(missed, "message was", "messages were")) overwritten before it could be looked at, which is no fault"
      )
    }
    var summary = isWhole && badMarks == 0 ? "ok: " : "not ok: "
    summary += "\(counted(records, "record")) (\(counted(messages, "message"))"
    if losses > 0 {
      let known = lost > 0 || uncounted == 0
      let number = (uncounted == 0 ? "" : "at least ") + counted(lost, "message")
      summary += ", \(counted(losses, "loss", "losses")) of \(known ? number : "an unknown number of messages")"
    }
    if moves > 0 { summary += ", \(counted(moves, "move")) of the stream position" }
    summary += ")"
    if let first, next > first { summary += ", numbers \(first) to \(next - 1)" }
    summary += ", \(bytes) bytes"
    if !isWhole { summary += ", \(counted(damage.count + unlisted, "bad stretch", "bad stretches"))" }
    summary += ", \(counted(marks.count, "read mark"))"
    if badMarks > 0 { summary += ", \(badMarks) of them bad" }
    line(summary)
  }

  func writeJSON(to buffer: inout ByteBuffer) {
    var json = JSONWriter()
    func number(_ name: StaticString, _ value: UInt64?) {
      json.name(name, &buffer)
      if let value { json.value(value, &buffer) } else { json.null(&buffer) }
    }
    json.beginObject(&buffer)
    json.name("ok", &buffer)
    json.value(isWhole && badMarks == 0, &buffer)
    number("records", UInt64(records))
    number("messages", UInt64(messages))
    number("losses", UInt64(losses))
    number("lost", lost)
    number("moves", UInt64(moves))
    let hasNumbers = first.map { next > $0 } ?? false
    number("first_seq", hasNumbers ? first : nil)
    number("last_seq", hasNumbers ? next - 1 : nil)
    number("bytes", bytes)
    number("missed", missed)
    json.name("damage", &buffer)
    json.beginArray(&buffer)
    for found in damage {
      json.beginObject(&buffer)
      found.writeMembers(&json, &buffer)
      json.endObject(&buffer)
    }
    json.endArray(&buffer)
    number("damage_unlisted", UInt64(unlisted))
    json.name("cursors", &buffer)
    json.beginArray(&buffer)
    for mark in marks {
      json.beginObject(&buffer)
      json.name("name", &buffer)
      json.value(mark.name, &buffer)
      number("next", mark.next)
      json.name("ok", &buffer)
      json.value(mark.fault == nil, &buffer)
      if let fault = mark.fault {
        json.name("what", &buffer)
        json.value(fault, &buffer)
      }
      json.endObject(&buffer)
    }
    json.endArray(&buffer)
    json.endObject(&buffer)
    buffer.append("\n")
  }
}

extension QueueInspector.Damage {
  /// For people: where, what, and which numbers it takes with it.
  var description: String {
    let place = start == end ? "position \(start)" : "positions \(start) to \(end) (\(end - start) bytes)"
    return "\(place): \(what)\(numbers.map { "; \($0)" } ?? "")"
  }

  /// The numbers that cannot be read because of it; nil where it takes none.
  private var numbers: String? {
    switch (expected, next) {
    case (nil, nil): return "no number can be read"
    case (nil, let next?): return "the numbers before \(next) cannot be read"
    case (let expected?, nil): return "the numbers from \(expected) on cannot be read"
    case (let expected?, let next?):
      guard next > expected else { return nil }
      return next - expected == 1
        ? "number \(expected) cannot be read" : "numbers \(expected) to \(next - 1) cannot be read"
    }
  }

  /// Of a JSON object: position, end, length, before_seq, after_seq, damage.
  func writeMembers(_ json: inout JSONWriter, _ buffer: inout ByteBuffer) {
    json.name("position", &buffer)
    json.value(start, &buffer)
    json.name("end", &buffer)
    json.value(end, &buffer)
    json.name("length", &buffer)
    json.value(end - start, &buffer)
    json.name("before_seq", &buffer)
    if let expected, expected > 0 { json.value(expected - 1, &buffer) } else { json.null(&buffer) }
    json.name("after_seq", &buffer)
    if let next { json.value(next, &buffer) } else { json.null(&buffer) }
    json.name("damage", &buffer)
    json.value(what, &buffer)
  }

  /// A whole record that cannot be found from its end.
  fileprivate static func badEnd(_ header: RecordHeader, from start: UInt64, to end: UInt64) -> Self {
    Self(
      start: start, end: end, expected: header.nextSequence, next: header.nextSequence,
      what: "the record of number \(header.sequence) does not have its length at its end")
  }
}

func counted(_ count: some BinaryInteger, _ one: String, _ many: String) -> String {
  "\(count) \(count == 1 ? one : many)"
}

func counted(_ count: some BinaryInteger, _ thing: String) -> String { counted(count, thing, thing + "s") }

/// How far a long walk has come, on a terminal's stderr; nothing where nobody looks or it does not take long.
private struct Progress {
  private let end: UInt64
  private let isSeen = StandardStreams.isTerminal(2)
  private var nextAt = SystemClock.monotonic() + .seconds(1)
  private var records = 0
  private var wasShown = false

  /// - Parameter end: the position at which the walk ends.
  init(end: UInt64) { self.end = end }

  mutating func show(_ position: UInt64, from start: UInt64) {
    records += 1
    // The clock is asked for one record in a thousand.
    guard isSeen, records % 1024 == 0, SystemClock.monotonic() > nextAt else { return }
    nextAt = SystemClock.monotonic() + .milliseconds(200)
    wasShown = true
    let done = end > start ? min(position - start, end - start) * 100 / (end - start) : 100
    Self.write("\r\(done) % checked")
  }

  /// Leaves the line to what comes next.
  mutating func clear() {
    if wasShown { Self.write("\r              \r") }
  }

  private static func write(_ text: String) {
    var output = StandardOutput(descriptor: 2)
    output.buffer.append(utf8: text)
    // Nobody is kept from checking because nobody hears of it.
    try? output.write()
  }
}
