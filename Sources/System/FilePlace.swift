/// Where a file or a folder lies, for messages: joined to a path only where one is said.
///
/// A class, so that an open file takes one count along instead of texts.
package final class FilePlace: Sendable {
  private let name: String
  private let parent: FilePlace?

  package init(_ path: String) {
    name = path
    parent = nil
  }

  /// The place of `name` inside `parent`.
  package init(_ name: String, in parent: FilePlace) {
    self.name = name
    self.parent = parent
  }

  package var path: String { parent.map { $0.path + "/" + name } ?? name }
}
