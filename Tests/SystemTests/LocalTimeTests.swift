import Glibc
import System
import Testing

@Suite struct LocalTimeTests {
  @Test(
    "the fields name the same moment in the zone of the machine",
    arguments: [0, 1_700_000_000, 1_763_903_681, 1_774_000_000, 4_102_444_800, 18_446_744_073] as [UInt64])
  func moment(seconds: UInt64) {
    let time = LocalTime(unixNanoseconds: seconds * 1_000_000_000 + 61_728_394)
    var fields = unsafe tm()
    unsafe fields.tm_year = Int32(time.year - 1900)
    unsafe fields.tm_mon = Int32(time.month - 1)
    unsafe fields.tm_mday = Int32(time.day)
    unsafe fields.tm_hour = Int32(time.hour)
    unsafe fields.tm_min = Int32(time.minute)
    unsafe fields.tm_sec = Int32(time.second)
    unsafe fields.tm_isdst = -1
    #expect(unsafe mktime(&fields) == Int(seconds))
    #expect(time.microsecond == 61728)
  }

  @Test("the texts have fixed width: a blank for people, a T and microseconds for ISO 8601")
  func texts() {
    let time = LocalTime(unixNanoseconds: 981_173_106_007_000_999)
    #expect(time.microsecond == 7000)
    let digits = time.text.map { $0.isNumber ? "0" : String($0) }.joined()
    #expect(digits == "0000-00-00 00:00:00")
    #expect(time.isoText == time.text.replacing(" ", with: "T") + ".007000")
    #expect(time.text.hasPrefix("2001-02-0"))
    #expect(LocalTime(unixNanoseconds: .max).text.hasPrefix("2554-07-2"))
    #expect(LocalTime(unixMicroseconds: 981_173_106_007_000) == LocalTime(unixNanoseconds: 981_173_106_007_000_000))
    #expect(LocalTime(unixMicroseconds: .max / 1000) != nil && LocalTime(unixMicroseconds: .max / 1000 + 1) == nil)
  }
}
