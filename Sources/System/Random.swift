internal import CLinux
internal import Glibc

/// Random bits from the kernel (getrandom(2)); blocks only in the first moments of a machine's life.
package func systemRandom() throws(SystemError) -> UInt64 {
  var value: UInt64 = 0
  let count = try systemCall("getrandom") {
    unsafe getrandom(&value, MemoryLayout<UInt64>.size, 0)
  }
  guard count == MemoryLayout<UInt64>.size else { throw SystemError(code: EIO, call: "getrandom") }
  return value
}
