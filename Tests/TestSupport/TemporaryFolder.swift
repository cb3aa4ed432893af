import Glibc
package import System

/// A folder of a test's own, removed with all it holds when the test lets go of it.
package final class TemporaryFolder: Sendable {
  package let path: String

  package init() {
    var template = Array("/tmp/openclaw-bus-test-XXXXXX".utf8CString)
    guard let made = unsafe mkdtemp(&template) else { fatalError("mkdtemp: error \(errno)") }
    path = unsafe String(cString: made)
  }

  deinit { _ = run("/bin/rm", ["-rf", path]) }

  package func open() throws -> Folder { try Folder(path) }
}

/// A deterministic generator (splitmix64), so that a failure can be had again from its seed.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  package let seed: UInt64
  private var state: UInt64

  package init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  /// The seed from `OPENCLAW_BUS_TEST_SEED`, else a fresh one. Print it with every failure.
  package init() {
    if let text = unsafe getenv("OPENCLAW_BUS_TEST_SEED"), let seed = UInt64(unsafe String(cString: text)) {
      self.init(seed: seed)
    } else {
      self.init(seed: UInt64.random(in: 0...UInt64.max))
    }
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

extension RandomNumberGenerator {
  /// `count` random bytes.
  package mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}
