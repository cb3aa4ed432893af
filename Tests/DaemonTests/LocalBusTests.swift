import Daemon
import EventLoop
import Outbox
import Ring
import Settings
import System
import TestSupport
import Testing

@Suite("The daemon without Redis")
struct LocalBusTests {
  @Test("puts what is sent into the queue in order, and takes the files away")
  func delivers() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    let objects = (0..<20).map { message("\($0)") }
    try test.send(Array(objects[..<12]))
    try test.run()
    try test.send(Array(objects[12...]))
    try test.run()
    let found = try test.queue()
    let left = try test.files("new")
    #expect(found == objects && left == [])
  }

  @Test("delivers what waited before it was started")
  func waited() throws {
    let first = try SimulatedDaemon(isLocal: true)
    try first.start()
    try first.send(message("a"))
    try first.run()
    first.daemon.end()
    // The same outbox, as a second daemon finds it.
    let second = try SimulatedDaemon(isLocal: true)
    second.shell("cp -a '\(first.temporary.path)/outbox' .")
    try first.send(message("x"), message("y"))
    second.shell("cp -a '\(first.temporary.path)'/outbox/new/* outbox/new/")
    try second.start()
    let found = try second.queue()
    #expect(found == [message("x"), message("y")])
  }

  @Test("more than it takes in one turn comes all the same, in order and without a pause")
  func many() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    let objects = (0..<1500).map { message("\($0)") }
    try test.send(objects)
    let turns = try test.run()
    let found = try test.queue()
    #expect(found == objects)
    #expect(turns < 30)
  }

  @Test("what is no message goes to failed/ with its reason, and what is around it is delivered")
  func notMessages() throws {
    let test = try SimulatedDaemon(isLocal: true, messageBytes: 1000)
    try test.start()
    let large = message(String(repeating: "x", count: 1000))
    try test.send(message("a"), "garbage", #"{"text":"nobody"}"#, large, message("b"))
    try test.run()
    let found = try test.queue()
    let failed = try test.files("failed")
    #expect(found == [message("a"), message("b")])
    #expect(failed.count == 6 && failed.filter { $0.hasSuffix(".reason") }.count == 3)
    let reasons = failed.filter { $0.hasSuffix(".reason") }.map {
      String(decoding: contents(test.temporary.path + "/outbox/failed/" + $0), as: UTF8.self)
    }
    #expect(reasons[0].hasPrefix("not a message: it is not valid JSON"))
    #expect(reasons[1] == "not a message: it has no member \"from\"\n")
    #expect(reasons[2] == "larger than 1000 bytes\n")
    #expect(test.log().count == 3)
    #expect(try test.status().lost == 0, "a message that was never sent is not lost to anybody")
  }

  @Test("takes `bus` out of what a sender gives")
  func reserved() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    try test.send(#"{"from":"a","bus":"forged","text":"b"}"#)
    try test.run()
    let found = try test.queue()
    #expect(found == [#"{"from":"a","text":"b"}"#])
  }

  @Test("when idle turns once in 30 s and never else")
  func idle() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    #expect(try test.run(for: .seconds(3000)) == 100)
    try test.send(message("a"))
    try test.run()
    #expect(try test.run(for: .seconds(3000)) == 100, "and after work just the same")
  }

  // MARK: The folders

  @Test(
    "makes an outbox anew that was removed, and goes on, at the next heartbeat at the latest",
    arguments: [
      "rm -r outbox", "rm -r outbox/new", "rm -r outbox/tmp", "mv outbox aside", "mv outbox/new aside",
      "mv outbox aside; cp -a aside outbox",
    ])
  func removed(command: String) throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    try test.send(message("before"))
    try test.run()
    test.shell(command)
    try test.run(for: .seconds(31))
    try test.send(message("after"))
    try test.run()
    let found = try test.queue()
    #expect(found == [message("before"), message("after")])
    #expect(test.log().count == 1)
    #expect(try test.run(for: .seconds(3000)) == 100, "and it is quiet afterwards")
  }

  @Test("delivers what lies in a folder that was put in the outbox's place")
  func replaced() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    test.shell("cp -a outbox aside")
    try test.send(message("first"))
    test.shell("cp -a outbox/new/* aside/new/ && mv outbox gone && mv aside outbox")
    try test.run(for: .seconds(31))
    let found = try test.queue()
    #expect(found.contains(message("first")))
    let left = try test.files("new")
    #expect(left == [])
  }

  @Test("tries again with pauses while the outbox cannot be made, says so once, and works when it can")
  func cannotReopen() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    test.shell("rm -r outbox && echo in the way > outbox")
    let turns = try test.run(for: .seconds(3600))
    // 120 heartbeats, and tries at most once a minute after the first few.
    #expect(turns < 120 + 80)
    #expect(test.log().count <= 4, "\(test.log())")
    test.shell("rm outbox")
    try test.run(for: .seconds(61))
    try test.send(message("after"))
    try test.run()
    let found = try test.queue()
    #expect(found == [message("after")])
  }

  @Test("what killed senders left is cleared away at start and hourly")
  func tidies() throws {
    let test = try SimulatedDaemon(isLocal: true)
    test.shell("mkdir -p outbox/tmp && touch -d @1500000000 outbox/tmp/a")
    try test.start()
    #expect(try test.files("tmp") == [])
    test.shell("touch -d @1500000000 outbox/tmp/b")
    try test.run(for: .seconds(3599))
    #expect(try test.files("tmp") == ["b"])
    try test.run(for: .seconds(1))
    #expect(try test.files("tmp") == [])
  }

  // MARK: The status page

  @Test("says who it is and how it is, and every 30 s that it lives")
  func status() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    let begin = test.world.wallClock() / 1000
    var page = try test.status()
    #expect(page.pid == 4711 && page.startedAt == begin && page.heartbeatAt == begin && !page.isStopped)
    #expect(page.redis == .off && page.redisError == "")
    try test.send(message("a"), message("b"), message("c"))
    try test.run(for: .seconds(29))
    #expect(try test.status().heartbeatAt == begin)
    try test.run(for: .seconds(1))
    page = try test.status()
    #expect(page.heartbeatAt == begin + 30_000_000)
    #expect(page.received == 3 && page.published == 3 && page.lost == 0)
    test.daemon.end()
    page = try test.status()
    #expect(page.isStopped && page.startedAt == begin)
  }

  @Test("a clock that was set back or forward stops nothing")
  func clock() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    for offset: UInt64 in [0, 1_000, 1 << 62, 1_700_000_000_000_000_000] {
      test.world.wallOffset = offset
      try test.send(message("\(offset)"))
      #expect(try test.run(for: .seconds(7200)) < 300)
    }
    let found = try test.queue()
    #expect(found.count == 4)
  }

  // MARK: Signals

  @Test("SIGHUP names what a restart would change, and leaves the rest in force")
  func reload() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    test.daemon.received(.hangUp)
    #expect(test.log() == [] && test.log(.notice).last == "configuration read again")
    test.configuration?.channel = "other"
    test.configuration?.queueBytes = 1 << 26
    test.daemon.received(.hangUp)
    #expect(
      test.log() == [
        "channel has changed: restart clawd for it to take effect",
        "queue_bytes has changed: restart clawd for it to take effect",
      ])
    test.configuration = nil
    test.daemon.received(.hangUp)
    #expect(
      test.log(.error) == ["the configuration cannot be used, and the one before stays in force: line 3 is wrong"])
    try test.send(message("a"))
    try test.run()
    #expect(try test.queue().count == 1)
  }

  @Test("a message that it died with between the queue and its file is not delivered again, and the next one is")
  func diedInBetween() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    try test.send(numbered(1))
    test.shell("cp -a outbox aside")
    try test.run()
    test.kill()
    test.shell("rm -r outbox; mv aside outbox")
    try test.send(numbered(2))
    try test.startAgain()
    #expect(try test.queue() == [numbered(1), numbered(2)])
    #expect(try test.files("new") == [])
  }

  @Test("ends, and says why, when the queue was taken away under it")
  func queueTakenAway() throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    try test.run(for: .seconds(31))
    #expect(!test.daemon.lostItsFiles)
    test.filesAreInPlace = false
    try test.run(for: .seconds(31))
    #expect(test.daemon.lostItsFiles)
    #expect(test.log(.error).count == 1)
  }

  @Test("SIGTERM and SIGINT end the loop", arguments: [true, false])
  func stops(isTerminate: Bool) throws {
    let test = try SimulatedDaemon(isLocal: true)
    try test.start()
    test.daemon.received(isTerminate ? .terminate : .interrupt)
    try test.loop.run()
    test.daemon.end()
    #expect(try test.status().isStopped)
  }
}
