internal import Bytes
internal import Glibc
package import Message

extension LocalTime {
  /// The moment in the zone of this process (TZ, else /etc/localtime).
  ///
  /// - Parameter unixNanoseconds: since the Unix epoch; all of them, up to the year 2554, can be shown.
  package static func at(unixNanoseconds: UInt64) -> LocalTime {
    var seconds = time_t(unixNanoseconds / 1_000_000_000)
    var fields = unsafe tm()
    // A valid date stays, should the call fail: it does only for years beyond Int32.
    unsafe fields.tm_mday = 1
    _ = unsafe localtime_r(&seconds, &fields)
    let time = unsafe LocalTime(
      year: Int(fields.tm_year) + 1900, month: Int(fields.tm_mon) + 1, day: Int(fields.tm_mday),
      hour: Int(fields.tm_hour), minute: Int(fields.tm_min), second: Int(fields.tm_sec),
      microsecond: Int(unixNanoseconds % 1_000_000_000 / 1000))
    guard let time else { preconditionFailure("localtime_r answers a date of the calendar") }
    return time
  }

  /// ISO 8601 without a zone, as Python's `datetime.now().isoformat()`: 2026-11-23T13:14:41.123456
  package var isoText: String {
    var buffer = ByteBuffer(capacity: 26)
    write(to: &buffer)
    return String(repairing: buffer.readable)
  }

  /// For people: 2026-11-23 13:14:41
  package var text: String {
    let iso = isoText
    // YYYY-MM-DD is 10 characters, the T one, HH:MM:SS 8.
    return "\(iso.prefix(10)) \(iso.dropFirst(11).prefix(8))"
  }
}
