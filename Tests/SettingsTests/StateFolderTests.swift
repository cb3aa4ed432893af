import Glibc
import Settings
import System
import TestSupport
import Testing

@Suite struct StateFolderTests {
  private func mode(_ path: String) -> UInt32 {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
  }

  private func errorOpening(_ path: String, create: Bool = false, shareGroup: Bool = false) -> StateFolderError? {
    do throws(StateFolderError) {
      _ = try StateFolder(path: path, create: create, shareGroup: shareGroup)
      return nil
    } catch {
      return error
    }
  }

  @Test("the flag wins over the variables, those over the XDG folder, that over the home")
  func location() throws {
    let all = [
      "OPENCLAW_BUS_STATE_DIR": "/own", "XDG_STATE_HOME": "/xdg", "HOME": "/home/bob",
    ]
    func locate(_ flag: String?, without removed: [String] = [], _ changed: [String: String] = [:]) throws -> String {
      let values = all.filter { !removed.contains($0.key) }.merging(changed) { $1 }
      return try StateFolder.locate(flag: flag, environment: Environment(values))
    }
    #expect(try locate("rel/dir") == "rel/dir")
    #expect(try locate(nil) == "/own")
    #expect(try locate(nil, without: ["OPENCLAW_BUS_STATE_DIR"]) == "/xdg/openclaw-bus")
    #expect(try locate(nil, ["OPENCLAW_BUS_STATE_DIR": ""]) == "/xdg/openclaw-bus")
    let home = "/home/bob/.local/state/openclaw-bus"
    #expect(try locate(nil, ["OPENCLAW_BUS_STATE_DIR": "", "XDG_STATE_HOME": "relative"]) == home)
    #expect(try locate(nil, without: ["OPENCLAW_BUS_STATE_DIR", "XDG_STATE_HOME"]) == home)
    #expect(throws: StateFolderError.self) {
      try locate(nil, without: ["OPENCLAW_BUS_STATE_DIR", "XDG_STATE_HOME", "HOME"])
    }
    #expect(throws: StateFolderError.self) { try locate("") }
  }

  @Test("making it makes its parents, all closed to others, and a second time finds it")
  func create() throws {
    let temporary = TemporaryFolder()
    let path = temporary.path + "/a/b//c/"
    #expect(errorOpening(path) == .missing(path: temporary.path + "/a/b//c"))
    #expect(errorOpening(path, create: true) == nil)
    for made in ["/a", "/a/b", "/a/b/c"] { #expect(mode(temporary.path + made) == 0o700) }
    #expect(errorOpening(path, create: true) == nil)
    #expect(errorOpening(path) == nil)
  }

  @Test("a shared folder belongs to the group, whatever the creation mask")
  func createShared() throws {
    let temporary = TemporaryFolder()
    let path = temporary.path + "/shared"
    #expect(errorOpening(path, create: true, shareGroup: true) == nil)
    #expect(mode(path) == 0o2770)
    // Without `share_group` the same folder is too open.
    #expect(errorOpening(path) == .writableByOthers(path: path, mend: 0o700))
    #expect(StateFolder.filePermissions(shareGroup: true) == 0o660)
    #expect(StateFolder.filePermissions(shareGroup: false) == 0o600)
  }

  @Test("a folder that others may write to is refused with the command that mends it")
  func writable() throws {
    let temporary = TemporaryFolder()
    for mode: UInt32 in [0o777, 0o702, 0o770, 0o1777] {
      unsafe chmod(temporary.path, mode)
      let error = try #require(errorOpening(temporary.path))
      #expect(error.exitCode == 77)
      #expect(error.whatToDo == "chmod 700 \(temporary.path)")
    }
    unsafe chmod(temporary.path, 0o777)
    #expect(errorOpening(temporary.path, shareGroup: true)?.whatToDo == "chmod 2770 \(temporary.path)")
    // Others may look, as far as this check goes: the files inside are closed.
    unsafe chmod(temporary.path, 0o755)
    #expect(errorOpening(temporary.path) == nil)
    unsafe chmod(temporary.path, 0o700)
  }

  @Test("a symbolic link is refused, with or without a final slash, and so is a file")
  func links() throws {
    let temporary = TemporaryFolder()
    let real = temporary.path + "/real"
    let link = temporary.path + "/link"
    #expect(errorOpening(real, create: true) == nil)
    unsafe symlink(real, link)
    #expect(errorOpening(link) == .symbolicLink(path: link))
    #expect(errorOpening(link + "//", create: true) == .symbolicLink(path: link))
    let file = temporary.write("file", "")
    #expect(errorOpening(file) == .notFolder(path: file))
    #expect(errorOpening(file, create: true)?.exitCode == 77)
    #expect(errorOpening(file + "/below", create: true)?.exitCode == 77)
    #expect(errorOpening(temporary.path + "/none")?.exitCode == 66)
    #expect(errorOpening(temporary.path + "/" + String(repeating: "n", count: 300))?.exitCode == 74)
  }

  @Test("another user's folder is refused; a shared one is welcome where its group has every right")
  func foreign() throws {
    // Only root can give a folder away; for anyone else the root of the file system is someone else's.
    let temporary = TemporaryFolder()
    guard geteuid() == 0 else {
      #expect(errorOpening("/") == .foreign(path: "/"))
      return
    }
    let path = temporary.path + "/theirs"
    #expect(errorOpening(path, create: true) == nil)
    unsafe chown(path, 12345, 12345)
    #expect(errorOpening(path) == .foreign(path: path))
    #expect(errorOpening(path, shareGroup: true) == .foreign(path: path))
    unsafe chmod(path, 0o2770)
    #expect(errorOpening(path, shareGroup: true) == nil)
  }

  @Test("the daemon is running exactly while another holds the lock, and asking does not take it")
  func presence() throws {
    let temporary = TemporaryFolder()
    let state = try StateFolder(path: temporary.path, create: false, shareGroup: false)
    #expect(try state.daemonPresence() == .neverRan)
    do {
      let lock = try state.folder.open(
        StateFolder.lockFile, [.readWrite, .create], permissions: state.filePermissions)
      #expect(try state.daemonPresence() == .stopped)
      #expect(try lock.lockExclusively())
      #expect(try state.daemonPresence() == .running)
      #expect(try state.daemonPresence() == .running)
    }
    #expect(try state.daemonPresence() == .stopped)
  }

  @Test("a lock file that is something else is a fault, not an absent daemon")
  func lockIsLink() throws {
    let temporary = TemporaryFolder()
    let state = try StateFolder(path: temporary.path, create: false, shareGroup: false)
    unsafe symlink("/dev/null", temporary.path + "/" + StateFolder.lockFile)
    #expect(throws: StateFolderError.self) { try state.daemonPresence() }
  }
}
