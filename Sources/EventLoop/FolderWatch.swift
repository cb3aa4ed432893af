internal import Bytes
internal import CLinux
package import System

/// Names a watched folder.
package struct WatchedFolder: Hashable, Sendable { let watch: Int32 }

/// Is told what happens in watched folders.
package protocol FolderWatchHandler: AnyObject {
  /// A file came to be called `name`, by rename into the folder, by link or by creation. It may be gone again. With
  /// `open(O_CREAT)` it is still empty: who wants whole files lets them be renamed or linked into place.
  func fileArrived(_ name: borrowing Span<UInt8>, in folder: WatchedFolder)
  /// The kernel's queue was full and arrivals were lost: every watched folder must be scanned again.
  func arrivalsLost()
  /// The folder was removed, renamed or unmounted, and is no longer watched.
  func folderGone(_ folder: WatchedFolder)
}

/// Tells of files that arrive in folders (inotify(7)).
///
/// To miss nothing: `watch`, then scan the folder, then `drain`. What arrived meanwhile may then be told twice, by scan
/// and by drain, but never not at all.
///
/// A folder that is removed while someone (the caller's own `Folder`, say) has it open lives on without a name, and
/// the kernel tells of its end only when the last one closes it: with a folder kept open, ask `FileStatus.links`.
package final class FolderWatch: ReadinessHandler {
  /// What is read at once: about a thousand short names.
  private static let readBytes = 64 * 1024
  /// Reads per turn, so that a flood of files does not hold up the rest of the loop.
  private static let readsPerTurn = 4

  private let descriptor: FileDescriptor
  private var folders: [WatchedFolder] = []
  /// Nil while its content is being told.
  private var buffer: ByteBuffer? = ByteBuffer(capacity: FolderWatch.readBytes)
  private weak var handler: (any FolderWatchHandler)?
  private weak var loop: EventLoop?
  private var token: EventToken?

  /// - Parameter handler: is not kept alive.
  package init(_ handler: any FolderWatchHandler) throws(SystemError) {
    descriptor = FileDescriptor(owning: try systemCall("inotify_init1") { inotify_init1(clinux_inotify_flags) })
    self.handler = handler
  }

  /// Begins to watch a folder; one that is watched already keeps its name.
  package func watch(_ folder: borrowing Folder) throws(SystemError) -> WatchedFolder {
    // Through the open descriptor, so that a path replaced since it was opened cannot redirect us.
    let path = "/proc/self/fd/\(folder.descriptor.raw)"
    let raw = descriptor.raw
    let watch = WatchedFolder(
      watch: try systemCall("inotify_add_watch", folder.path) {
        unsafe inotify_add_watch(raw, path, InotifyRecord.wanted)
      })
    if !folders.contains(watch) { folders.append(watch) }
    return watch
  }

  /// Begins to tell the handler from the loop's turns.
  package func start(_ loop: EventLoop) throws(SystemError) {
    precondition(token == nil, "the folder watch is already started")
    token = try loop.add(descriptor.raw, .readable, self)
    self.loop = loop
  }

  /// Stops telling from the loop, which holds a started watch.
  package func stop() {
    if let token { loop?.remove(token) }
    token = nil
  }

  /// Tells the handler, before returning, at least everything that had happened when this was called. From inside one
  /// of the handler's methods it does nothing: the telling under way goes on after it.
  package func drain() throws(SystemError) {
    var queued: Int32 = 0
    let raw = descriptor.raw
    _ = try systemCall("ioctl(FIONREAD)") { unsafe clinux_bytes_to_read(raw, &queued) }
    var told = 0
    while told < Int(queued) {
      let count = try tellOnce()
      guard count > 0 else { return }
      told += count
    }
  }

  package func ready(_ readiness: Readiness, _ token: EventToken) {
    do {
      for _ in 0..<Self.readsPerTurn where try tellOnce() == 0 { return }
    } catch {
      // Reading inotify fails only for want of kernel memory; what was queued must be looked for by scanning.
      handler?.arrivalsLost()
    }
  }

  /// Reads once and tells all of it; answers the bytes read, 0 where there was nothing.
  private func tellOnce() throws(SystemError) -> Int {
    guard var records = buffer.take() else { return 0 }
    let outcome = Result { () throws(SystemError) in
      try descriptor.read(into: &records, atLeast: InotifyRecord.longestBytes)
    }
    tell(records.readable)
    records.removeAll()
    buffer = .some(records)
    guard case .bytes(let count) = try outcome.get() else { return 0 }
    return count
  }

  /// Tells the handler what `bytes`, a run of whole records, says.
  func tell(_ bytes: borrowing Span<UInt8>) {
    var offset = 0
    while offset < bytes.count {
      let rest = bytes.extracting(offset...)
      guard let record = InotifyRecord(rest) else {
        handler?.arrivalsLost()
        return
      }
      offset += record.byteCount
      if record.isOverflow {
        handler?.arrivalsLost()
        continue
      }
      let folder = WatchedFolder(watch: record.watch)
      guard let index = folders.firstIndex(of: folder) else { continue }
      if record.isFolderItselfGone {
        folders.remove(at: index)
        // A renamed folder would go on being watched. Where the kernel has ended the watch already, this fails.
        _ = inotify_rm_watch(descriptor.raw, record.watch)
        handler?.folderGone(folder)
      } else if record.isArrival {
        let name = rest.extracting(InotifyRecord.headerBytes..<InotifyRecord.headerBytes + record.nameCount)
        handler?.fileArrived(name, in: folder)
      }
    }
  }
}
