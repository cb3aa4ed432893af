internal import Bytes
internal import Glibc
package import System

/// How a queue file came to be open.
package enum OpeningOutcome: Equatable, Sendable {
  case created
  /// Opened as it was left: every record that was published is there.
  case opened
  /// The machine was started anew since, or some of the file was not whole; consumers' marks may be ahead of it (see
  /// `Cursor.clamp`).
  ///
  /// - rebooted: whether the machine was started anew.
  /// - lost: how many sequence numbers are lost, in its middle and at its end: records in the queue say so.
  /// - oldest: where older records had to be given up, the sequence number that is now the oldest; nil where none had.
  case recovered(rebooted: Bool, lost: UInt64, oldest: UInt64?)
  /// Nothing in the file could be trusted: it was put aside under the name given, and a new queue created.
  case replaced(aside: String)
}

extension RingWriter {
  /// Opens the queue file `name`, creating it where there is none. The caller holds the writer's lock.
  ///
  /// Every record's checksum is verified. After a crash of the machine, when some of the file may not have reached
  /// the disk, what is not whole is given up, and counted as lost (see `Survey`). A file that is not ours, or was made by a
  /// newer version, is refused and not touched.
  ///
  /// - Parameters:
  ///   - capacity: of a new ring, in bytes: a power of two within `Limits.queueBytesRange`.
  ///   - permissions: of a new file.
  ///   - lossReason: the raw value of the loss reason under which records that are not whole are reported.
  ///   - now: microseconds since the Unix epoch.
  package static func open(
    _ name: String, in folder: borrowing Folder, capacity: Int, permissions: UInt32, lossReason: UInt8, now: UInt64
  ) throws(QueueError) -> RingWriter {
    let boot: BootID
    do { boot = try BootID.current() } catch { throw .system(error) }
    let file: QueueFile
    do {
      file = try QueueFile(name, in: folder, writable: true)
    } catch {
      guard case .missing = error else { throw error }
      return try create(name, in: folder, capacity: capacity, permissions: permissions, boot: boot, now: now)
    }
    let rebooted = boot != BootID(in: file.mapping)
    let (oldest, published) = try file.bounds()
    let survey = try Survey(of: file)
    guard let whole = survey.nextSequence else {
      // Not one record is whole, so nothing says where the sequence stands.
      let aside = "\(name).damaged-\(now / 1_000_000)"
      do { try folder.rename(name, to: aside) } catch { throw .system(error) }
      var writer = try create(name, in: folder, capacity: capacity, permissions: permissions, boot: boot, now: now)
      writer.outcome = .replaced(aside: aside)
      return writer
    }
    // Never less than before: a reader that was stalled all the while must still see that it was overtaken.
    let intent = max(file.mapping.loadRelaxed(QueueLayout.intentOffset), survey.end)
    guard intent & 7 == 0, intent < QueueLayout.positionLimit, intent - survey.oldest <= file.capacity else {
      throw .damaged(path: file.path, what: "an intent of \(intent)")
    }
    // Numbers that were published once may be known to a consumer: they are not used again. The hint is at most the
    // truth when only a process died, and more when records are missing that the header has counted.
    let wasWhole = survey.end == published && survey.oldest == oldest && survey.gap == nil
    let hint = file.mapping.loadRelaxed(QueueLayout.sequenceOffset)
    let lost = (rebooted || !wasWhole) && hint > whole && hint < QueueLayout.positionLimit ? hint - whole : 0
    survey.gap?.fill(in: file, reason: lossReason, now: now)
    // Release: pairs with the acquire in `QueueFile.bounds`.
    file.mapping.storeReleasing(survey.oldest, QueueLayout.oldestOffset)
    if lost == 0 { file.mapping.storeReleasing(survey.end, QueueLayout.publishedOffset) }
    var writer = RingWriter(
      file: file, oldest: survey.oldest, intent: intent, published: survey.end, nextSequence: whole)
    // The cut is published together with the record of what it cost, and only then is this start of the machine noted:
    // a recovery that dies on the way is done again by the next start, with the same outcome.
    if lost > 0 {
      do { try writer.append(lossOf: lost, reason: lossReason, receivedAt: now) } catch {
        throw .damaged(path: writer.path, what: "no room for a record of its loss")
      }
    }
    writer.note(boot)
    // Whoever slept on a file whose writer died must look again.
    writer.wakeAll()
    writer.outcome =
      wasWhole && !rebooted
      ? .opened
      : .recovered(rebooted: rebooted, lost: lost + (survey.gap?.count ?? 0), oldest: survey.givenUpBefore)
    return writer
  }

