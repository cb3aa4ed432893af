import Bytes
import Glibc
import System
import TestSupport
import Testing

@Suite("Folder")
struct FolderTests {
  /// The error number with which `body` fails; nil where it does not.
  private func code(_ body: () throws(SystemError) -> Void) -> Int32? {
    do throws(SystemError) { try body() } catch { return error.code }
    return nil
  }

  @Test("Its names are all that is inside, whatever they are called")
  func names() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    #expect(try folder.names() == [])
    let names = ["a", ".hidden", "...", "with space", "日本", "-rf", String(repeating: "x", count: 255)]
    for name in names { _ = try folder.open(name, [.writeOnly, .createNew], permissions: 0o600) }
    try folder.makeFolder("sub", permissions: 0o700)
    #expect(try Set(folder.names()) == Set(names + ["sub"]))
    #expect(try folder.names().count == 8, "asked again, it begins at the beginning")
    for index in 0..<500 { _ = try folder.open("n\(index)", [.writeOnly, .createNew], permissions: 0o600) }
    #expect(try folder.names().count == 508)
  }

  @Test("A name that is no UTF-8 does no harm")
  func strangeName() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let path: [CChar] = temporary.path.utf8CString.dropLast() + [47, -1, 65, 0]
    let descriptor = unsafe creat(path, 0o600)
    try #require(descriptor >= 0)
    close(descriptor)
    #expect(try folder.names() == ["\u{FFFD}A"])
  }

  @Test("What is opened in it is never reached through a link")
  func noLinks() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    try folder.makeFolder("real", permissions: 0o700)
    #expect(unsafe symlink("real", temporary.path + "/link") == 0)
    #expect(unsafe symlink("/dev/null", temporary.path + "/null") == 0)
    #expect(code { () throws(SystemError) in _ = try folder.open("null", .readOnly) } == ELOOP)
    #expect([ELOOP, ENOTDIR].contains(code { () throws(SystemError) in _ = try Folder("link", in: folder) }))
    #expect([ELOOP, ENOTDIR].contains(code { () throws(SystemError) in _ = try Folder(temporary.path + "/link") }))
    #expect(try folder.status(of: "link").mode & S_IFMT == S_IFLNK)
    #expect(try folder.contains("link") == true)
    #expect(try Folder("real", in: folder).path == temporary.path + "/real")
  }

  @Test("It goes on meaning the same folder when that is renamed")
  func renamedFolder() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let inner = try Folder(making: "inner", in: folder, permissions: 0o700)
    try folder.rename("inner", to: "moved")
    _ = try inner.open("file", [.writeOnly, .createNew], permissions: 0o600)
    #expect(try Folder("moved", in: folder).names() == ["file"])
    // Made again, it is another; made twice, it is the same.
    _ = try Folder(making: "inner", in: folder, permissions: 0o700)
    _ = try Folder(making: "inner", in: folder, permissions: 0o700)
    #expect(try Set(folder.names()) == ["inner", "moved"])
  }

  @Test("Rename replaces, link does not, remove says whether there was something")
  func renameLinkRemove() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    setContents(temporary.path + "/a", [1])
    setContents(temporary.path + "/b", [2])
    #expect(try folder.link("a", to: "b") == false)
    #expect(contents(temporary.path + "/b") == [2])
    #expect(try folder.link("a", to: "c") == true)
    #expect(try folder.status(of: "a").links == 2)
    #expect(try folder.status(of: "a").inode == folder.status(of: "c").inode)
    try folder.rename("a", to: "b")
    #expect(contents(temporary.path + "/b") == [1])
    #expect(try folder.contains("a") == false)
    #expect(try folder.remove("a") == false)
    #expect(try folder.remove("b") == true)
    #expect(try folder.names() == ["c"])
    let other = try Folder(making: "other", in: folder, permissions: 0o700)
    try folder.rename("c", to: "d", in: other)
    #expect(try other.names() == ["d"])
    #expect(code { () throws(SystemError) in try folder.rename("nothing", to: "x") } == ENOENT)
    #expect(code { () throws(SystemError) in _ = try folder.link("nothing", to: "x") } == ENOENT)
  }

  @Test("A file's status: its kind, size, mode, and the time it was last written")
  func status() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    let before = SystemClock.wall()
    setContents(temporary.path + "/f", [UInt8](repeating: 1, count: 1234))
    _ = unsafe chmod(temporary.path + "/f", 0o640)
    let status = try folder.status(of: "f")
    #expect(status.isRegular && !status.isFolder && status.size == 1234 && status.mode & 0o777 == 0o640)
    #expect(status.owner == geteuid() && status.links == 1)
    // File times come from a coarser clock.
    #expect(status.modified + .seconds(1) > before && status.modified < SystemClock.wall() + .seconds(1))
    #expect(try folder.descriptor.status().isFolder == true)
    #expect(code { () throws(SystemError) in _ = try folder.status(of: "none") } == ENOENT)
  }

  @Test("An error says what failed, on what, and in the system's words")
  func errorText() throws {
    let temporary = TemporaryFolder()
    let folder = try temporary.open()
    do throws(SystemError) {
      _ = try folder.open("none", .readOnly)
      Issue.record("opened")
    } catch {
      #expect(error == SystemError(code: ENOENT, call: "open", subject: temporary.path + "/none"))
      #expect(error.description == "\(temporary.path)/none: No such file or directory (open)")
    }
    #expect(SystemError(code: ENOSPC, call: "write").description == "No space left on device (write)")
    #expect(SystemError(code: 99_999, call: "x").reason.contains("99999"))
  }
}
