import Bytes
import Glibc
import System
import TestSupport
import Testing

@testable import Outbox

/// A state folder of its own for one test, gone with it.
final class TemporaryState: Sendable {
  private let folder = TemporaryFolder()
  var path: String { folder.path }

  func open() throws -> Folder { try Folder(path) }

  func drain(_ access: OutboxAccess = .own, limit: Int = 1000) throws -> OutboxDrain {
    try OutboxDrain(state: open(), access: access, maximumMessageBytes: limit)
  }

  /// The folder `name` inside the outbox, which a drain must have made.
  func folder(_ name: String) throws -> Folder {
    try Folder(name, in: Folder(OutboxLayout.folder, in: open()))
  }

  func names(_ folder: String) throws -> [String] { try self.folder(folder).names().sorted() }

  /// Puts a file where a sender or an enemy would.
  func put(_ text: String, _ folder: String, _ name: String) throws {
    try self.folder(folder).open(name, [.writeOnly, .create, .truncate], permissions: 0o600).writeAll(text.utf8.span)
  }

  func read(_ folder: String, _ name: String) throws -> String {
    var buffer = ByteBuffer(capacity: 64)
    _ = try self.folder(folder).open(name, .readOnly).readWhole(limit: 1 << 20, into: &buffer)
    return String(repairing: buffer.readable)
  }

  func held() throws -> OutboxCounted {
    try OutboxCounts.open(in: Folder(OutboxLayout.folder, in: open()), .own).held
  }

  func nextNumber() throws -> UInt64 {
    try OutboxCounts.open(in: Folder(OutboxLayout.folder, in: open()), .own).nextNumber
  }
}

@discardableResult
func shell(_ command: String) -> Int32 { unsafe system(command) }

/// A different id for each `index`.
func id(_ index: Int) -> ULID {
  ULID(milliseconds: 1_700_000_000_000, random: (7, UInt64(index)))
}

func name(_ number: UInt64, _ index: Int = 0) -> String { OutboxName(number: number, id: id(index)).text }

extension OutboxSender {
  mutating func send(_ text: String, _ index: Int, sync: Bool = false) throws(OutboxError) -> OutboxName {
    try send(text.utf8.span, id: id(index), sync: sync)
  }
}

extension OutboxDrain {
  /// What `next` gives, with the message's text.
  mutating func take() throws -> (OutboxNext, String) {
    var buffer = ByteBuffer(capacity: 16)
    let next = try next(into: &buffer)
    return (next, String(repairing: buffer.readable))
  }

  /// The next message, which must be there.
  mutating func takeMessage() throws -> (OutboxToken, String) {
    let (next, text) = try take()
    guard case .message(let token) = next else { throw Unexpected(next: next) }
    return (token, text)
  }

  /// Takes and finishes all that waits; the texts in order.
  mutating func takeAll() throws -> [String] {
    var texts: [String] = []
    while true {
      let (next, text) = try take()
      guard case .message(let token) = next else {
        if next == .empty { return texts }
        continue
      }
      #expect(token.byteCount == text.utf8.count)
      texts.append(text)
      try finish(token)
    }
  }
}

struct Unexpected: Error { let next: OutboxNext }

/// The error that `body` throws, or nil.
func outboxError(_ body: () throws(OutboxError) -> Void) -> OutboxError? {
  do {
    try body()
    return nil
  } catch {
    return error
  }
}
