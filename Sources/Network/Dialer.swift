package import EventLoop
internal import System

/// Is told how dialing ended; once, never from inside `Dialer.start`.
package protocol DialHandler: AnyObject {
  /// `transport` is connected and the handler's own from here on; it is in no loop.
  func dialed(_ transport: any Transport, at address: SocketAddress)
  func dialFailed(_ failure: DialFailure)
}

/// Why no address of an endpoint could be connected to: each that was tried, with its fault.
package struct DialFailure: Error, Equatable, CustomStringConvertible {
  package let endpoint: Endpoint
  /// In the order tried; not empty.
  package let faults: [TransportFault]

  package init(endpoint: Endpoint, faults: [TransportFault]) {
    self.endpoint = endpoint
    self.faults = faults
  }

  /// The faults alone: each names its address or host.
  package var description: String { faults.map(\.description).joined(separator: "; ") }
}

/// Connects to an endpoint: looks its name up and tries its addresses in turn. One dial at a time; may be used again.
///
///      idle ─start─▶ starting ─▶ resolving ─▶ connecting to the first ─▶ … the last ─▶ idle, and the handler told
///                        └── numeric, unix ──▶┘
///
/// Until the handler is told or `cancel` is called, the loop and the resolver hold the dialer, and it its handler.
package final class Dialer {
  /// How long a name may take, in nanoseconds: some of resolv.conf(5)'s attempts.
  package static let resolveDeadline = UInt64.seconds(20)
  /// How long one address may take, TLS handshake included, in nanoseconds.
  package static let connectDeadline = UInt64.seconds(5)

  private enum State {
    case idle
    /// Waits for the next turn, so that nobody is called back from inside `start`.
    case starting(TimerToken)
    case resolving(ResolutionToken, TimerToken)
    case connecting(any Transport, SocketAddress, EventToken, TimerToken)
  }

  private let loop: EventLoop
  private let resolver: any Resolver
  private let makeTransport: TransportFactory
  private var state = State.idle
  private var handler: (any DialHandler)?
  private var endpoint = Endpoint.unix(path: "")
  private var only: SocketAddress?
  /// Still to be tried, the next one last.
  private var untried: [SocketAddress] = []
  private var faults: [TransportFault] = []

  /// - Parameter makeTransport: begins to connect to an address; how TLS, or a simulation, comes in.
  package init(
    _ loop: EventLoop, _ resolver: any Resolver, makeTransport: @escaping TransportFactory = SocketTransport.make
  ) {
    self.loop = loop
    self.resolver = resolver
    self.makeTransport = makeTransport
  }

  /// Begins to dial. The dialer must be idle.
  ///
  /// - Parameter address: the one to be connected to; nil: all that the endpoint has, in turn.
  package func start(_ endpoint: Endpoint, at address: SocketAddress? = nil, _ handler: any DialHandler) {
    guard case .idle = state else { preconditionFailure("the dialer is already dialing") }
    self.endpoint = endpoint
    only = address
    self.handler = handler
    state = .starting(loop.arm(at: loop.now, self))
  }

  /// Gives up: the handler is not told, and an address half connected is closed. Does nothing when idle.
  package func cancel() {
    leaveState()
    untried = []
    faults = []
    handler = nil
  }

  /// Becomes idle, letting go of what the present state waits for.
  private func leaveState() {
    switch state {
    case .idle: break
    case .starting(let timer): loop.cancel(timer)
    case .resolving(let token, let timer):
      resolver.cancel(token)
      loop.cancel(timer)
    case .connecting(let transport, _, let event, let timer):
      loop.remove(event)
      loop.cancel(timer)
      transport.close()
    }
    state = .idle
  }

  private func begin() {
    if let only {
      untried = [only]
      return tryNext()
    }
    switch endpoint {
    case .unix(let path):
      do throws(TransportFault) {
        untried = [try SocketAddress(unixPath: path)]
      } catch {
        faults.append(error)
      }
      tryNext()
    case .tcp(let host, let port):
      if let address = SocketAddress(numericHost: host, port: port) {
        untried = [address]
        tryNext()
        return
      }
      do throws(TransportFault) {
        let token = try resolver.resolve(host, port: port, self)
        state = .resolving(token, loop.arm(after: Self.resolveDeadline, self))
      } catch {
        faults.append(error)
        tryNext()
      }
    }
  }

  /// Goes through the addresses until one connects or has to be waited for, or none is left.
  private func tryNext() {
    state = .idle
    while let address = untried.popLast() {
      do throws(TransportFault) {
        let transport = try makeTransport(address)
        do throws(TransportFault) {
          switch try transport.finishConnecting() {
          case .finished: succeed(transport, address)
          case .blocked(let direction): try wait(for: transport, address, direction)
          }
          return
        } catch {
          transport.close()
          throw error
        }
      } catch {
        faults.append(error)
      }
    }
    fail()
  }

  private func wait(
    for transport: any Transport, _ address: SocketAddress, _ direction: Direction
  ) throws(TransportFault) {
    do throws(SystemError) {
      let event = try loop.add(transport.rawDescriptor, direction.interest, self)
      state = .connecting(transport, address, event, loop.arm(after: Self.connectDeadline, self))
    } catch {
      throw .system(error)
    }
  }

  private func succeed(_ transport: any Transport, _ address: SocketAddress) {
    let told = handler
    cancel()
    told?.dialed(transport, at: address)
  }

  private func fail() {
    let told = handler
    let failure = DialFailure(endpoint: endpoint, faults: faults)
    cancel()
    told?.dialFailed(failure)
  }
}

extension Dialer: TimerHandler {
  package func timerFired(_ token: TimerToken) {
    switch state {
    case .idle: break
    case .starting: begin()
    case .resolving:
      leaveState()
      faults.append(.timedOut(activity: "looking up \(endpoint)", after: Self.resolveDeadline))
      fail()
    case .connecting(let transport, let address, _, _):
      let activity = "\(transport.activity) \(address)"
      leaveState()
      faults.append(.timedOut(activity: activity, after: Self.connectDeadline))
      tryNext()
    }
  }
}

extension Dialer: ResolutionHandler {
  package func resolved(_ addresses: [SocketAddress], _ token: ResolutionToken) {
    guard case .resolving(token, let timer) = state else { return }
    loop.cancel(timer)
    untried = addresses.reversed()
    tryNext()
  }

  package func unresolved(_ fault: TransportFault, _ token: ResolutionToken) {
    guard case .resolving(token, let timer) = state else { return }
    loop.cancel(timer)
    state = .idle
    faults.append(fault)
    fail()
  }
}

extension Dialer: ReadinessHandler {
  package func ready(_ readiness: Readiness, _ token: EventToken) {
    guard case .connecting(let transport, let address, token, let timer) = state else { return }
    do throws(TransportFault) {
      switch try transport.finishConnecting() {
      case .blocked(let direction): loop.setInterest(direction.interest, token)
      case .finished:
        loop.remove(token)
        loop.cancel(timer)
        state = .idle
        succeed(transport, address)
      }
    } catch {
      leaveState()
      faults.append(error)
      tryNext()
    }
  }
}
