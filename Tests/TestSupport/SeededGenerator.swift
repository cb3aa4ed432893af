internal import Glibc

/// A deterministic generator (splitmix64), so that a failure can be had again from its seed.
package struct SeededGenerator: RandomNumberGenerator, Sendable, CustomStringConvertible {
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

  /// What to set to have the same numbers again.
  package var description: String { "OPENCLAW_BUS_TEST_SEED=\(seed)" }

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

  /// A text of up to `length` scalars from every plane, with many that JSON treats specially.
  package mutating func text(upTo length: Int) -> String {
    var scalars = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0...length, using: &self) {
      let value: UInt32
      switch UInt8.random(in: 0..<8, using: &self) {
      case 0: value = UInt32.random(in: 0..<0x20, using: &self)
      case 1: value = UInt32.random(in: 0x7F...0xA0, using: &self)
      case 2: value = ([0x22, 0x5C, 0x2F, 0x2028, 0xFEFF] as [UInt32]).randomElement(using: &self) ?? 0
      case 3: value = UInt32.random(in: 0xFFF0...0x1_000F, using: &self)
      case 4: value = UInt32.random(in: 0...0x10, using: &self) << 16 | UInt32.random(in: 0...0xFFFF, using: &self)
      default: value = UInt32.random(in: 0x20..<0x7F, using: &self)
      }
      if let scalar = Unicode.Scalar(value) { scalars.append(scalar) }
    }
    return String(scalars)
  }
}
