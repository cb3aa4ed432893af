package import Bytes
package import EventLoop
package import System

/// What an operation on a transport waits for.
package enum Direction: Sendable {
  case readable
  case writable

  package var interest: Interest { self == .readable ? .readable : .writable }
}

/// The outcome of reading or writing, which never waits.
package enum TransportProgress: Equatable, Sendable {
  /// So many bytes were taken or given; at least 1, but for a write of none.
  case bytes(Int)
  /// Nothing now: try the same again when the descriptor is ready in this direction. With TLS the direction may be the
  /// other one than that of the operation.
  case blocked(on: Direction)
  /// The peer will send no more (reads only).
  case end
}

/// How far connecting has come.
package enum ConnectingProgress: Equatable, Sendable {
  case finished
  /// Try again when the descriptor is ready in this direction.
  case blocked(on: Direction)
}

/// The seam to the network: an ordered stream of bytes to one peer. A socket is one, TLS over a socket another, and a
/// simulation has its own.
///
/// No operation waits. After one has thrown, only `close` is of use; but after `write` has, what the peer said before it went
/// may still be read.
package protocol Transport: AnyObject {
  /// What the loop waits on, until `close`. Remove it from the loop before closing.
  var rawDescriptor: Int32 { get }
  /// Goes on with connecting (and, with TLS, the handshake) as far as it can without waiting. Nothing is read or
  /// written before it has answered `finished`; afterwards it answers that again.
  func finishConnecting() throws(TransportFault) -> ConnectingProgress
  /// What connecting is at, to be followed by the address: "connecting to".
  var activity: String { get }
  /// Whether bytes may be read now although the descriptor need not be readable: TLS opens more at once than a caller may
  /// have room for. Who has read asks this before waiting.
  var holdsMore: Bool { get }
  /// Reads into the free end of `buffer`, of which at least `count` bytes are offered.
  func read(into buffer: inout ByteBuffer, atLeast count: Int) throws(TransportFault) -> TransportProgress
  /// Writes what the other side takes at once, from the front of `bytes`. After `blocked` the next call must begin with the same
  /// bytes: with TLS they may be sealed already.
  func write(_ bytes: borrowing Span<UInt8>) throws(TransportFault) -> TransportProgress
  /// How many bytes were written that the peer's machine has not acknowledged. Asks the system: not for hot paths.
  var unacknowledged: Int { get }
  /// Ends the connection and gives the descriptor back. Does nothing the second time.
  func close()
}

extension Transport {
  package var activity: String { "connecting to" }
  package var holdsMore: Bool { false }
  package var unacknowledged: Int { 0 }
}

/// Begins to connect to an address.
package typealias TransportFactory = (SocketAddress) throws(TransportFault) -> any Transport

/// Why a connection could not be made or used.
package enum TransportFault: Error, Equatable, CustomStringConvertible {
  /// A system call failed; its subject names the address.
  case system(SystemError)
  /// The name has no address, or could not be looked up.
  case unresolved(host: String, reason: String)
  /// Nothing came within so many nanoseconds. `activity` is a gerund: "connecting to 10.0.0.1:6379".
  case timedOut(activity: String, after: UInt64)
  /// The endpoint cannot be an address, whatever the network says.
  case unusable(endpoint: String, reason: String)
  /// The peer is not who it should be, or TLS with it failed.
  case tls(TLSFault)
  /// The transport was used after `close`.
  case closed

  /// Whether the peer ended the connection without reading what it was sent.
  package var isReset: Bool {
    if case .system(let error) = self { error.isReset } else { false }
  }

  /// Whether a certificate is at fault, the server's or our own: a person has to do something, so trying again soon will
  /// not help.
  package var isCertificateFault: Bool {
    if case .tls(let fault) = self { fault.isCertificateFault } else { false }
  }

  package var description: String {
    switch self {
    case .system(let error): error.description
    case .unresolved(let host, let reason): "\(host): \(reason)"
    case .timedOut(let activity, let after): "\(activity): no answer within \(after / .milliseconds(1)) ms"
    case .unusable(let endpoint, let reason): "\(endpoint): \(reason)"
    case .tls(let fault): fault.description
    case .closed: "the connection is closed"
    }
  }
}
