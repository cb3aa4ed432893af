/// The names that a bus has in Redis beside its channel. The braces keep them in one slot of a cluster
/// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
package struct BusNames: Sendable {
  package let channel: String
  /// The messages, the newest `stream_max_length` or a few more: `m` the sender's object, `e` the epoch, `s` the number.
  package var stream: String { "{\(channel)}:stream" }
  /// A hash: `epoch` and `seq` of the stream, and `probes`, how often somebody probed.
  package var meta: String { "{\(channel)}:meta" }
  /// Where probes are published; only daemons listen.
  package var probe: String { "{\(channel)}:probe" }

  package init(channel: String) { self.channel = channel }
}
