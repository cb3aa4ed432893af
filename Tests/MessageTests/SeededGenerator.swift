internal import Glibc

/// SplitMix64. The seed is the process's time, or `TEST_SEED`, and stands in every failure.
struct SeededGenerator: RandomNumberGenerator {
  let seed: UInt64
  private var state: UInt64

  init() {
    let given = unsafe getenv("TEST_SEED").flatMap { unsafe UInt64(String(cString: $0)) }
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    seed = given ?? UInt64(truncatingIfNeeded: time.tv_sec &* 1_000_000_000 &+ time.tv_nsec)
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }

  /// A text of up to `length` scalars from every plane, with many that JSON treats specially.
  mutating func text(upTo length: Int) -> String {
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
