internal import Glibc

extension RealRedis {
  /// The server answered an error, or not at all.
  package struct NotDone: Error, CustomStringConvertible {
    package let description: String
  }

  /// Does a command as an administrator would, on a connection of its own, and waits for its answer.
  ///
  /// - Returns: the answer as it came.
  /// - Throws: `NotDone` where it is an error.
  @discardableResult
  package func command(_ words: [String]) throws -> String {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = Self.address(port)
    let code = unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard code == 0 else { throw NotDone(description: "connect: error \(errno)") }
    let request = Array(("*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()).utf8)
    guard unsafe send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
      throw NotDone(description: "send: error \(errno)")
    }
    // One read: what an administrator's command answers here is short.
    var answer = [UInt8](repeating: 0, count: 4096)
    let count = unsafe recv(descriptor, &answer, answer.count, 0)
    let text = String(decoding: answer.prefix(max(count, 0)), as: UTF8.self)
    guard count > 0, !text.hasPrefix("-") else { throw NotDone(description: "\(words): \(text)") }
    return text
  }
}
