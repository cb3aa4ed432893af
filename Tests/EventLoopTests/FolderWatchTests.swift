import Bytes
import Glibc
import System
import TestSupport
import Testing

@testable import EventLoop

final class Arrivals: FolderWatchHandler {
  var names: [String] = []
  var folders: [WatchedFolder] = []
  var losses = 0
  var gone: [WatchedFolder] = []
  var onArrival: () -> Void = {}

  func fileArrived(_ name: borrowing Span<UInt8>, in folder: WatchedFolder) {
    names.append(String(repairing: name))
    folders.append(folder)
    onArrival()
  }
  func arrivalsLost() { losses += 1 }
  func folderGone(_ folder: WatchedFolder) { gone.append(folder) }
}

@Suite("Watching folders")
struct FolderWatchTests {
  let temporary = TemporaryFolder()
  let arrivals = Arrivals()

  @Test("files renamed or linked into the folder are told by name, in order")
  func arrival() throws {
    let root = try Folder(temporary.path)
    let aside = try Folder(making: "tmp", in: root, permissions: 0o700)
    let new = try Folder(making: "new", in: root, permissions: 0o700)
    let watch = try FolderWatch(arrivals)
    let folder = try watch.watch(new)
    let loop = EventLoop(poller: try EpollPoller())
    try watch.start(loop)
    for name in ["one", "two"] { _ = try aside.open(name, [.createNew, .writeOnly], permissions: 0o600) }
    try aside.rename("one", to: "1-one", in: new)
    #expect(try new.link("1-one", to: "1-link"))
    try aside.rename("two", to: "2-two", in: new)
    _ = try new.remove("1-link")
    try new.makeFolder("inner", permissions: 0o700)
    try loop.turn()
    #expect(arrivals.names == ["1-one", "1-link", "2-two"])
    #expect(Set(arrivals.folders) == [folder])
    watch.stop()
  }

  @Test("names of every byte but slash and NUL come through, up to the longest")
  func names() throws {
    let root = try Folder(temporary.path)
    let watch = try FolderWatch(arrivals)
    _ = try watch.watch(root)
    let names = ["a", "\u{1}\n\u{7f}", "🦀é", String(repeating: "x", count: 255)]
    for name in names { _ = try root.open(name, [.createNew, .writeOnly], permissions: 0o600) }
    try watch.drain()
    #expect(arrivals.names == names)
  }

  @Test("drain tells all that happened before it, and several folders are told apart")
  func drain() throws {
    let root = try Folder(temporary.path)
    let first = try Folder(making: "first", in: root, permissions: 0o700)
    let second = try Folder(making: "second", in: root, permissions: 0o700)
    let watch = try FolderWatch(arrivals)
    let folders = try [watch.watch(first), watch.watch(second)]
    #expect(folders[0] != folders[1])
    #expect(try watch.watch(first) == folders[0])
    try watch.drain()
    #expect(arrivals.names.isEmpty)
    // More than one read takes: 64 KiB of records of 16 + 240 bytes.
    let count = 700
    let tail = String(repeating: "x", count: 220)
    for index in 0..<count {
      if index % 2 == 0 {
        _ = try first.open("\(index)-\(tail)", [.createNew, .writeOnly], permissions: 0o600)
      } else {
        _ = try second.open("\(index)-\(tail)", [.createNew, .writeOnly], permissions: 0o600)
      }
    }
    try watch.drain()
    #expect(arrivals.names == (0..<count).map { "\($0)-\(tail)" })
    #expect(arrivals.folders == (0..<count).map { folders[$0 % 2] })
  }

  @Test("draining from inside a callback is harmless, and nothing is told twice")
  func reentry() throws {
    let root = try Folder(temporary.path)
    let watch = try FolderWatch(arrivals)
    _ = try watch.watch(root)
    arrivals.onArrival = { try? watch.drain() }
    for name in ["a", "b"] { _ = try root.open(name, [.createNew, .writeOnly], permissions: 0o600) }
    try watch.drain()
    #expect(arrivals.names == ["a", "b"])
  }

  @Test("the end of the folder itself is told once", arguments: ["removed", "renamed"])
  func gone(_ how: String) throws {
    let root = try Folder(temporary.path)
    try root.makeFolder("new", permissions: 0o700)
    let watch = try FolderWatch(arrivals)
    let folder: WatchedFolder
    do {
      let new = try Folder("new", in: root)
      folder = try watch.watch(new)
    }
    if how == "removed" {
      #expect(unsafe rmdir(temporary.path + "/new") == 0)
    } else {
      try root.rename("new", to: "old")
    }
    let loop = EventLoop(poller: try EpollPoller())
    try watch.start(loop)
    try loop.turn()
    try watch.drain()
    #expect(arrivals.gone == [folder])
    watch.stop()
  }

