package import Settings
package import System

/// Why a program ends without having done its work. One line on stderr says it:
///
///     clawq: WHAT: WHY; WHAT TO DO
package struct Failure: Error, Equatable, Sendable {
  package let exitCode: ExitCode
  /// What could not be done.
  package let what: String
  package let why: String?
  package let whatToDo: String?

  package init(_ exitCode: ExitCode, _ what: String, why: String? = nil, whatToDo: String? = nil) {
    self.exitCode = exitCode
    self.what = what
    self.why = why
    self.whatToDo = whatToDo
  }

  /// The line without the program's name and the line end, harmless on a terminal.
  package var line: String {
    var line = what
    if let why { line += ": " + why }
    if let whatToDo { line += "; " + whatToDo }
    return DisplayText.harmless(line)
  }
}

extension Failure {
  package init(_ error: StateFolderError) {
    // Every code that it names is one of ours; a test holds that.
    self.init(
      ExitCode(rawValue: error.exitCode) ?? .inputOutput, error.what, why: error.why, whatToDo: error.whatToDo)
  }

  package init(_ fault: SettingsFault) {
    self.init(.configuration, fault.what, why: fault.why, whatToDo: fault.whatToDo)
  }

  /// A system call failed where no more can be said than that.
  package init(_ what: String, _ error: SystemError) {
    let code: ExitCode = error.isRefusal ? .permission : .inputOutput
    self.init(code, error.subject.isEmpty ? what : what + " (" + error.subject + ")", why: error.reason)
  }
}