  private func note(_ boot: BootID) {
    // Release: not before the stores of the recovery that it vouches for.
    file.mapping.storeReleasing(boot.high, QueueLayout.bootHighOffset)
    file.mapping.storeReleasing(boot.low, QueueLayout.bootLowOffset)
  }

  private static func create(
    _ name: String, in folder: borrowing Folder, capacity: Int, permissions: UInt32, boot: BootID, now: UInt64
  ) throws(QueueError) -> RingWriter {
    precondition(
      capacity.nonzeroBitCount == 1 && Limits.queueBytesRange.contains(capacity), "a capacity that Settings allows")
    let aside = name + ".new"
    let size = QueueLayout.headerBytes + capacity
    do throws(SystemError) {
      // A writer that died in the middle of this left it; the lock says that nobody else is at it now.
      _ = try folder.remove(aside)
      let made = try folder.open(aside, [.readWrite, .createNew], permissions: permissions)
      do throws(SystemError) {
        // Real blocks for every byte, before it is mapped: a store into a hole on a full disk is SIGBUS.
        try made.allocate(size, folder.path + "/" + name)
        let mapping = try SharedMapping(made, byteCount: size, writable: true, folder.path + "/" + name)
        mapping.storeRelaxed(QueueLayout.magic, QueueLayout.magicOffset)
        mapping.storeRelaxed(QueueLayout.version, QueueLayout.versionOffset)
        mapping.storeRelaxed(UInt64(capacity), QueueLayout.capacityOffset)
        mapping.storeRelaxed(try systemRandom() | 1, QueueLayout.generationOffset)
        mapping.storeRelaxed(now, QueueLayout.madeAtOffset)
        mapping.storeRelaxed(QueueFile.checksum(mapping), QueueLayout.checksumOffset)
        mapping.storeRelaxed(boot.high, QueueLayout.bootHighOffset)
        mapping.storeRelaxed(boot.low, QueueLayout.bootLowOffset)
        mapping.storeRelaxed(1, QueueLayout.sequenceOffset)
        writeFirstRecord(in: mapping, now: now)
        try made.sync()
        try folder.rename(aside, to: name)
      } catch {
        _ = try? folder.remove(aside)
        throw error
      }
    } catch {
      throw .system(error)
    }
    let file = try QueueFile(name, in: folder, writable: true)
    let end = UInt64(RecordLayout.smallest)
    return RingWriter(file: file, oldest: 0, intent: end, published: end, nextSequence: 1)
  }

  /// A queue is never without a record, so that the next sequence number can always be found from the newest: it
  /// begins with a position, which occupies no number.
  private static func writeFirstRecord(in mapping: borrowing SharedMapping, now: UInt64) {
    let header = RecordHeader(kind: .position, sequence: 1, span: 0, receivedAt: now)
    let start = QueueLayout.headerBytes
    let words = header.words
    for index in 1..<RecordLayout.headerWords { mapping.storeRelaxed(words[index], start + index * 8) }
    mapping.storeRelaxed(UInt64(header.checksum(Span())) << 32, start)
    let end = UInt64(RecordLayout.smallest)
    mapping.storeRelaxed(end, start + RecordLayout.headerBytes)
    mapping.storeRelaxed(end, QueueLayout.intentOffset)
    mapping.storeRelaxed(end, QueueLayout.publishedOffset)
  }
}

/// The kernel's random id of the machine's present start (/proc/sys/kernel/random/boot_id): a UUID, 128 bits.
struct BootID: Equatable {
  var high: UInt64 = 0
  var low: UInt64 = 0

  static func current() throws(SystemError) -> BootID {
    let folder = try Folder("/proc/sys/kernel/random")
    let file = try folder.open("boot_id", [.readOnly])
    var text = ByteBuffer(capacity: 64)
    _ = try file.readWhole(limit: 64, into: &text)
    var id = BootID()
    let bytes = text.readable
    for index in bytes.indices {
      guard let digit = Hex.value(bytes[index]) else { continue }
      id.high = id.high << 4 | id.low >> 60
      id.low = id.low << 4 | UInt64(digit)
    }
    return id
  }

  init() {}

  init(in mapping: borrowing SharedMapping) {
    high = mapping.loadRelaxed(QueueLayout.bootHighOffset)
    low = mapping.loadRelaxed(QueueLayout.bootLowOffset)
  }
}
