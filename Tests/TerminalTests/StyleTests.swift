import Bytes
import System
import Terminal
import Testing

@Suite struct StyleTests {
  private func painted(_ style: Style, _ ink: Style.Ink) -> String {
    var buffer = ByteBuffer(capacity: 16)
    style.paint(ink, &buffer) { $0.append("x") }
    return String(repairing: buffer.readable)
  }

  @Test(
    "colour only on a terminal that says what it is, is not dumb, and where NO_COLOR is unset or empty",
    arguments: [
      (true, ["TERM": "xterm"], true), (true, ["TERM": "xterm", "NO_COLOR": ""], true),
      (false, ["TERM": "xterm"], false), (true, ["TERM": "xterm", "NO_COLOR": "1"], false),
      (true, ["TERM": "xterm", "NO_COLOR": "0"], false), (true, ["TERM": "dumb"], false), (true, [:], false),
      (true, ["TERM": ""], false), (true, ["TERM": "dumber"], true), (false, [:], false),
    ] as [(Bool, [String: String], Bool)])
  func policy(isTerminal: Bool, variables: [String: String], isColoured: Bool) {
    #expect(Style(isTerminal: isTerminal, environment: Environment(variables)).isColoured == isColoured)
  }

  @Test("without colour nothing is added to what is written")
  func plain() {
    for ink in [Style.Ink.plain, .dim, .warning, .alarm, .name(3)] { #expect(painted(.plain, ink) == "x") }
  }

  @Test("colour begins before a stretch and ends behind it; plain stays as it is")
  func colour() {
    let style = Style(isTerminal: true, environment: Environment(["TERM": "xterm"]))
    #expect(painted(style, .plain) == "x")
    for ink in [Style.Ink.dim, .warning, .alarm, .name(0), .name(7)] {
      let text = painted(style, ink)
      #expect(text.hasPrefix("\u{1b}[") && text.hasSuffix("mx\u{1b}[0m"), "\(ink)")
    }
  }

  @Test("a name has one colour, however its ASCII letters are spelt; warnings and losses have others than any name")
  func names() {
    func ink(_ name: String) -> Style.Ink { Style.ink(ofName: name.utf8.span) }
    #expect(ink("elon") == ink("ELON"))
    #expect(ink("日本語") == ink("日本語"))
    let style = Style(isTerminal: true, environment: Environment(["TERM": "xterm"]))
    let colours = Set((0..<200).map { painted(style, ink("agent\($0)")) })
    #expect(colours.count == 8)
    for other in [Style.Ink.warning, .alarm, .dim] { #expect(!colours.contains(painted(style, other))) }
  }

  @Test("a pipe and a descriptor that is closed are no terminals")
  func descriptors() {
    #expect(!Style.of(-1).isColoured)
    #expect(StandardStreams.terminalColumns(-1) == nil)
  }
}
