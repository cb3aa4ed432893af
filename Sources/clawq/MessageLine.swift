import Bytes
import JSON
import Message
import System
import Terminal

/// What a message or a loss looks like to a person: one line, whose columns stand under those of the other lines.
///
///     12  13:14:41  elon → buffett  The text, harmless, and cut where the line ends…
///     │   │         │               └ what is left of the line
///     │   │         └ at most `whoColumns`, cut
///     │   └ when it was sent (`ts`), today HH:MM:SS, else YYYY-MM-DD HH:MM
///     └ this queue's number, right-aligned
///
/// Lines are added, then written as a block; the widths of the columns only grow from block to block, so that a reader
/// who follows for hours sees straight columns. Only what is written is cut and padded.
struct MessageLines: ~Copyable {
  // Inline: the runtime would have to make the type of an array of them, which is dear in a program that ends at once.
  private var lines: InlineArray<16, MessageLine> = .init(repeating: MessageLine(sequence: 0, seconds: nil))
  private(set) var count = 0
  /// Whether they must be written before another is added.
  var isFull: Bool { count == lines.count }
  /// What the lines' ranges stand in.
  private var texts = ByteBuffer(capacity: 1024)
  /// The sender or receiver that was decoded last.
  private var name = ByteBuffer(capacity: 256)
  private var widths = (number: 0, time: 0, who: 0)
  /// The columns of a whole line.
  private let columns: Int
  private let style: Style

  /// The columns of sender and receiver, at most.
  private static let whoColumns = 24
  /// No character of any script takes more bytes of JSON for one column than this, but for piles of combining marks.
  private static let bytesPerColumn = 64
  /// No line is longer, also where there is no terminal to end it.
  private static let mostColumns = 4096

  /// - Parameters:
  ///   - columns: of the widest line; where it is less than 40, a line may be longer.
  ///   - style: whether there is colour.
  init(columns: Int, style: Style) {
    self.columns = min(columns, Self.mostColumns)
    self.style = style
  }

  /// Adds the message `object` with the number `sequence`. What is no message (nothing that the daemon lets in) is
  /// added as a loss.
  ///
  /// - Precondition: not `isFull`.
  mutating func add(_ object: borrowing Span<UInt8>, _ sequence: UInt64) {
    let members: MessageMembers
    do { members = try MessageMembers.find(in: object) } catch {
      return addLoss(sequence, count: 1, .invalid)
    }
    let to = members.to?.content
    var line = MessageLine(sequence: sequence, seconds: Self.sentAt(members, in: object))
    line.sender = Self.append(
      name: object.extracting(members.from.content), columns: Self.whoColumns / (to == nil ? 1 : 2), &name, to: &texts)
    line.ink = Style.ink(ofName: name.readable)
    line.whoColumns = line.sender.columns
    if let to {
      let receiver = Self.append(
        name: object.extracting(to), columns: Self.whoColumns - line.sender.columns - 3, &name, to: &texts)
      line.receiver = receiver.bytes
      line.whoColumns += 3 + receiver.columns
    }
    let text = object.extracting(members.text.content)
    let start = texts.count
    line.isCut = Self.decode(text, limit: columns, to: &texts)
    line.text = start..<texts.count
    lines[self.count] = line
    self.count += 1
  }

  /// Adds the loss of `count` sequence numbers from `sequence` on.
  mutating func addLoss(_ sequence: UInt64, count: UInt64, _ reason: LossReason) {
    let start = texts.count
    let messages = reason.told(count)
    if messages > 0 { texts.append(decimal: messages) } else { texts.append("an unknown number of messages") }
    texts.append(" lost: ")
    texts.append(reason.explanation)
    var line = MessageLine(sequence: sequence, seconds: nil)
    line.isLoss = true
    line.text = start..<texts.count
    lines[self.count] = line
    self.count += 1
  }

  /// Appends the first `count` of the lines that were added, each with its line end, and forgets them all.
  mutating func write(first limit: Int = .max, to buffer: inout ByteBuffer) {
    defer {
      count = 0
      texts.removeAll()
    }
    let shown = min(limit, count)
    // Where nothing is shown, the time zone need not be read.
    guard shown > 0 else { return }
    let now = LocalTime(unixNanoseconds: SystemClock.wall())
    for index in 0..<shown {
      let line = lines[index]
      let time = line.seconds.map { LocalTime(unixNanoseconds: $0 * 1_000_000_000) }
      lines[index].time = time
      lines[index].isToday = time.map { $0.year == now.year && $0.month == now.month && $0.day == now.day } ?? false
      widths.number = max(widths.number, Self.digits(line.sequence))
      widths.who = max(widths.who, line.whoColumns)
      if time != nil { widths.time = max(widths.time, lines[index].isToday ? 8 : 16) }
    }
    for index in 0..<shown { write(lines[index], lines[index].time.map { ($0, lines[index].isToday) }, &buffer) }
  }

