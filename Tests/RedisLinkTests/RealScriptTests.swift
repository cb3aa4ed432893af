import Bytes
import Network
import RedisLink
import System
import TestSupport
import Testing

/// The script on a redis-server, which alone says what it does.
@Suite("The script that publishes, run by a real redis-server")
struct RealScriptTests {
  private let meta = "{openclaw-chat}:meta"
  private let stream = "{openclaw-chat}:stream"

  private func started(_ login: RedisLogin = RedisLogin(), streamMaxLength: Int = 10_000) throws -> RealLinks {
    let test = try RealLinks(login: login, streamMaxLength: streamMaxLength)
    return test
  }

  /// A user with these rights beside those that the link needs anyway, and links that log in as that user.
  private func restricted(_ rules: [String]) throws -> RealLinks {
    let test = try RealLinks(login: RedisLogin(user: "u", password: "secret of the test"))
    try test.redis.command(["ACL", "SETUSER", "u", "on", ">secret of the test", "~*", "&*", "+@all"] + rules)
    try test.start()
    return test
  }

  @Test("stores, numbers and announces in order, with an epoch of our own making")
  func normal() throws {
    let test = try started()
    try test.start()
    let objects = ["{\"text\":\"a\"}", "{\"text\":\"é\\r\\n\\u0000 $1 %s\"}", "{\"bus\":\"forged\",\"text\":\"}\"}"]
    let outcomes = try test.publish(objects)
    #expect(outcomes.map(\.number) == [1, 2, 3] && outcomes.allSatisfy(\.isArrived))
    try test.turn { test.logs[0].messages.count == 3 }
    let answer = try test.fetch(.meta)
    let epoch = String(answer.split(separator: " ")[1])
    #expect(answer == "meta \(epoch) 3" && epoch.utf8.count == 32)
    var page: [String] = []
    var previous = "0-0"
    for (index, outcome) in outcomes.enumerated() {
      guard case .stored(let number, let id, _, _) = outcome else { return }
      let bus = "\(epoch):\(number):\(id.text):\(previous)"
      #expect(test.logs[0].messages[index] == "\(objects[index].dropLast()),\"bus\":\"\(bus)\"}")
      previous = id.text
      page.append("\(id.text)=\(objects[index])")
    }
    #expect(try test.fetch(.page(from: .zero, count: 10)) == "page \(page.joined(separator: " "))")
    #expect(try test.fetch(.newest(before: nil, count: 1)) == "page \(page[2])")
    #expect(try test.publish([objects[0]]).map(\.number) == [4])
    #expect(try test.fetch(.meta) == "meta \(epoch) 4")
  }

  @Test("keeps about as many messages as the stream is set to")
  func maximumLength() throws {
    let test = try started(streamMaxLength: 200)
    try test.start()
    for _ in 0..<20 {
      let outcomes = try test.publish((0..<64).map { object("\($0)") })
      #expect(outcomes.allSatisfy { $0.isArrived })
    }
    let length = Int(try test.fetch(.length).split(separator: " ")[1]) ?? 0
    // Redis trims by whole nodes of 100 entries.
    #expect((200..<400).contains(length))
    #expect(try test.fetch(.trim(to: 150)).hasSuffix(" \(length - 150)"))
    #expect(try test.fetch(.length) == "length 150")
  }

  @Test("finds what an earlier call has stored behind the named entry, and stores only the rest")
  func found() throws {
    let test = try started()
    try test.start()
    let first = try test.publish(["a", "b", "c"].map(object))
    guard case .stored(_, let id, _, _) = first[0], case .stored(_, let last, _, _) = first[2] else { return }
    let again = try test.publish(["a", "b", "x", "c"].map(object), after: id)
    #expect(again.map(\.number) == [4, nil, 5, nil], "what stands at that place and before it is not looked at")
    #expect(again[3] == .found(last))
    #expect(try test.fetch(.length) == "length 5")
    try test.redis.command(["XADD", stream, "*", "x", "y", "m", object("plain")])
    let plain = try test.publish([object("plain")], after: last)
    guard case .found = plain.first else {
      Issue.record("\(plain)")
      return
    }
  }

