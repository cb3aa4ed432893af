internal import EventLoop
internal import Network
package import RedisLink
package import Settings
internal import System
package import Terminal

/// Asks a Redis how it is, from a command line tool: on a loop of its own, to the end.
package enum RedisCheck {
  /// - Parameter commands: each a name and its arguments; not empty.
  /// - Throws: `configuration` where a file for TLS cannot be used.
  package static func run(_ settings: Settings, commands: [[String]]) throws(Failure) -> RedisFindings? {
    guard let target = try redisTarget(settings) else { return nil }
    let transports = try RedisTransports(settings)
    var found: RedisFindings?
    do throws(SystemError) {
      let loop = EventLoop(poller: try EpollPoller())
      let resolver = try SystemResolver(loop)
      let inspection = RedisInspection(
        loop, resolver, target, commands: commands, makeTransport: transports.make)
      inspection.start { findings in
        found = findings
        loop.stop()
      }
      try loop.run()
      resolver.stop()
      loop.forgetAll()
    } catch {
      throw Failure("cannot ask Redis", error)
    }
    return found
  }
}

extension LinkFailure {
  /// Whether the other side would have spoken TLS.
  var mayWantTLS: Bool {
    switch self {
    case .closedDuringHandshake(let mayWantTLS): mayWantTLS
    case .malformed(_, .tls): true
    default: false
    }
  }
}
