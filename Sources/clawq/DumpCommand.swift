import Bytes
import JSON
import Message
import Ring
import Settings
import System
import Terminal

/// What `dump` was asked for.
struct DumpRequest {
  /// Only records that reach to this number or beyond.
  let from: UInt64?
  /// Only so many lines at the end.
  let last: UInt64?
  /// Only so many lines.
  let most: UInt64
  let isHeader: Bool
  let isJSON: Bool

  init(_ arguments: Arguments) throws(Failure) {
    from = try arguments.integer(Options.from, in: 1...UInt64(Int64.max))
    last = try arguments.integer(Options.lastRecords, in: 1...1_000_000_000)
    most = try arguments.integer(Options.mostRecords, in: 1...1_000_000_000) ?? .max
    isHeader = arguments.has(Options.header)
    isJSON = arguments.has(Options.json)
    guard from == nil || last == nil else { throw Failure(.usage, "--from and --last exclude each other") }
    guard !isHeader || (from == nil && last == nil && most == .max) else {
      throw Failure(.usage, "--header shows no record: it goes with --json alone")
    }
  }

  /// Whether a record, or a bad stretch, is among those asked for.
  fileprivate func wants(_ step: QueueInspector.Step) -> Bool {
    switch step {
    case .end: false
    case .overtaken: true
    case .record(let header, _, _): header.sequence >= from ?? 0 || header.nextSequence > from ?? 0
    case .damage(let damage): damage.next.map { $0 > from ?? 0 } ?? true
    }
  }

  /// How many lines would be printed of what the inspector finds.
  fileprivate func count(_ inspector: inout QueueInspector) throws(QueueError) -> UInt64 {
    var count: UInt64 = 0
    while true {
      let step = try inspector.next()
      if step == .end { return count }
      if wants(step) { count += 1 }
    }
  }
}

extension Options {
  static let lastRecords = Option("last", "N", help: "the last N records only")
  static let mostRecords = Option("max", "N", help: "at most N records")
  static let header = Option(flag: "header", help: "the words of the file's header, whatever state it is in")
}

/// Prints the records of the queue as they stand there, and a line for each stretch where none can be read.
func dump(_ request: DumpRequest, _ session: borrowing Session) throws(Failure) -> ExitCode {
  if request.isHeader { return try dumpHeader(asJSON: request.isJSON, session) }
  var passedOver: UInt64 = 0
  var inspector = try session.inspector()
  if let last = request.last {
    let count: UInt64
    do throws(QueueError) {
      count = try request.count(&inspector)
      try inspector.rewind()
    } catch {
      throw Failure(error)
    }
    passedOver = count > last ? count - last : 0
  }
  let printer = RecordPrinter(isJSON: request.isJSON)
  var output = StandardOutput()
  if !request.isJSON { printer.writeHeading(to: &output.buffer) }
  var lines: UInt64 = 0
  var bad = 0
  while lines < request.most {
    let step: QueueInspector.Step
    do { step = try inspector.next() } catch { throw Failure(error) }
    if step == .end { break }
    guard request.wants(step) else { continue }
    guard passedOver == 0 else {
      passedOver -= 1
      continue
    }
    if case .damage = step { bad += 1 }
    printer.write(step, inspector.payload, to: &output.buffer)
    lines += 1
    // Nobody who reads on is no fault: dump | head.
    if output.buffer.count >= flushAt, try !output.writeWhileRead() { return .success }
  }
  guard try output.writeWhileRead() else { return .success }
  if bad > 0 {
    session.notes.warning("\(counted(bad, "stretch", "stretches")) could not be read: clawq verify says more")
  }
  return .success
}

/// A large queue is not collected before it is printed.
private let flushAt = 64 * 1024