  @Test("is loaded again after SCRIPT FLUSH, and nothing is lost or stored twice")
  func scriptFlush() throws {
    let test = try started()
    try test.start()
    for round in 0..<3 {
      let outcomes = try test.publish([object("\(round)"), object("\(round)b")])
      #expect(outcomes.map(\.number) == [UInt64(2 * round + 1), UInt64(2 * round + 2)])
      try test.redis.command(["SCRIPT", "FLUSH"])
    }
    #expect(try test.fetch(.length) == "length 6" && test.logs[0].events == ["ready"])
  }

  @Test("says of each message that it is stored and not announced where an ACL refuses the channel")
  func channelRefused() throws {
    let test = try restricted(["resetchannels", "&{openclaw-chat}:probe", "&openclaw-chat", "-publish"])
    let outcomes = try test.publish([object("a"), object("b")])
    for (index, outcome) in outcomes.enumerated() {
      guard case .stored(let number, _, announced: false, let text) = outcome else {
        Issue.record("\(outcome)")
        return
      }
      #expect(number == UInt64(index + 1) && text.contains("can't"))
    }
    #expect(outcomes.count == 2 && test.logs[0].messages == [])
    #expect(try test.fetch(.length) == "length 2" && test.links[0].isReady)
    #expect(try test.fetch(.meta).hasSuffix(" 2"))
  }

