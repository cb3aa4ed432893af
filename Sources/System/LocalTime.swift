internal import Bytes
internal import Glibc

/// A moment in the zone of this process (TZ, else /etc/localtime), to be shown.
package struct LocalTime: Equatable, Sendable {
  package let year: Int
  package let month: Int
  package let day: Int
  package let hour: Int
  package let minute: Int
  package let second: Int
  /// 0 to 999,999.
  package let microsecond: Int

  /// - Parameter unixNanoseconds: since the Unix epoch; all of them, up to the year 2554, can be shown.
  package init(unixNanoseconds: UInt64) {
    var seconds = time_t(unixNanoseconds / 1_000_000_000)
    var fields = unsafe tm()
    // Fails only for years that do not fit an Int32, which nanoseconds in 64 bits do not reach.
    _ = unsafe localtime_r(&seconds, &fields)
    year = unsafe Int(fields.tm_year) + 1900
    month = unsafe Int(fields.tm_mon) + 1
    day = unsafe Int(fields.tm_mday)
    hour = unsafe Int(fields.tm_hour)
    minute = unsafe Int(fields.tm_min)
    second = unsafe Int(fields.tm_sec)
    microsecond = Int(unixNanoseconds % 1_000_000_000 / 1000)
  }

  /// - Parameter unixMicroseconds: since the Unix epoch; nil where it is beyond the year 2554.
  package init?(unixMicroseconds: UInt64) {
    let (nanoseconds, overflow) = unixMicroseconds.multipliedReportingOverflow(by: 1000)
    guard !overflow else { return nil }
    self.init(unixNanoseconds: nanoseconds)
  }

  /// For people: 2026-11-23 13:14:41
  package var text: String { written(between: " ", withMicroseconds: false) }

  /// ISO 8601 without a zone, as Python's `datetime.now().isoformat()`: 2026-11-23T13:14:41.123456
  package var isoText: String { written(between: "T", withMicroseconds: true) }

  private func written(between separator: StaticString, withMicroseconds: Bool) -> String {
    var buffer = ByteBuffer(capacity: 32)
    func append(_ number: Int, _ width: Int) { buffer.append(decimal: UInt64(clamping: number), width: width) }
    append(year, 4)
    buffer.append("-")
    append(month, 2)
    buffer.append("-")
    append(day, 2)
    buffer.append(separator)
    append(hour, 2)
    buffer.append(":")
    append(minute, 2)
    buffer.append(":")
    append(second, 2)
    if withMicroseconds {
      buffer.append(".")
      append(microsecond, 6)
    }
    return String(repairing: buffer.readable)
  }
}
