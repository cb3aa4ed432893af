internal import Bytes
internal import Glibc
internal import System

extension Program {
  /// Runs the program to its end: reads the command line, answers `--help` and `--version`, hands everything else to
  /// `body`, and says on stderr why something failed.
  ///
  /// - Parameter body: is also given where to say what a person should know.
  package func main(_ body: (Arguments, StandardError) throws(Failure) -> ExitCode) -> Never {
    StandardStreams.prepare()
    let notes = StandardError(program: name)
    do throws(Failure) {
      switch try parse(CommandLine.words) {
      case .run(let arguments):
        exit(try body(arguments, notes).rawValue)
      case .show(let text):
        var output = StandardOutput()
        output.buffer.append(utf8: text)
        try output.write()
        exit(ExitCode.success.rawValue)
      }
    } catch {
      notes.failure(error)
      exit(error.exitCode.rawValue)
    }
  }
}

extension CommandLine {
  /// The words behind the program's name, as bytes. (`arguments` repairs what is not UTF-8, and so would change a
  /// message without a word.)
  static var words: [[UInt8]] {
    guard argc > 1 else { return [] }
    return (1..<Int(argc)).map { index in
      guard let start = unsafe unsafeArgv[index] else { return [] }
      return unsafe Array(UnsafeRawBufferPointer(start: start, count: strlen(start)))
    }
  }
}
