internal import Bytes
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
  /// Not one record could be trusted: the file was put aside under the name given, and an empty one created. Where the
  /// header still said which number comes next, that goes on, and consumers are told exactly what they missed.
  case replaced(aside: String)
}

/// What a queue file should be like: how one is made, and what one that exists is made into.
struct QueueRecipe {
  let name: String
  /// Of the ring, in bytes: a power of two within `Limits.queueBytesRange`.
  let capacity: Int
  /// Of a new file.
  let permissions: UInt32
  /// The raw value of the loss reason under which records that are not whole are reported.
  let lossReason: UInt8
  let boot: BootID
  /// Microseconds since the Unix epoch.
  let now: UInt64

  /// Under this name a file is made, until it is whole. One that is found was left by a writer that died.
  var newName: String { name + ".new" }
  /// A second name of a file that is being replaced, until those who sleep on it have been told.
  var supersededName: String { name + ".superseded" }
}

extension RingWriter {
  /// Opens the queue file `name`, creating it where there is none. The caller holds the writer's lock.
  ///
  /// Every record's checksum is verified. After a crash of the machine, when some of the file may not have reached
  /// the disk, what is not whole is given up, and counted as lost (see `Survey`). A file that is not ours, or was made by a
  /// newer version, is refused and not touched. One of another capacity, or of an older version, is replaced by one that
  /// holds the newest of its records that fit; see `rebuilding` for what came of it.
  ///
  /// Whatever instruction the process dies at, the next call finds all that was published.
  ///
  /// - Parameters:
  ///   - capacity: of the ring, in bytes: a power of two within `Limits.queueBytesRange`.
  ///   - permissions: of a new file.
  ///   - lossReason: the raw value of the loss reason under which records that are not whole are reported.
  ///   - now: microseconds since the Unix epoch.
  package static func open(
    _ name: String, in folder: borrowing Folder, capacity: Int, permissions: UInt32, lossReason: UInt8, now: UInt64
  ) throws(QueueError) -> RingWriter {
    precondition(
      capacity.nonzeroBitCount == 1 && Limits.queueBytesRange.contains(capacity), "a capacity that Settings allows")
    let boot: BootID
    do { boot = try BootID.current() } catch { throw .system(error) }
    let recipe = QueueRecipe(
      name: name, capacity: capacity, permissions: permissions, lossReason: lossReason, boot: boot, now: now)
    var writer = try openOrCreate(recipe, in: folder)
    if writer.file.head.version != QueueLayout.version || writer.capacity != UInt64(capacity) {
      do throws(ReplacingError) {
        let rebuilt = try writer.rebuilt(recipe, in: folder)
        writer = rebuilt
      } catch {
        // Into a file that has lost its name nobody may write; the next start goes on with the one that has it.
        guard !error.isPlaced else { throw error.cause }
        // The old file is as good as it was, only not as wished.
        writer.rebuilding = .failed(error.cause)
      }
    }
    // One that was put aside and has its name again.
    if writer.file.flags & QueueLayout.supersededFlag != 0 {
      writer.file.setFlags(writer.file.flags & ~QueueLayout.supersededFlag)
    }
    try tellSleepers(recipe, in: folder)
    // Whoever slept on a file whose writer died must look again.
    writer.file.wakeAll()
    return writer
  }

  private static func openOrCreate(
    _ recipe: QueueRecipe, in folder: borrowing Folder
  ) throws(QueueError) -> RingWriter {
    let file: QueueFile
    do {
      file = try QueueFile(recipe.name, in: folder, writable: true)
    } catch {
      guard case .missing = error else { throw error }
      do throws(ReplacingError) { return try create(recipe, in: folder) } catch { throw error.cause }
    }
    // What a writer left that died while it replaced a file: told now, so that the name is free for the next.
    try tellSleepers(recipe, in: folder)
    try mendIntent(file)
    let survey = try Survey(of: file)
    guard survey.nextSequence != nil else { return try putAside(file, recipe, in: folder) }
    return try recover(file, survey, recipe)
  }

