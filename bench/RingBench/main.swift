// The queue file's writer and reader as processes of their own, for bench/append.py, bench/ring.py and bench/check.py.
//
//   RingBench append FOLDER CAPACITY SIZE COUNT        appends to a ring that has gone round; prints nanoseconds for each
//   RingBench verify FOLDER SIZE                       reads every record there is; prints how many, and the last number
//   RingBench write FOLDER CAPACITY SIZE COUNT AHEAD   prints "ready", waits for the reader, writes COUNT records and is
//                                                      never more than AHEAD records before it (0: without a bound)
//   RingBench read FOLDER SIZE COUNT                   reads COUNT records; prints seconds, delivered, lost
//   RingBench fill FOLDER COUNT                        makes a queue with so many messages that clawq understands
import Bytes
import Glibc
import Ring
import System

func open(_ folder: borrowing Folder, capacity: Int) throws(QueueError) -> RingWriter {
  try RingWriter.open("queue.ring", in: folder, capacity: capacity, permissions: 0o600, lossReason: 5, now: 1)
}

/// A payload whose first eight bytes can be set, as a producer that makes each message anew would.
@safe
struct Payload: ~Copyable {
  private let memory: UnsafeMutableRawBufferPointer

  init(size: Int) {
    unsafe memory = .allocate(byteCount: size, alignment: 64)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "x"))
  }

  deinit { unsafe memory.deallocate() }

  func stamp(_ number: UInt64) { unsafe memory.storeBytes(of: number, as: UInt64.self) }

  var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    borrowing get {
      let span = unsafe Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(memory))
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }
}

/// Reads every whole word of `payload`, so that none of it was copied for nothing.
@inline(__always)
func sum(_ payload: borrowing Span<UInt8>) -> UInt64 {
  let bytes = unsafe payload.bytes
  var total: UInt64 = 0
  for index in 0..<payload.count >> 3 {
    total &+= unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index &<< 3, as: UInt64.self)
  }
  return total
}

/// How far the reader has come: a page of its own beside the queue file, since a reader never writes into that.
struct ReaderProgress: ~Copyable {
  private let mapping: SharedMapping
  private static let name = "progress"
  private static let byteCount = 64

  init(making folder: borrowing Folder) throws(SystemError) {
    let file = try folder.open(Self.name, [.readWrite, .createNew], permissions: 0o600)
    try file.allocate(Self.byteCount)
    mapping = try SharedMapping(file, byteCount: Self.byteCount, writable: true)
  }

  init(in folder: borrowing Folder) throws(SystemError) {
    let file = try folder.open(Self.name, [.readWrite])
    mapping = try SharedMapping(file, byteCount: Self.byteCount, writable: true)
  }

  /// The next sequence number that the reader expects; 0 before it looks.
  var next: UInt64 { mapping.loadAcquiring(0) }

  func note(_ next: UInt64) { mapping.storeReleasing(next, 0) }
}

/// Time on a processor. An append makes no system call, so on an idle machine this is the time it takes; and on a busy one
/// it leaves out what others got.
func processorNanoseconds() -> UInt64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func append(_ folder: borrowing Folder, capacity: Int, size: Int, count: UInt64) throws {
  var writer = try open(folder, capacity: capacity)
  let payload = Payload(size: size)
  // Each record is longer than its payload, so the ring has gone round at the latest after this.
  for number in 0..<UInt64(capacity / size + 1) {
    _ = try writer.append(message: payload.bytes, receivedAt: number)
  }
  let start = processorNanoseconds()
  for number in 0..<count { _ = try writer.append(message: payload.bytes, receivedAt: number) }
  let end = processorNanoseconds()
  print(Double(end - start) / Double(count))
}

func verify(_ folder: borrowing Folder, size: Int) throws -> Bool {
  var reader = try RingReader.open("queue.ring", in: folder)
  var records = 0
  while true {
    switch try reader.next() {
    case .record(let header):
      guard header.length == size || header.kind == .position else { return false }
      records += 1
    case .overwritten: return false
    case .end:
      print(records, reader.sequence - 1)
      return true
    }
  }
}

func write(_ folder: borrowing Folder, capacity: Int, size: Int, count: UInt64, ahead: UInt64) throws {
  var writer = try open(folder, capacity: capacity)
  let progress = try ReaderProgress(making: folder)
  let payload = Payload(size: size)
  print("ready")
  fflush(nil)
  // Before this the reader has not mapped the file; once it has, nothing here makes a system call.
  while progress.next == 0 { usleep(100) }
  // What the reader last said is looked at again only when the bound is reached: a producer would not share that line
  // with its consumer for every record.
  var limit = ahead == 0 ? UInt64.max : progress.next + ahead
  for number in 1...count {
    while number >= limit { limit = progress.next + ahead }
    payload.stamp(number)
    _ = try writer.append(message: payload.bytes, receivedAt: number)
  }
}

func read(_ folder: borrowing Folder, size: Int, count: UInt64) throws -> Bool {
  var reader = try RingReader.open("queue.ring", in: folder)
  let progress = try ReaderProgress(in: folder)
  var delivered: UInt64 = 0
  var lost: UInt64 = 0
  var touched: UInt64 = 0
  progress.note(reader.sequence)
  let start = SystemClock.monotonic().nanoseconds
  while reader.sequence <= count {
    switch try reader.next() {
    case .record(let header):
      guard case .message = header.kind else { continue }
      touched &+= sum(reader.payload)
      delivered += 1
      if header.sequence & 63 == 0 { progress.note(reader.sequence) }
    case .overwritten(let missed): lost += missed
    case .end: continue
    }
  }
  let end = SystemClock.monotonic().nanoseconds
  print(Double(end - start) / 1e9, delivered, lost)
  // Each payload is its number and then the same bytes: had one been another's, the sum would be another.
  let filling = sum(Payload(size: size - 8).bytes)
  return lost > 0 || touched == count &* (count &+ 1) / 2 &+ filling &* count
}

func fill(_ folder: borrowing Folder, count: UInt64) throws {
  var writer = try open(folder, capacity: Limits.defaultQueueBytes)
  var message = ByteBuffer(capacity: 256)
  for number in 0..<count {
    message.removeAll()
    message.append("{\"from\":\"anna\",\"text\":\"The build is green again, number ")
    message.append(utf8: "\(number)")
    message.append("; the next one starts at noon.\",\"ts\":1760000000.5,\"time\":\"2025-10-09 08:53:20\"}")
    _ = try writer.append(message: message.readable, receivedAt: 1_760_000_000_000_000)
  }
}

func number(_ index: Int) -> Int { CommandLine.arguments.count > index ? Int(CommandLine.arguments[index]) ?? 0 : 0 }

do {
  guard CommandLine.arguments.count > 2 else { exit(64) }
  // Who spins for a partner that was killed ends by itself.
  alarm(600)
  let folder = try Folder(CommandLine.arguments[2])
  var isRight = true
  switch CommandLine.arguments[1] {
  case "append": try append(folder, capacity: number(3), size: number(4), count: UInt64(number(5)))
  case "verify": isRight = try verify(folder, size: number(3))
  case "write":
    try write(
      folder, capacity: number(3), size: number(4), count: UInt64(number(5)), ahead: UInt64(number(6)))
  case "read": isRight = try read(folder, size: number(3), count: UInt64(number(4)))
  case "fill": try fill(folder, count: UInt64(number(3)))
  default: exit(64)
  }
  if !isRight {
    print("RingBench: a wrong record")
    exit(1)
  }
} catch {
  print("RingBench: \(error)")
  exit(1)
}
