internal import Bytes
internal import System

/// The kernel's random id of the machine's present start (/proc/sys/kernel/random/boot_id): a UUID, 128 bits.
struct BootID: Equatable {
  var high: UInt64 = 0
  var low: UInt64 = 0

  static func current() throws(SystemError) -> BootID {
    let folder = try Folder("/proc/sys/kernel/random")
    let file = try folder.open("boot_id", [.readOnly])
    var text = ByteBuffer(capacity: 64)
    _ = try file.readWhole(limit: 64, into: &text)
    var id = BootID()
    let bytes = text.readable
    for index in bytes.indices {
      guard let digit = Hex.value(bytes[index]) else { continue }
      id.high = id.high << 4 | id.low >> 60
      id.low = id.low << 4 | UInt64(digit)
    }
    return id
  }

  init() {}

  init(in mapping: borrowing SharedMapping) {
    high = mapping.loadRelaxed(QueueLayout.bootHighOffset)
    low = mapping.loadRelaxed(QueueLayout.bootLowOffset)
  }

  func note(in mapping: borrowing SharedMapping) {
    // Release: on the disk's side nothing pairs with it; among processes only the next writer reads it, after the lock.
    mapping.storeReleasing(high, QueueLayout.bootHighOffset)
    mapping.storeReleasing(low, QueueLayout.bootLowOffset)
  }
}
