package import Bytes
package import System

/// Whether what is written for a person is coloured, and how.
///
/// Colour only helps the eye; nothing is said by colour alone. Where nobody looks (a pipe, a file, an agent's tool), where
/// `NO_COLOR` is set (no-color.org) and on a terminal that is `dumb` or does not say what it is, not one byte is added.
package struct Style: Equatable, Sendable {
  package let isColoured: Bool

  /// Without colour.
  package static let plain = Style(isColoured: false)

  private init(isColoured: Bool) { self.isColoured = isColoured }

  /// - Parameters:
  ///   - isTerminal: whether the output is one.
  ///   - environment: where `NO_COLOR` and `TERM` are looked up; set but empty counts as unset.
  package init(isTerminal: Bool, environment: Environment) {
    guard isTerminal, environment.bytes("NO_COLOR") == nil, let terminal = environment.bytes("TERM") else {
      isColoured = false
      return
    }
    isColoured = !equal(terminal.span, "dumb")
  }

  /// For what this process writes to `descriptor`.
  package static func of(_ descriptor: Int32) -> Style {
    Style(isTerminal: StandardStreams.isTerminal(descriptor), environment: .process)
  }

  /// What a stretch of output is, for the eye.
  package enum Ink: Equatable, Sendable {
    case plain
    /// What is needed seldom: numbers, times.
    case dim
    case warning
    /// What is lost or broken.
    case alarm
    /// A sender's own colour, 0 to `Style.nameColours - 1`.
    case name(UInt8)
  }

  private static let nameColours: UInt64 = 8

  /// The colour of a name, the same in every run and for every spelling of its ASCII letters: names that differ only
  /// there are the same. (FNV-1a, 64 bits, isthe.com/chongo/tech/comp/fnv.)
  package static func ink(ofName name: borrowing Span<UInt8>) -> Ink {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for index in 0..<name.count {
      let byte = name[index]
      let folded = UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
      hash = (hash ^ UInt64(folded)) &* 0x100_0000_01B3
    }
    // The low bits of FNV are its weakest.
    return .name(UInt8((hash >> 32 ^ hash) % nameColours))
  }

  /// Lets `body` append a stretch of output in `ink`.
  package func paint(_ ink: Ink, _ buffer: inout ByteBuffer, _ body: (inout ByteBuffer) -> Void) {
    guard isColoured, let code = ink.code else { return body(&buffer) }
    buffer.append("\u{1b}[")
    buffer.append(code)
    buffer.append("m")
    body(&buffer)
    buffer.append("\u{1b}[0m")
  }
}

extension Style.Ink {
  /// Parameters of Select Graphic Rendition (ECMA-48, 8.3.117). Only the eight colours that every scheme defines; red
  /// and yellow are kept for what is wrong.
  fileprivate var code: StaticString? {
    switch self {
    case .plain: nil
    case .dim: "2"
    case .warning: "33"
    case .alarm: "31"
    case .name(0): "32"
    case .name(1): "34"
    case .name(2): "35"
    case .name(3): "36"
    case .name(4): "1;32"
    case .name(5): "1;34"
    case .name(6): "1;35"
    case .name: "1;36"
    }
  }
}