  @Test("a removed folder that is still open is told of when the last one closes it, and has no links before")
  func removedWhileOpen() throws {
    let root = try Folder(temporary.path)
    try root.makeFolder("new", permissions: 0o700)
    let watch = try FolderWatch(arrivals)
    let folder: WatchedFolder
    do {
      let new = try Folder("new", in: root)
      folder = try watch.watch(new)
      #expect(unsafe rmdir(temporary.path + "/new") == 0)
      try watch.drain()
      #expect(arrivals.gone.isEmpty)
      #expect(try new.descriptor.status().links == 0)
    }
    try watch.drain()
    #expect(arrivals.gone == [folder])
  }

  @Test("a folder that was renamed away is not watched any more")
  func renamedAway() throws {
    let root = try Folder(temporary.path)
    let new = try Folder(making: "new", in: root, permissions: 0o700)
    let watch = try FolderWatch(arrivals)
    _ = try watch.watch(new)
    try root.rename("new", to: "old")
    try watch.drain()
    _ = try new.open("file", [.createNew, .writeOnly], permissions: 0o600)
    try watch.drain()
    #expect(arrivals.names.isEmpty)
    #expect(arrivals.gone.count == 1)
  }

  @Test("an overflow and a cut record mean: scan again")
  func losses() throws {
    let watch = try FolderWatch(arrivals)
    let overflow = record(watch: -1, mask: 0x4000)
    watch.tell(overflow.span)
    #expect(arrivals.losses == 1)
    let cut = Array(record(watch: 1, mask: 0x80, name: "x", padding: 15).dropLast())
    watch.tell(cut.span)
    #expect(arrivals.losses == 2)
    #expect(arrivals.names.isEmpty && arrivals.gone.isEmpty)
  }
}

/// A record as inotify(7) draws it, in native byte order.
func record(watch: Int32, mask: UInt32, name: String = "", padding: Int = 0) -> [UInt8] {
  var bytes: [UInt8] = []
  for word in [UInt32(bitPattern: watch), mask, 0, UInt32(name.utf8.count + padding)] {
    unsafe withUnsafeBytes(of: word) { unsafe bytes.append(contentsOf: $0) }
  }
  return bytes + Array(name.utf8) + Array(repeating: 0, count: padding)
}

@Suite("Inotify records")
struct InotifyRecordTests {
  private func decoded(_ bytes: [UInt8]) -> InotifyRecord? { InotifyRecord(bytes.span) }

  @Test("a record is decoded with its name, without the NULs that fill it up")
  func whole() throws {
    let bytes = record(watch: 3, mask: 0x80, name: "hello", padding: 11)
    let whole = try #require(decoded(bytes))
    #expect(whole.watch == 3)
    #expect(whole.nameCount == 5)
    #expect(whole.byteCount == 32)
    #expect(whole.isArrival && !whole.isOverflow && !whole.isFolderItselfGone)
  }

  @Test("a record cut anywhere is no record")
  func cut() {
    let bytes = record(watch: 3, mask: 0x80, name: "hello", padding: 11)
    for count in 0..<bytes.count {
      #expect(decoded(Array(bytes.prefix(count))) == nil, "\(count) bytes")
    }
    var huge = record(watch: 1, mask: 0x80)
    huge.replaceSubrange(12..<16, with: [0xff, 0xff, 0xff, 0xff])
    #expect(decoded(huge) == nil)
  }

  @Test("overflow, the folder's own end, and folders made inside are told apart from arrivals")
  func kinds() throws {
    // The bits of inotify(7): overflow, delete self, move self, ignored, unmount.
    #expect(try #require(decoded(record(watch: -1, mask: 0x4000))).isOverflow)
    for mask in [0x400, 0x800, 0x8000, 0x2000] as [UInt32] {
      #expect(try #require(decoded(record(watch: 1, mask: mask))).isFolderItselfGone)
    }
    let made = try #require(decoded(record(watch: 1, mask: 0x4000_0100, name: "d", padding: 15)))
    #expect(!made.isArrival)
    let nameless = try #require(decoded(record(watch: 1, mask: 0x100, padding: 16)))
    #expect(!nameless.isArrival)
  }
}
