import Bytes
import Inbox
import JSON
import Message
import Ring
import System
import TestSupport
import Testing

/// A queue of 64 KiB with its writer, and consumers of it.
struct Queue: ~Copyable {
  let temporary: TemporaryFolder
  let folder: Folder
  var writer: RingWriter

  init() throws {
    // Owners that cannot be copied are put in place only when nothing can fail any more.
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let writer = try Self.open(folder)
    self.temporary = temporary
    self.folder = folder
    self.writer = writer
  }

  private static func open(_ folder: borrowing Folder) throws(QueueError) -> RingWriter {
    try RingWriter.open("queue.ring", in: folder, capacity: 65536, permissions: 0o600, lossReason: 5, now: 1)
  }

  /// The queue is made anew: all that was in it is gone.
  mutating func replace() throws {
    _ = try folder.remove("queue.ring")
    writer = try Self.open(folder)
  }

  /// The daemon is started again.
  mutating func reopen() throws { writer = try Self.open(folder) }

  mutating func append(_ object: String) throws {
    let bytes = Array(object.utf8)
    _ = try writer.append(message: bytes.span, receivedAt: 1)
  }

  /// Appends messages of about `size` bytes, numbered by their sequence number.
  mutating func append(_ count: Int, from: String = "elon", to: String? = nil, size: Int = 0) throws {
    for _ in 0..<count { try append(message(writer.nextSequence, from: from, to: to, size: size)) }
  }

  mutating func lose(_ count: UInt64, _ reason: LossReason) throws {
    try writer.append(lossOf: count, reason: reason.rawValue, receivedAt: 1)
  }

  /// Overwrites everything that is in the queue now.
  mutating func lap() throws {
    let last = writer.nextSequence
    var oldest: UInt64 = 0
    while oldest <= last {
      try append(1, size: 7000)
      oldest = try RingReader.open("queue.ring", in: folder).sequence
    }
  }

  func consumer(_ name: String? = nil, unfiltered: Bool = false, readOnly: Bool = false) throws -> Consumer {
    let agent = try name.map { name in try AgentName(name) }
    return try consumer(ConsumerIdentity(agent: agent, consumer: nil, unfiltered: unfiltered), readOnly: readOnly)
  }

  func consumer(_ identity: ConsumerIdentity, readOnly: Bool = false) throws -> Consumer {
    try Consumer.open(
      identity, queue: "queue.ring", cursors: "cursors", in: folder,
      readOnly ? .readOnly : .readWrite(file: 0o600, folder: 0o700))
  }

  /// Takes a batch as `clawq get` does.
  @discardableResult
  func get(_ name: String? = nil, _ limits: BatchLimits = .none, commit: Bool = true) throws -> [Entry] {
    var consumer = try consumer(name)
    return try consumer.get(limits, commit: commit)
  }

  func cursor(_ name: String = "default") throws -> CursorMark? {
    let cursors = try Folder("cursors", in: folder)
    let cursor = try Cursor.open(name, in: cursors, writable: false)
    switch cursor {
    case .some(let cursor): return cursor.mark
    case .none: return nil
    }
  }
}

func message(_ sequence: UInt64, from: String = "elon", to: String? = nil, size: Int = 0) -> String {
  let to = to.map { #","to":"\#($0)""# } ?? ""
  return #"{"from":"\#(from)","text":"\#(sequence)","pad":"\#(String(repeating: "p", count: size))"\#(to)}"#
}

extension Consumer {
  /// Takes a batch, reads it back from its JSON, and marks it.
  mutating func get(
    _ limits: BatchLimits = .none, _ format: BatchFormat = .lines, until end: UInt64 = .max, commit: Bool = true
  ) throws -> [Entry] {
    var buffer = ByteBuffer(capacity: 1024)
    let batch = try collect(limits, format, until: end, to: &buffer)
    let entries = try parse(buffer.readable, format)
    #expect(entries.count == batch.messages + batch.losses)
    if commit { try self.commit(batch) }
    return entries
  }

  /// Everything that comes, one entry after the other.
  mutating func rest() throws -> [Entry] {
    var entries: [Entry] = []
    while let entry = try nextEntry() { entries.append(entry) }
    return entries
  }
}

struct NotWellFormed: Error { let text: String }

/// The entries that a batch's output shows. A message's own text is its sequence number, so that it cannot be another's.
func parse(_ bytes: borrowing Span<UInt8>, _ format: BatchFormat) throws -> [Entry] {
  let text = String(repairing: bytes)
  var objects: [Substring]
  switch format {
  case .lines:
    guard text.isEmpty || text.hasSuffix("\n") else { throw NotWellFormed(text: text) }
    objects = text.split(separator: "\n")
  case .array:
    guard text.hasPrefix("["), text.hasSuffix("]\n") else { throw NotWellFormed(text: text) }
    // The strict parser must take all of it as one value.
    let whole = Array(text.dropLast().utf8)
    guard try JSONValue(scanning: whole.span).kind == .array else { throw NotWellFormed(text: text) }
    objects = []
    // Nothing in these messages is nested or has a brace in a string.
    var rest = text.dropFirst()[...]
    while let start = rest.firstIndex(of: "{"), let end = rest.firstIndex(of: "}") {
      objects.append(rest[start...end])
      rest = rest[end...].dropFirst()
    }
  }
  var entries: [Entry] = []
  for object in objects {
    let bytes = Array(object.utf8)
    var members: [String: String] = [:]
    var scanner = try JSONObjectScanner(bytes.span)
    while let member = try scanner.next() {
      let name = JSONString.decode(bytes.span.extracting(member.name))
      members[name] =
        member.value.kind == .string
        ? JSONString.decode(bytes.span.extracting(member.value.content))
        : String(repairing: bytes.span.extracting(member.value.range))
    }
    guard let sequence = members["seq"].flatMap({ UInt64($0) }) else { throw NotWellFormed(text: String(object)) }
    if let lost = members["lost"].flatMap({ UInt64($0) }),
      let reason = LossReason.allCases.first(where: { "\($0.name)" == members["reason"] })
    {
      entries.append(.loss(sequence: sequence, count: lost, reason: reason))
    } else {
      guard members["text"] == "\(sequence)" else { throw NotWellFormed(text: String(object)) }
      entries.append(.message(sequence: sequence))
    }
  }
  return entries
}

/// Messages with these sequence numbers.
func messages(_ sequences: ClosedRange<UInt64>) -> [Entry] { sequences.map { .message(sequence: $0) } }
func messages(_ sequences: [UInt64]) -> [Entry] { sequences.map { .message(sequence: $0) } }
