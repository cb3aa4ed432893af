internal import Bytes
internal import RESP

/// How the path to Redis and back is proved, the best way first; each is what is left where the one before is refused.
package enum ProbeMethod: Int, Comparable, BitwiseCopyable, Sendable, CaseIterable {
  /// The script with a mark that keeps Upstash from locking the whole database for it. Plain Redis does not know the
  /// mark and refuses to compile the script.
  case markedScript
  /// The script as plain Redis takes it.
  case script
  /// PUBLISH on the probe channel: proves the way here and back, but not that this server is the master.
  case publish
  /// PING on both connections: proves that both are alive, and nothing about what one publishes and the other hears.
  case ping

  /// What is tried where this one is refused; nil after the last.
  var next: ProbeMethod? { ProbeMethod(rawValue: rawValue + 1) }

  package static func < (left: ProbeMethod, right: ProbeMethod) -> Bool { left.rawValue < right.rawValue }

  /// The name of the command, for "did not answer".
  var word: String {
    switch self {
    case .markedScript, .script: "EVAL"
    case .publish: "PUBLISH"
    case .ping: "PING"
    }
  }
}

/// Writes probes.
enum Probe {
  /// Writes first, because a demoted master refuses that and nothing else; reads where the stream is, so that whoever hears
  /// the probe can tell whether he lacks a last message; then publishes it, and answers it too.
  ///
  ///     KEYS[1] the meta hash   ARGV[1] the probe channel   answers and publishes "<epoch>:<seq>", each empty if unset
  private static let script: StaticString = """
    redis.call('HINCRBY', KEYS[1], 'probes', 1)
    local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
    local mark = (meta[1] or '') .. ':' .. (meta[2] or '')
    redis.call('PUBLISH', ARGV[1], mark)
    return mark
    """
  /// What a probe without the script says of the stream: nothing.
  private static let unknownMark: StaticString = "-"

  static func write(_ method: ProbeMethod, _ names: BusNames, into output: inout ByteBuffer) {
    switch method {
    case .markedScript: eval(LuaScript.mark, names, into: &output)
    case .script: eval("", names, into: &output)
    case .publish:
      RESPWriter.begin(3, into: &output)
      RESPWriter.bulk("PUBLISH", into: &output)
      RESPWriter.bulk(utf8: names.probe, into: &output)
      RESPWriter.bulk(unknownMark, into: &output)
    case .ping: ping(into: &output)
    }
  }

  static func ping(into output: inout ByteBuffer) {
    RESPWriter.begin(1, into: &output)
    RESPWriter.bulk("PING", into: &output)
  }

  private static func eval(_ head: StaticString, _ names: BusNames, into output: inout ByteBuffer) {
    RESPWriter.begin(5, into: &output)
    RESPWriter.bulk("EVAL", into: &output)
    RESPWriter.bulk(utf8: head.description + script.description, into: &output)
    RESPWriter.bulk("1", into: &output)
    RESPWriter.bulk(utf8: names.meta, into: &output)
    RESPWriter.bulk(utf8: names.probe, into: &output)
  }
}
