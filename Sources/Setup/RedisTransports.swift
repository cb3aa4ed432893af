package import Network
package import RedisLink
package import Settings
package import Terminal

/// Where the settings say that Redis is; nil for the local bus.
package func redisTarget(_ settings: Settings) throws(Failure) -> RedisTarget? {
  guard case .server(let url) = settings.redis else { return nil }
  let endpoint: Endpoint
  switch url.endpoint {
  case .network(let host, let port): endpoint = .tcp(host: host, port: port)
  case .unixSocket(let path): endpoint = .unix(path: path)
  }
  let login = RedisLogin(
    user: url.user, password: url.password?.revealed, database: UInt32(url.database),
    clientName: "openclaw-bus-\(ProgramVersion.text)")
  return RedisTarget(
    endpoint: endpoint, login: login, channel: settings.channel, streamMaxLength: settings.streamMaxLength,
    isEncrypted: url.tls)
}

/// How the bytes travel to Redis: plainly, or by TLS, whose files are read at the start, so that one that cannot be used is
/// said there, and again when the configuration is.
package final class RedisTransports {
  private let settings: Settings
  private var factory: TransportFactory = SocketTransport.make

  package init(_ settings: Settings) throws(Failure) {
    self.settings = settings
    try reload()
  }

  /// Begins to connect to an address.
  package func make(_ address: SocketAddress) throws(TransportFault) -> any Transport { try factory(address) }

  /// Reads the files again, for the connections to come; where one cannot be used, what was read before stays in force.
  package func reload() throws(Failure) {
    guard case .server(let url) = settings.redis, url.tls, case .network(let host, _) = url.endpoint else { return }
    let configuration = TLSConfiguration(
      settingPrefix: "redis", authorityFile: settings.redisCAFile, certificateFile: settings.redisCertFile,
      keyFile: settings.redisKeyFile)
    do throws(TLSSetupFault) {
      factory = TLSTransport.factory(try TLSContext(host: host, configuration))
    } catch {
      throw Failure(.configuration, error.what, why: error.why, whatToDo: error.whatToDo)
    }
  }
}