  private func write(_ line: MessageLine, _ time: (time: LocalTime, isToday: Bool)?, _ buffer: inout ByteBuffer) {
    style.paint(.dim, &buffer) { buffer in
      buffer.append(blanks: widths.number - Self.digits(line.sequence))
      buffer.append(decimal: line.sequence)
      guard widths.time > 0 else { return }
      let used = time.map { $0.isToday ? 8 : 16 } ?? 0
      buffer.append(blanks: 2 + widths.time - used)
      if let time { time.isToday ? buffer.append(timeOf: time.time) : buffer.append(dateOf: time.time) }
    }
    buffer.append(blanks: 2)
    var left = columns - widths.number - 2 - (widths.time > 0 ? widths.time + 2 : 0)
    let text = texts.readable.extracting(line.text)
    if line.isLoss {
      style.paint(.alarm, &buffer) { DisplayText.append(text, columns: left, to: &$0) }
    } else {
      style.paint(line.ink, &buffer) { $0.append(contentsOf: texts.readable.extracting(line.sender.bytes)) }
      if let receiver = line.receiver {
        buffer.append(" → ")
        buffer.append(contentsOf: texts.readable.extracting(receiver))
      }
      left -= widths.who + 2
      if !text.isEmpty, left > 0 {
        buffer.append(blanks: widths.who - line.whoColumns + 2)
        DisplayText.append(text, columns: left, continues: line.isCut, to: &buffer)
      }
    }
    buffer.append("\n")
  }

  /// Appends a name to `texts`, harmless and cut; the name itself stands in `name` afterwards.
  private static func append(
    name content: borrowing Span<UInt8>, columns: Int, _ name: inout ByteBuffer, to texts: inout ByteBuffer
  ) -> (bytes: Range<Int>, columns: Int) {
    name.removeAll()
    let isCut = decode(content, limit: columns, to: &name)
    let start = texts.count
    let used = DisplayText.append(name.readable, columns: columns, continues: isCut, to: &texts)
    return (start..<texts.count, used)
  }

  /// Appends what the string `content` means, or as much of it as can matter for `limit` columns.
  ///
  /// - Returns: whether something was left out; then the last character may lack its end.
  private static func decode(_ content: borrowing Span<UInt8>, limit: Int, to buffer: inout ByteBuffer) -> Bool {
    let most = max(limit, 1) * bytesPerColumn
    guard content.count > most else {
      JSONString.append(content, to: &buffer)
      return false
    }
    // Not within an escape, of which a pair of surrogates has twelve bytes.
    var end = most
    for index in most - 12..<most where content[index] == UInt8(ascii: "\\") {
      end = index
      break
    }
    JSONString.append(content.extracting(0..<end), to: &buffer)
    return true
  }

  /// `ts` in whole seconds since the Unix epoch; nil where it is no number, or none that a clock could show.
  private static func sentAt(_ members: MessageMembers, in object: borrowing Span<UInt8>) -> UInt64? {
    guard let ts = members.ts, ts.kind == .number else { return nil }
    let token = object.extracting(ts.range)
    var whole = 0
    while whole < token.count, 0x30...0x39 ~= token[whole] { whole += 1 }
    // Nearly all are plain decimals, of which only the whole part is needed.
    if !hasExponent(token, from: whole) {
      return Decimal.unsigned(token.extracting(0..<whole)).flatMap { $0 < latest ? $0 : nil }
    }
    guard let seconds = JSONNumber.double(token), seconds >= 0, seconds < Double(latest) else { return nil }
    return UInt64(seconds)
  }

  private static func hasExponent(_ token: borrowing Span<UInt8>, from start: Int) -> Bool {
    for index in start..<token.count where token[index] | 0x20 == UInt8(ascii: "e") { return true }
    return false
  }

  /// The year 2540: what nanoseconds in 64 bits can hold.
  private static let latest: UInt64 = 18_000_000_000

  private static func digits(_ number: UInt64) -> Int {
    var digits = 1
    var rest = number / 10
    while rest > 0 {
      digits += 1
      rest /= 10
    }
    return digits
  }
}

/// A line that is not yet written; ranges are in the block's texts.
private struct MessageLine {
  let sequence: UInt64
  /// Since the Unix epoch.
  let seconds: UInt64?
  var time: LocalTime?
  var isToday = false
  var isLoss = false
  var sender: (bytes: Range<Int>, columns: Int) = (0..<0, 0)
  var receiver: Range<Int>?
  var ink = Style.Ink.plain
  /// Of sender, arrow and receiver.
  var whoColumns = 0
  var text = 0..<0
  /// Whether the text goes on.
  var isCut = false

  init(sequence: UInt64, seconds: UInt64?) {
    self.sequence = sequence
    self.seconds = seconds
  }
}

extension LossReason {
  /// For people.
  var explanation: StaticString {
    switch self {
    case .overwritten: "overwritten before they were read"
    case .trimmed, .trimmedUnknown: "gone from Redis before they were fetched"
    case .tooLarge: "too large for this queue"
    case .invalid: "invalid, no message"
    case .reset, .resetUnknown: "the numbers or the Redis stream began anew"
    case .newQueue: "a new queue took the place of the one that was read"
    }
  }
}

extension ByteBuffer {
  mutating func append(blanks count: Int) {
    guard count > 0 else { return }
    for _ in 0..<count { append(UInt8(ascii: " ")) }
  }

  /// HH:MM:SS
  fileprivate mutating func append(timeOf time: LocalTime) {
    append(decimal: UInt64(time.hour), width: 2)
    append(":")
    append(decimal: UInt64(time.minute), width: 2)
    append(":")
    append(decimal: UInt64(time.second), width: 2)
  }

  /// YYYY-MM-DD HH:MM
  fileprivate mutating func append(dateOf time: LocalTime) {
    append(decimal: UInt64(time.year), width: 4)
    append("-")
    append(decimal: UInt64(time.month), width: 2)
    append("-")
    append(decimal: UInt64(time.day), width: 2)
    append(" ")
    append(decimal: UInt64(time.hour), width: 2)
    append(":")
    append(decimal: UInt64(time.minute), width: 2)
  }
}
