internal import Bytes
internal import Glibc

/// The environment variables a program was started with, or a stand-in for them.
///
/// A variable that is set but empty counts as unset everywhere in this project.
package struct Environment: Sendable {
  /// nil: ask the process.
  private let values: [String: [UInt8]]?

  /// The variables of this process.
  package static let process = Environment(values: nil)

  /// A fixed set of variables.
  package init(_ values: [String: String]) { self.init(bytes: values.mapValues { Array($0.utf8) }) }

  /// A fixed set of variables whose values need not be UTF-8.
  package init(bytes values: [String: [UInt8]]) { self.init(values: values) }

  private init(values: [String: [UInt8]]?) { self.values = values }

  /// The bytes of the variable `name`, which need not be UTF-8; nil where it is unset or empty.
  package func bytes(_ name: String) -> [UInt8]? {
    let found: [UInt8]?
    if let values {
      found = values[name]
    } else if let start = unsafe getenv(name) {
      let length = unsafe strlen(start)
      found = unsafe Array(UnsafeRawBufferPointer(start: start, count: length))
    } else {
      found = nil
    }
    return found.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The text of the variable `name`, for paths and the like; nil where it is unset or empty. What is not UTF-8 becomes
  /// U+FFFD: ask `bytes` where that would change a meaning.
  package func text(_ name: String) -> String? {
    guard values == nil else { return bytes(name).map { String(repairing: $0.span) } }
    guard let start = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: start)
    return text.isEmpty ? nil : text
  }
}
