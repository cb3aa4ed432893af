internal import Bytes
internal import Glibc
internal import System

extension OutboxDrain {
  /// What a name in `new/` turned out to be.
  enum Loaded {
    case message
    /// Can never be sent; `counted` is its size where a sender may have claimed it, else nil.
    case refused(OutboxReason, counted: UInt64?)
    case vanished
  }

  /// Appends the content of `name` to `buffer`. Throws where trying later may help; the caller truncates `buffer`
  /// unless the outcome is `message`.
  func load(_ name: OutboxName, into buffer: inout ByteBuffer) throws(SystemError) -> Loaded {
    let text = name.text
    let file: FileDescriptor
    do {
      // Non-blocking: opening a pipe must not wait for its writer.
      file = try new.open(text, [.readOnly, .nonBlocking])
    } catch {
      switch error.code {
      case ENOENT: return .vanished
      case ELOOP, ENXIO, ENODEV: return .refused(.notRegularFile, counted: nil)
      case EACCES, EPERM: return .refused(.unreadable, counted: try sizeIfRegular(text))
      default: throw error
      }
    }
    let status = try file.status(text)
    let size = UInt64(clamping: status.size)
    guard status.isRegular else { return .refused(.notRegularFile, counted: nil) }
    guard access.isShared || status.owner == owner else {
      return .refused(.foreignOwner(status.owner), counted: size)
    }
    let limit = maximumMessageBytes
    guard status.size <= limit else { return .refused(.tooLarge(limit: limit), counted: size) }
    let start = buffer.count
    // It may have grown since.
    guard try file.readWhole(limit: limit, into: &buffer, text) else {
      return .refused(.tooLarge(limit: limit), counted: size)
    }
    return buffer.count == start ? .refused(.empty, counted: size) : .message
  }

  private func sizeIfRegular(_ name: String) throws(SystemError) -> UInt64? {
    do {
      let status = try new.status(of: name)
      return status.isRegular ? UInt64(clamping: status.size) : nil
    } catch {
      if error.code == ENOENT { return nil }
      throw error
    }
  }

  /// Moves a message that can never be sent to `failed/`, and gives back its place in the quota. nil where it has
  /// vanished.
  mutating func setAside(
    _ name: OutboxName, _ reason: OutboxReason, _ byteCount: UInt64?
  ) throws(OutboxError) -> OutboxFailure? {
    let text = name.text
    var source = text
    source.makeContiguousUTF8()
    let failure = try setAside(source.utf8.span, as: text, shown: text, reason)
    if let byteCount, failure?.stuck == nil { release(byteCount) }
    return failure
  }

  /// The same for a name that is not a message's. Nobody claimed a place for it.
  mutating func setAside(strange bytes: [UInt8]) throws(OutboxError) -> OutboxFailure? {
    try setAside(
      bytes.span, as: Self.escaped(bytes.span), shown: String(repairing: bytes.span), .badName)
  }

  private mutating func setAside(
    _ source: borrowing Span<UInt8>, as target: String, shown: String, _ reason: OutboxReason
  ) throws(OutboxError) -> OutboxFailure? {
    var target = target
    do throws(SystemError) {
      while try !move(source, to: target, reason) {
        // Something of that name failed before; a number nobody else gets makes it another.
        guard let number = try? counts.takeNumber() else {
          throw SystemError(code: EEXIST, call: "rename", subject: failed.path + "/" + target)
        }
        target += "~\(number)"
      }
    } catch {
      if error.code == ENOENT {
        if isRemoved(new) { throw .folderRemoved(new.path) }
        if isRemoved(failed) { throw .folderRemoved(failed.path) }
        return nil
      }
      return OutboxFailure(name: shown, reason: reason, stuck: error)
    }
    return OutboxFailure(name: target, reason: reason, stuck: nil)
  }

  /// Writes the reason, then moves the file, so that no failed file is without its reason unless the disk is full;
  /// false where `target` exists.
  private func move(
    _ source: borrowing Span<UInt8>, to target: String, _ reason: OutboxReason
  ) throws(SystemError) -> Bool {
    let reasonName = "\(target)\(OutboxLayout.reasonSuffix)"
    if try failed.contains(target) { return false }
    do {
      let file = try failed.open(
        reasonName, [.writeOnly, .create, .truncate, .nonBlocking], permissions: access.filePermissions)
      if access.isShared { try file.setPermissions(access.filePermissions) }
      var line = ByteBuffer(capacity: 256)
      line.append(utf8: reason.text)
      line.append(UInt8(ascii: "\n"))
      try file.writeAll(line.readable)
    } catch {
      // The reason is also in the caller's hands and log: a full disk does not keep the file where it blocks others.
    }
    do {
      let isMoved = try new.renameWithoutReplacing(source, to: target, in: failed)
      if !isMoved { _ = try? failed.remove(reasonName) }
      return isMoved
    } catch {
      _ = try? failed.remove(reasonName)
      throw error
    }
  }

  /// A name that stands for any bytes and cannot be mistaken for a message or a reason: what is not a letter, digit,
  /// `-` or `_` becomes `%` and two hex digits; cut where it is long.
  static func escaped(_ bytes: borrowing Span<UInt8>) -> String {
    var escaped = ByteBuffer(capacity: Limits.outboxStrangeNameBytes)
    for index in 0..<bytes.count where escaped.count + 3 <= Limits.outboxStrangeNameBytes {
      let byte = bytes[index]
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        escaped.append(byte)
      default:
        escaped.append(percentEncoded: byte)
      }
    }
    return String(repairing: escaped.readable)
  }
}
