internal import Bytes
package import RESP

/// The text of an error reply: searched for what it means, and made fit for a log.
package enum RedisErrorText {
  /// The longest text that goes into a log, in bytes.
  private static let shownBytes = 200

  /// The error's text for a log or the status page: one line, at most 200 bytes, without the arguments that Redis
  /// repeats after an unknown command, and not at all where it repeats `secret`.
  package static func shown(_ frame: borrowing RESPFrame, hiding secret: String? = nil) -> String {
    shown(frame.text(frame.root), hiding: secret)
  }

  static func shown(_ text: borrowing Span<UInt8>, hiding secret: String?) -> String {
    let text = withoutScript(withoutArguments(text))
    if let secret, !secret.isEmpty, contains(text, Array(secret.utf8)) {
      return "(the server's text repeats a password and is withheld)"
    }
    var line = String(repairing: text.extracting(0..<min(text.count, shownBytes)))
    line.unicodeScalars.removeAll(where: \.isControl)
    return line
  }

  /// What stands before "with args beginning with": the arguments are what we sent, a password or a message among
  /// them, and must neither be shown nor decide what the error means.
  @_lifetime(copy text)
  static func withoutArguments(_ text: Span<UInt8>) -> Span<UInt8> {
    // A bulk error may be as long as a message, and no server means it.
    let text = text.extracting(0..<min(text.count, Limits.respLineBytes))
    guard var end = find(argumentsFollow, in: text) else { return text }
    while end > 0, text[end - 1] == UInt8(ascii: " ") || text[end - 1] == UInt8(ascii: ",") { end -= 1 }
    return text.extracting(0..<end)
  }

  /// Redis 7 says behind an error in which script it was: ` script: <sha1>, on @user_script:<line>.`
  @_lifetime(copy text)
  private static func withoutScript(_ text: Span<UInt8>) -> Span<UInt8> {
    guard let comma = find(inWhichScript, in: text), comma >= whichScript.count + 40 else { return text }
    let start = comma - 40 - whichScript.count
    return matches(text, at: start, whichScript) ? text.extracting(0..<start) : text
  }

  private static let whichScript = Array(" script: ".utf8)
  private static let inWhichScript = Array(", on @user_script:".utf8)

  /// Before Redis 7 what a script's command was refused with comes wrapped, and the last part is the cause:
  ///
  ///     ERR Error running script (call to f_<sha1>): @user_script:<line>: @user_script: <line>: -READONLY You can't …
  ///     @user_script: <line>: -READONLY You can't …                               to the script itself, from `pcall`
  @_lifetime(copy text)
  static func cause(_ text: Span<UInt8>) -> Span<UInt8> {
    guard find(scriptFailed, in: text) != nil || matches(text, at: 0, inScript) else { return text }
    var start = 0
    for index in 0..<text.count where matches(text, at: index, causeFollows) { start = index + causeFollows.count }
    return text.extracting(start..<text.count)
  }

  private static let scriptFailed = Array("error running script (call to ".utf8)
  private static let inScript = Array("@user_script: ".utf8)
  private static let causeFollows = Array(": -".utf8)
  private static let argumentsFollow = Array("with args beginning with".utf8)

  /// Whether an error of `kind` that answers EVALSHA or EVAL says that this server or user has no such command. An error
  /// from inside a script names another one.
  static func deniesScripts(_ text: borrowing Span<UInt8>, _ kind: RedisErrorKind) -> Bool {
    let text = withoutArguments(text)
    return kind == .permission ? contains(text, named) : contains(text, unknownCommand) && contains(text, eval)
  }

  private static let unknownCommand = Array("unknown command".utf8)
  private static let eval = Array("eval".utf8)
  private static let named = Array("'eval".utf8)

  /// Whether the first word of `text` is `word`, in any case.
  static func firstWord(of text: borrowing Span<UInt8>, is word: [UInt8]) -> Bool {
    guard matches(text, at: 0, word) else { return false }
    return text.count == word.count || text[word.count] == UInt8(ascii: " ")
  }

  /// Whether `phrase` occurs in `text`, in any case.
  static func contains(_ text: borrowing Span<UInt8>, _ phrase: [UInt8]) -> Bool { find(phrase, in: text) != nil }

  /// The first place of `phrase` in `text`. A line is at most `Limits.respLineBytes` long and errors are rare.
  private static func find(_ phrase: [UInt8], in text: borrowing Span<UInt8>) -> Int? {
    guard phrase.count <= text.count else { return nil }
    for start in 0...(text.count - phrase.count) where matches(text, at: start, phrase) { return start }
    return nil
  }

  private static func matches(_ text: borrowing Span<UInt8>, at start: Int, _ phrase: [UInt8]) -> Bool {
    guard text.count - start >= phrase.count else { return false }
    for index in 0..<phrase.count where lowercase(text[start + index]) != lowercase(phrase[index]) { return false }
    return true
  }

  private static func lowercase(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }
}
