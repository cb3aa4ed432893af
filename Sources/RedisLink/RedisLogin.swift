/// Who we are to Redis, and which database we use. Prints without the password.
package struct RedisLogin: Sendable {
  /// The ACL user; nil is the user named "default".
  package let user: String?
  package let password: String?
  package let database: UInt32
  /// What CLIENT LIST shows; empty for none. Redis takes printable ASCII without blanks: every other byte is a `-`.
  package let clientName: String

  private static let clientNameBytes = 64

  /// Empty texts count as absent.
  package init(user: String? = nil, password: String? = nil, database: UInt32 = 0, clientName: String = "") {
    self.user = user == "" ? nil : user
    self.password = password == "" ? nil : password
    self.database = database
    let printable = UInt8(ascii: "!")...UInt8(ascii: "~")
    let name = clientName.utf8.prefix(Self.clientNameBytes).map { printable.contains($0) ? $0 : UInt8(ascii: "-") }
    self.clientName = String(decoding: name, as: UTF8.self)
  }

  /// Whether to log in at all. A user without a password logs in with an empty one, which a `nopass` user takes.
  var needsAuthentication: Bool { user != nil || password != nil }
}

extension RedisLogin: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String {
    let secret = password == nil ? "no password" : "a password"
    return "user \(user ?? "default" as String), \(secret), database \(database), client name \(clientName)"
  }
  package var debugDescription: String { description }
  // What `dump` and the default printing of an enclosing value look at.
  package var customMirror: Mirror { Mirror(self, children: []) }
}
