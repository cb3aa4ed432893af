import Network
import Testing

@Suite struct SHA1Tests {
  @Test(
    "is that of FIPS 180-4, as sha1sum prints it",
    arguments: [
      ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), ("return 1", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"),
      ("é\0", "9205f43397d78fa8d34fb95b1b0afc1ca1af8bc4"),
    ])
  func digest(text: String, expected: String) {
    #expect(SHA1.hexadecimal(of: text) == expected)
  }
}