private func dumpHeader(asJSON: Bool, _ session: borrowing Session) throws(Failure) -> ExitCode {
  let words: [QueueHeaderWord]
  do { words = try QueueHeaderWord.read(StateFolder.queueFile, in: session.state.folder) } catch {
    throw Failure(error)
  }
  var output = StandardOutput()
  if asJSON {
    var json = JSONWriter()
    json.beginObject(&output.buffer)
    for word in words {
      json.name(word.name, &output.buffer)
      if let value = word.value { json.value(value, &output.buffer) } else { json.null(&output.buffer) }
    }
    json.endObject(&output.buffer)
    output.buffer.append("\n")
  } else {
    for word in words {
      output.buffer.append(right: "\(word.offset)", columns: 6)
      output.buffer.append("  ")
      output.buffer.append(word.name)
      output.buffer.append(blanks: 16 - word.name.utf8CodeUnitCount)
      guard let value = word.value else {
        output.buffer.append("missing: the file ends before it\n")
        continue
      }
      output.buffer.append("0x")
      for shift in stride(from: UInt64(56), through: 0, by: -8) {
        output.buffer.append(hex: UInt8(truncatingIfNeeded: value >> shift))
      }
      output.buffer.append("  ")
      output.buffer.append(decimal: value)
      output.buffer.append("\n")
    }
  }
  try output.write()
  return .success
}

/// Writes records for people, or as JSON lines.
private struct RecordPrinter {
  private let isJSON: Bool
  private let style = Style.of(1)
  /// Of the payload, at least; behind everything else.
  private static let leastPayloadColumns = 20
  private let columns = StandardStreams.terminalColumns(1) ?? 200

  init(isJSON: Bool) { self.isJSON = isJSON }

  /// position, seq, kind, span, reason, bus_seq, stream_id, received, length, check: what stands in a column, and how
  /// many it takes.
  private static let widths = [10, 6, 8, 4, 11, 7, 15, 19, 6, 5]
  private static let headings = [
    "position", "seq", "kind", "span", "reason", "bus_seq", "stream_id", "received", "length", "check",
  ]
  private static let isLeft = [false, false, true, false, true, false, true, true, false, true]

  func writeHeading(to buffer: inout ByteBuffer) {
    style.paint(.dim, &buffer) { buffer in
      _ = cells(Self.headings, &buffer)
      buffer.append("payload")
    }
    buffer.append("\n")
  }

  func write(_ step: QueueInspector.Step, _ payload: borrowing Span<UInt8>, to buffer: inout ByteBuffer) {
    switch step {
    case .end: return
    case .overtaken(let count):
      if isJSON {
        var json = JSONWriter()
        json.beginObject(&buffer)
        json.name("overtaken", &buffer)
        json.value(count, &buffer)
        json.endObject(&buffer)
      } else {
        buffer.append(
          utf8: "\(counted(count, "number")) passed by: the writer has overwritten them meanwhile")
      }
    case .damage(let damage):
      if isJSON {
        var json = JSONWriter()
        json.beginObject(&buffer)
        damage.writeMembers(&json, &buffer)
        json.endObject(&buffer)
      } else {
        style.paint(.alarm, &buffer) { $0.append(utf8: DisplayText.harmless("bad: \(damage.description)")) }
      }
    case .record(let header, let position, let endsWell):
      if isJSON {
        writeJSON(header, position, endsWell, payload, &buffer)
      } else {
        writeText(header, position, endsWell, payload, &buffer)
      }
    }
    buffer.append("\n")
  }

  private func writeText(
    _ header: RecordHeader, _ position: UInt64, _ endsWell: Bool, _ payload: borrowing Span<UInt8>,
    _ buffer: inout ByteBuffer
  ) {
    let used = cells(
      [
        "\(position)", "\(header.sequence)", header.kind.name.description,
        isUncounted(header) ? "?" : "\(header.span)", reason(header) ?? "-",
        header.position.busSequence == 0 ? "-" : "\(header.position.busSequence)", streamID(header) ?? "-",
        moment(header.receivedAt), "\(header.length)", endsWell ? "ok" : "end",
      ], &buffer)
    if let stream = stream(header, payload) {
      return buffer.append(utf8: "stream of epoch \(stream.epoch.text), target \(stream.targetText)")
    }
    // A filler's zeros tell nobody anything.
    let shown = payload.extracting(first: header.kind == .message ? payload.count : 0)
    // Every byte that can matter for these columns.
    let columns = max(columns - used, Self.leastPayloadColumns)
    let most = columns * 64
    DisplayText.append(
      shown.extracting(first: most), columns: columns, continues: shown.count > most, to: &buffer)
  }

