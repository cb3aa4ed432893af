internal import Bytes
package import EventLoop
package import System

/// Notices that a file was replaced or made (editors and `clawd init` rename a new one into its place). What is written into
/// the file that is there is not noticed: SIGHUP is for that.
package final class ConfigurationWatch: FolderWatchHandler, TimerHandler {
  /// From the file's arrival to the look into it, in nanoseconds: one that is made and then written is whole by then, and
  /// several replacements are one.
  package static let delay = UInt64.milliseconds(500)

  private let loop: EventLoop
  private let changed: () -> Void
  private var watch: FolderWatch?
  /// The names to look for, in all watched folders: the file's own, and that of what it is a link to.
  private let names: [[UInt8]]
  private var timer: TimerToken?

  /// Begins to watch. The loop holds the watch until `stop`.
  ///
  /// - Parameters:
  ///   - path: the file, which need not exist; its folder must.
  ///   - changed: called in a later turn.
  package init(_ loop: EventLoop, path: String, changed: @escaping () -> Void) throws(SystemError) {
    self.loop = loop
    self.changed = changed
    // Relative to where the program was started, as the file was opened.
    let places = [path, realPath(path)].compactMap { $0 }.map { $0.contains("/") ? $0 : "./" + $0 }
    names = places.map { place in Array(place.utf8[Self.nameStart(place)...]) }
    let watch = try FolderWatch(self)
    for place in places {
      // Through the dot: the folder itself may be a link.
      _ = try watch.watch(try Folder(String(place[..<Self.nameStart(place)]) + "."))
    }
    try watch.start(loop)
    self.watch = watch
  }

  /// Behind the last slash.
  private static func nameStart(_ path: String) -> String.Index {
    path.utf8.lastIndex(of: UInt8(ascii: "/")).map { path.utf8.index(after: $0) } ?? path.startIndex
  }

  package func stop() {
    watch?.stop()
    if let timer { loop.cancel(timer) }
    timer = nil
  }

  package func fileArrived(_ name: borrowing Span<UInt8>, in folder: WatchedFolder) {
    guard names.contains(where: { equal(name, $0.span) }) else { return }
    lookLater()
  }

  package func arrivalsLost() { lookLater() }

  /// A file that is no longer there is no new configuration; whoever moves the folder says so by SIGHUP.
  package func folderGone(_ folder: WatchedFolder) {}

  private func lookLater() { timer = timer ?? loop.arm(after: Self.delay, self) }

  package func timerFired(_ token: TimerToken) {
    timer = nil
    changed()
  }
}
