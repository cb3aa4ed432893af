package import Bytes

/// The payload that RingStress gives the record `sequence`.
package func stressPayload(_ sequence: UInt64, into buffer: inout ByteBuffer) {
  buffer.removeAll()
  var state = sequence &* 0x9E37_79B9_7F4A_7C15
  state ^= state >> 29
  let count = Int(state % 400)
  for _ in 0..<count {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    buffer.append(UInt8(truncatingIfNeeded: state >> 33))
  }
}