  /// Appends the cells, each with two blanks behind it, and answers the columns used.
  private func cells(_ texts: [String], _ buffer: inout ByteBuffer) -> Int {
    var used = 0
    for (index, text) in texts.enumerated() {
      let width = Self.widths[index]
      if Self.isLeft[index] {
        buffer.append(utf8: text)
        buffer.append(blanks: width - text.utf8.count)
      } else {
        buffer.append(right: text, columns: width)
      }
      buffer.append("  ")
      used += max(width, text.utf8.count) + 2
    }
    return used
  }

  private func writeJSON(
    _ header: RecordHeader, _ position: UInt64, _ endsWell: Bool, _ payload: borrowing Span<UInt8>,
    _ buffer: inout ByteBuffer
  ) {
    var json = JSONWriter()
    func number(_ name: StaticString, _ value: UInt64) {
      json.name(name, &buffer)
      json.value(value, &buffer)
    }
    func text(_ name: StaticString, _ value: String?) {
      json.name(name, &buffer)
      if let value { json.value(value, &buffer) } else { json.null(&buffer) }
    }
    json.beginObject(&buffer)
    number("position", position)
    number("seq", header.sequence)
    text("kind", header.kind.name.description)
    number("span", header.span)
    text("reason", reason(header))
    if header.kind == .loss { number("lost", isUncounted(header) ? 0 : header.span) }
    number("bus_seq", header.position.busSequence)
    text("stream_id", streamID(header))
    json.name("received_at", &buffer)
    json.value(microseconds: header.receivedAt, &buffer)
    number("length", UInt64(header.length))
    json.name("ends_well", &buffer)
    json.value(endsWell, &buffer)
    if let stream = stream(header, payload) {
      text("stream_epoch", stream.epoch.text)
      text("stream_target", stream.targetText)
    }
    // What is no UTF-8 is repaired, so that the line is JSON, and then stands there byte for byte too.
    text("payload", String(repairing: payload))
    if UnicodeText.firstInvalid(payload) != nil {
      json.name("payload_hex", &buffer)
      var digits = ByteBuffer(capacity: max(payload.count * 2, 1))
      for index in 0..<payload.count { digits.append(hex: payload[index]) }
      json.value(String(repairing: digits.readable), &buffer)
    }
    json.endObject(&buffer)
  }

  /// By name; by number where this version knows none.
  private func reason(_ header: RecordHeader) -> String? {
    guard header.kind == .loss else { return nil }
    return LossReason(rawValue: header.reason)?.name.description ?? "\(header.reason)"
  }

  /// Whether it is a loss of nobody knows how many: its span then counts none of them.
  private func isUncounted(_ header: RecordHeader) -> Bool {
    header.kind == .loss && LossReason(rawValue: header.reason)?.isCounted == false
  }

  /// The stream that a position record names.
  private func stream(_ header: RecordHeader, _ payload: borrowing Span<UInt8>) -> StreamIdentity? {
    header.kind == .position ? StreamIdentity(payload: payload) : nil
  }

  private func streamID(_ header: RecordHeader) -> String? {
    let place = header.position
    return place.milliseconds == 0 && place.sequence == 0 ? nil : "\(place.milliseconds)-\(place.sequence)"
  }
}

extension StreamIdentity {
  /// 16 hexadecimal digits.
  fileprivate var targetText: String {
    let digits = String(target, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

extension RecordKind {
  fileprivate var name: StaticString {
    switch self {
    case .message: "message"
    case .loss: "loss"
    case .position: "position"
    }
  }
}

extension ByteBuffer {
  /// ASCII with blanks before it.
  fileprivate mutating func append(right text: String, columns: Int) {
    append(blanks: columns - text.utf8.count)
    append(utf8: text)
  }
}
