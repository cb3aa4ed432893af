package import Bytes
internal import JSON

extension MessageMembers {
  /// Appends the object as its sender gave it, as the function below does; without looking at it once more where `bus` stands
  /// as the publish script puts it there, alone and last.
  ///
  /// - Parameter bytes: those that the members were found in.
  package func appendSenderObject(of bytes: borrowing Span<UInt8>, to buffer: inout ByteBuffer) throws(MessageFault) {
    let front: StaticString = ",\"bus\":"
    guard let bus, !repeatsBus, bus.end == bytes.count - 1, bus.start > front.utf8CodeUnitCount,
      equal(bytes.extracting((bus.start - front.utf8CodeUnitCount)..<bus.start), front)
    else { return try Self.appendSenderObject(of: bytes, to: &buffer) }
    buffer.append(contentsOf: bytes.extracting(0..<(bus.start - front.utf8CodeUnitCount)))
    buffer.append(UInt8(ascii: "}"))
  }

  /// Appends the object as its sender gave it: `bytes` without its `bus` members, everything else byte for byte.
  ///
  /// What the publish script adds, `,"bus":"..."` before the closing bracket, is taken out exactly.
  ///
  /// - Throws: `notJSON` or `notObject`; then nothing was appended. That it is a message is not asked.
  package static func appendSenderObject(
    of bytes: borrowing Span<UInt8>, to buffer: inout ByteBuffer
  ) throws(MessageFault) {
    let before = buffer.count
    do throws(JSONFault) {
      try appendWithoutBus(bytes, to: &buffer)
    } catch {
      buffer.truncate(to: before)
      throw MessageFault(error, of: bytes)
    }
  }

  private static func appendWithoutBus(
    _ bytes: borrowing Span<UInt8>, to buffer: inout ByteBuffer
  ) throws(JSONFault) {
    buffer.reserve(bytes.count)
    // Bytes before this one are appended or left out.
    var done = 0
    var previousEnd = 0
    var hasKept = false
    // A member left out takes the comma before it along; one that has no kept member before it, the comma behind it.
    var dropsToNext = false
    var scanner = try JSONObjectScanner(copy bytes)
    while let member = try scanner.next() {
      if dropsToNext { done = member.start }
      dropsToNext = false
      if MemberName(member, in: bytes) == .bus {
        let cut = hasKept ? comma(in: bytes, from: previousEnd) : member.start
        buffer.append(contentsOf: bytes.extracting(done..<cut))
        done = member.value.end
        dropsToNext = !hasKept
      } else {
        hasKept = true
      }
      previousEnd = member.value.end
    }
    buffer.append(contentsOf: bytes.extracting(done..<bytes.count))
  }

  /// The comma that the scanner has passed over behind the value that ends at `start`: only white space is before it.
  private static func comma(in bytes: borrowing Span<UInt8>, from start: Int) -> Int {
    var index = start
    while bytes[index] != UInt8(ascii: ",") { index += 1 }
    return index
  }
}