  @Test(
    "gives way to single commands where an ACL refuses EVAL and EVALSHA",
    arguments: [["-evalsha"], ["-evalsha", "-eval"]])
  func scriptsRefused(rights: [String]) throws {
    let hasScript = rights.count == 1
    let test = try restricted(rights)
    let objects = (0..<10).map { object("\($0)") }
    let outcomes = try test.publish(objects)
    #expect(outcomes.allSatisfy(\.isArrived) && outcomes.map(\.number) == (1...10).map { hasScript ? $0 : 0 })
    try test.turn { test.logs[0].messages.count == 10 }
    #expect(test.logs[0].withoutScript.count == (hasScript ? 0 : 1) && test.links[0].storesWithoutScript != hasScript)
    if !hasScript { #expect(test.logs[0].messages == objects) }
    #expect(try test.fetch(.length) == "length 10")
    let again = try test.publish(["{\"n\":1}"])
    #expect(again.allSatisfy { $0.isArrived })
  }

  @Test("is refused as a whole, as a lack of rights, where a command in it is not permitted before anything is stored")
  func commandRefused() throws {
    let test = try restricted(["-hmget"])
    #expect(try test.publish([object("a")]) == [])
    #expect(test.logs[0].refused.map(\.kind) == [.permission] && test.logs[0].withoutScript.isEmpty)
    try test.redis.command(["ACL", "SETUSER", "u", "+hmget", "-xadd"])
    test.logs[0].refused = []
    let outcomes = try test.publish([object("a"), object("b")])
    #expect(outcomes.map(\.refusal) == [.permission, nil] && outcomes.last == .notTried)
    #expect(try test.fetch(.length) == "length 0")
  }

  @Test("announces nothing with a number that could not be written")
  func numberNotWritten() throws {
    let test = try restricted([])
    _ = try test.publish([object("a")])
    try test.turn { test.logs[0].messages.count == 1 }
    try test.redis.command(["ACL", "SETUSER", "u", "-hset"])
    let outcomes = try test.publish([object("b"), object("c")])
    #expect(outcomes.map(\.number) == [2, 3] && !outcomes.contains(where: \.isArrived))
    #expect(test.logs[0].messages.count == 1)
  }

  @Test("is held where Redis has no memory left, and stores nothing then")
  func outOfMemory() throws {
    let test = try started()
    try test.start()
    _ = try test.publish([object("a")])
    try test.redis.command(["CONFIG", "SET", "maxmemory", "1"])
    let outcomes = try test.publish([object("b"), object("c")])
    #expect(outcomes.map(\.refusal) == [.storage, nil] || test.logs[0].refused.map(\.kind) == [.storage])
    try test.turn { test.logs[0].events.contains("held") }
    #expect(test.logs[0].holds.first?.kind == .storage && !test.links[0].canPublish)
    try test.redis.command(["CONFIG", "SET", "maxmemory", "0"])
    try test.turn { test.links[0].canPublish }
    #expect(try test.publish([object("b")]).map(\.number) == [2])
  }

  @Test(
    "goes on behind the stream's last number where the meta hash has none that can be, and makes an epoch where there is none"
  )
  func damagedMeta() throws {
    let test = try started()
    try test.start()
    _ = try test.publish((0..<5).map { object("\($0)") })
    let epoch = try test.fetch(.meta).split(separator: " ")[1]
    var number: UInt64 = 5
    for damage in ["rubbish", "", "-1", "1.5", "1e3", "0x10", "9007199254740992", "99999999999999999999", "nan", " 7"] {
      try test.redis.command(["HSET", meta, "seq", damage])
      number += 1
      #expect(try test.publish([object(damage)]).map(\.number) == [number], "\(damage)")
    }
    try test.redis.command(["HDEL", meta, "seq"])
    #expect(try test.publish([object("x")]).map(\.number) == [number + 1])
    #expect(try test.fetch(.meta) == "meta \(epoch) \(number + 1)")
    for damage in ["rubbish", epoch.uppercased() + "A", String(repeating: "g", count: 32)] {
      try test.redis.command(["HSET", meta, "epoch", damage])
      _ = try test.publish([object("x")])
      let other = try test.fetch(.meta).split(separator: " ")[1]
      #expect(other != epoch && other != "none", "\(damage)")
    }
    try test.redis.command(["FLUSHALL"])
    #expect(try test.publish([object("x")]).map(\.number) == [1])
    #expect(try test.fetch(.meta).split(separator: " ")[1] != epoch)
  }

  @Test("writes numbers as whole numbers, however large", arguments: [99_999_999_999_999, 9_007_199_254_740_990])
  func largeNumbers(before: UInt64) throws {
    let test = try started()
    try test.start()
    _ = try test.publish([object("a")])
    try test.redis.command(["HSET", meta, "seq", "\(before)"])
    #expect(try test.publish([object("b"), object("c")]).map(\.number) == [before + 1, before + 2])
    try test.turn { test.logs[0].messages.count == 3 }
    #expect(test.logs[0].messages[1].contains(":\(before + 1):"))
    #expect(try test.fetch(.meta).hasSuffix(" \(before + 2)"))
  }

  @Test("is refused where the stream or the meta hash is something else")
  func wrongType() throws {
    let test = try started()
    try test.start()
    try test.redis.command(["SET", stream, "x"])
    #expect(try test.publish([object("a")]) == [] && test.logs[0].refused.map(\.kind) == [.other])
    #expect(try test.fetch(.length).hasPrefix("refused"))
    #expect(test.links[0].isReady)
  }

  @Test("a message longer than the server takes is refused before it closes the connection")
  func tooLarge() throws {
    let test = try started()
    try test.start()
    _ = try test.publish([object("a")])
    try test.redis.command(["CONFIG", "SET", "proto-max-bulk-len", "\(1024 * 1024)"])
    #expect(try test.publish([object(String(repeating: "x", count: 4_000_000))]) == [])
    #expect(test.logs[0].refused.map(\.kind) == [.tooLarge])
    try test.turn { test.logs[0].events == ["ready", "down", "ready"] }
    #expect(try test.publish([object("b")]).map(\.number) == [2])
  }
}
