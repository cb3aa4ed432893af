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
  static var words: Words { Words() }

  /// The words behind the program's name, as bytes. (`arguments` repairs what is not UTF-8, and so would change a
  /// message without a word.)
  struct Words: RandomAccessCollection {
    var startIndex: Int { 1 }
    var endIndex: Int { Swift.max(1, Int(argc)) }

    subscript(index: Int) -> Word {
      precondition(indices.contains(index), "a word that was not given")
      return unsafe Word(unsafeArgv[index])
    }
  }

  /// One of them, where the system put it: it stays there to the end of the process.
  @safe
  struct Word: RandomAccessCollection {
    private let bytes: UnsafeRawBufferPointer

    init(_ start: UnsafeMutablePointer<CChar>?) {
      unsafe bytes = UnsafeRawBufferPointer(start: start, count: start.map { unsafe strlen($0) } ?? 0)
    }

    var startIndex: Int { 0 }
    var endIndex: Int { unsafe bytes.count }
    subscript(index: Int) -> UInt8 { unsafe bytes[index] }

    func withContiguousStorageIfAvailable<Result>(
      _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) rethrows -> Result? {
      try unsafe body(bytes.assumingMemoryBound(to: UInt8.self))
    }
  }
}
