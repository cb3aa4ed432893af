import Bytes
import Glibc
import System
import Testing

@Suite struct EnvironmentTests {
  @Test("the variables of the process are read; an empty one is none")
  func process() {
    unsafe setenv("OPENCLAW_BUS_TEST_FULL", "a b", 1)
    unsafe setenv("OPENCLAW_BUS_TEST_EMPTY", "", 1)
    #expect(Environment.process.text("OPENCLAW_BUS_TEST_FULL") == "a b")
    #expect(Environment.process.text("OPENCLAW_BUS_TEST_EMPTY") == nil)
    #expect(Environment.process.bytes("OPENCLAW_BUS_TEST_NONE") == nil)
  }

  @Test("the nearest word is the one with the fewest slips, or none")
  func nearest() {
    let words = ["check", "get", "status", "clear", "redis_url"]
    for (word, expected) in [
      ("chekc", "check"), ("gte", "get"), ("statsu", "status"), ("clera", "clear"), ("redis-url", "redis_url"),
      ("redisurl", "redis_url"), ("stat", "status"), ("ge", "get"), ("xyz", nil), ("", nil), ("c", nil),
      (String(repeating: "get", count: 1000), nil), ("🦞", nil),
    ] { #expect(Nearest.match(word, among: words) == expected, "\(word)") }
    #expect(Nearest.match("get", among: []) == nil)
    #expect(Nearest.match("get", among: [""]) == nil)
  }
}