  /// An intent that no writer can have stored would have every record distrusted. The furthest that one can have meant to
  /// write is a whole ring from the oldest record: a reader that was stalled all the while must believe nothing older.
  private static func mendIntent(_ file: borrowing QueueFile) throws(QueueError) {
    let (oldest, published) = try file.bounds()
    let intent = file.mapping.loadRelaxed(QueueLayout.intentOffset)
    guard intent & 7 != 0 || intent < published || intent > oldest + file.capacity else { return }
    // Release: pairs with the acquire in `QueueFile.firstTrusted`.
    file.mapping.storeReleasing(oldest + file.capacity, QueueLayout.intentOffset)
  }

  /// Begins anew in the place of a file without a single whole record: only its header can say where the sequence stands.
  /// The file gets another name first, and loses this one only to the new file: until then the next start finds it again.
  private static func putAside(
    _ file: borrowing QueueFile, _ recipe: QueueRecipe, in folder: borrowing Folder
  ) throws(QueueError) -> RingWriter {
    var aside = "\(recipe.name).damaged-\(recipe.now / 1_000_000)"
    do throws(SystemError) {
      // What was put aside before is evidence, too.
      var number = 1
      while try !folder.link(recipe.name, to: aside) {
        number += 1
        aside = "\(recipe.name).damaged-\(recipe.now / 1_000_000)-\(number)"
      }
      _ = try folder.link(recipe.name, to: recipe.supersededName)
    } catch {
      throw .system(error)
    }
    let hint = file.sequenceHint.flatMap { $0 > 0 ? $0 : nil }
    var writer: RingWriter
    do throws(ReplacingError) {
      writer = try create(recipe, continuing: hint.map { (file.head.generation, $0) }, flags: file.flags, in: folder)
    } catch {
      if !error.isPlaced {
        _ = try? folder.remove(aside)
        _ = try? folder.remove(recipe.supersededName)
      }
      throw error.cause
    }
    writer.outcome = .replaced(aside: aside)
    return writer
  }

  /// Goes on with a file in which at least one record is whole.
  private static func recover(
    _ file: consuming QueueFile, _ survey: Survey, _ recipe: QueueRecipe
  ) throws(QueueError) -> RingWriter {
    let rebooted = recipe.boot != BootID(in: file.mapping)
    let (oldest, published) = try file.bounds()
    let whole = survey.nextSequence ?? 1
    // Never less than before: a reader that was stalled all the while must still see that it was overtaken.
    let intent = max(file.mapping.loadRelaxed(QueueLayout.intentOffset), survey.end)
    // Numbers that were published once may be known to a consumer: they are not used again. The hint is at most the
    // truth when only a process died, and more when records are missing that the header has counted.
    let wasWhole = survey.end == published && survey.oldest == oldest && survey.gap == nil
    let hint = file.sequenceHint ?? 0
    let lost = hint > whole ? hint - whole : 0
    survey.gap?.fill(in: file, reason: recipe.lossReason, now: recipe.now)
    // Release: both pair with the acquires in `QueueFile.published` and `bounds`. A reader that lives beside this repair
    // may have copied what is filled or cut here: it looks again before it believes that its copy is bad.
    file.mapping.storeReleasing(survey.oldest, QueueLayout.oldestOffset)
    if lost == 0 { file.mapping.storeReleasing(survey.end, QueueLayout.publishedOffset) }
    var writer = RingWriter(
      file: file, oldest: survey.oldest, intent: intent, published: survey.end, nextSequence: whole)
    // The cut is published together with the record of what it cost, and only then is this start of the machine noted:
    // a recovery that dies on the way is done again by the next start, with the same outcome.
    if lost > 0 {
      do { try writer.append(lossOf: lost, reason: recipe.lossReason, receivedAt: recipe.now) } catch {
        throw .damaged(path: writer.path, what: "no room for a record of its loss")
      }
    }
    writer.resume(survey.trace, at: recipe.now)
    recipe.boot.note(in: writer.file.mapping)
    writer.outcome =
      wasWhole && lost == 0 && !rebooted
      ? .opened
      : .recovered(rebooted: rebooted, lost: lost + (survey.gap?.count ?? 0), oldest: survey.givenUpBefore)
    return writer
  }
}
