internal import Glibc
package import System

/// Why the state folder could not be used. The exit codes are those of `Terminal.ExitCode`.
package enum StateFolderError: Error, Equatable {
  /// Nothing says where it is (78).
  case notLocated(String)
  /// It does not exist, and was not to be made (66).
  case missing(path: String)
  /// Something else stands there (77).
  case notFolder(path: String)
  /// A link could be turned elsewhere by whoever owns it (77).
  case symbolicLink(path: String)
  /// Another user's (77).
  case foreign(path: String)
  /// Others could put files there (77). `mend`: the permissions to set.
  case writableByOthers(path: String, mend: UInt32)
  /// The system refused access (77).
  case denied(SystemError)
  /// Anything else the system said (74).
  case failed(SystemError)

  init(opening path: String, _ error: SystemError) {
    switch error.code {
    case ENOENT: self = .missing(path: path)
    // Linux answers ENOTDIR, not ELOOP, for a link opened with O_DIRECTORY and O_NOFOLLOW.
    case ELOOP, ENOTDIR: self = Folder.isSymbolicLink(path) ? .symbolicLink(path: path) : .notFolder(path: path)
    case EACCES, EPERM, EROFS: self = .denied(error)
    default: self = .failed(error)
    }
  }

  package var exitCode: Int32 {
    switch self {
    case .notLocated: 78
    case .missing: 66
    case .notFolder, .symbolicLink, .foreign, .writableByOthers, .denied: 77
    case .failed: 74
    }
  }

  package var what: String {
    switch self {
    case .notLocated: "cannot tell where the state folder is"
    case .missing(let path): "no state folder \(path)"
    case .notFolder(let path), .symbolicLink(let path), .foreign(let path), .writableByOthers(let path, _):
      "cannot use the state folder \(path)"
    case .denied(let error), .failed(let error): "cannot use the state folder: \(error.subject)"
    }
  }

  package var why: String {
    switch self {
    case .notLocated(let why): why
    case .missing: "clawd has never run here"
    case .notFolder: "it is not a folder"
    case .symbolicLink: "it is a symbolic link"
    case .foreign: "it belongs to another user"
    case .writableByOthers: "other users may write into it"
    case .denied(let error), .failed(let error): error.reason
    }
  }

  package var whatToDo: String? {
    switch self {
    case .notLocated: "name it with --state-dir"
    case .missing: "start clawd, or name another folder with --state-dir"
    case .notFolder: "name a folder with --state-dir"
    case .symbolicLink: "name the folder it points to with --state-dir"
    case .foreign: "work as that user, or name your own with --state-dir"
    case .writableByOthers(let path, let mend): "chmod \(String(mend, radix: 8)) \(path)"
    case .denied: "check the permissions of the path"
    case .failed: nil
    }
  }
}
