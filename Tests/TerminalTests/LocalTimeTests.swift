import Glibc
import Message
import Terminal
import Testing

@Suite struct LocalTimeTests {
  @Test(
    "the text names the same moment in the zone of the machine",
    arguments: [0, 1_700_000_000, 1_763_903_681, 1_774_000_000, 4_102_444_800, 18_446_744_073] as [UInt64])
  func moment(seconds: UInt64) throws {
    let text = LocalTime.at(unixNanoseconds: seconds * 1_000_000_000 + 61_728_394).text
    let numbers = text.split { !$0.isNumber }.compactMap { Int32($0) }
    try #require(numbers.count == 6)
    var fields = unsafe tm()
    unsafe fields.tm_year = numbers[0] - 1900
    unsafe fields.tm_mon = numbers[1] - 1
    unsafe fields.tm_mday = numbers[2]
    unsafe fields.tm_hour = numbers[3]
    unsafe fields.tm_min = numbers[4]
    unsafe fields.tm_sec = numbers[5]
    unsafe fields.tm_isdst = -1
    #expect(unsafe mktime(&fields) == Int(seconds))
  }

  @Test("the texts have fixed width: a blank for people, a T and microseconds for ISO 8601")
  func texts() {
    let time = LocalTime.at(unixNanoseconds: 981_173_106_007_000_999)
    #expect(time.text.map { $0.isNumber ? "0" : String($0) }.joined() == "0000-00-00 00:00:00")
    #expect(time.isoText == time.text.replacing(" ", with: "T") + ".007000")
    #expect(time.text.hasPrefix("2001-02-0"))
    #expect(LocalTime.at(unixNanoseconds: .max).text.hasPrefix("2554-07-2"))
  }
}
