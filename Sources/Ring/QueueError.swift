package import System

/// Why a queue file cannot be used. What is refused for what it is was not touched.
package enum QueueError: Error, Equatable, CustomStringConvertible {
  /// There is no file of this name.
  case missing(path: String)
  /// Not a queue file at all.
  case foreign(path: String)
  /// Made by a newer version of the programs.
  case newerVersion(path: String, version: UInt64)
  /// A queue file whose contents contradict themselves.
  case damaged(path: String, what: String)
  /// A system call failed.
  case system(SystemError)
  /// The writer went round the whole ring again and again while the reader looked.
  case overrun(path: String)

  package var description: String {
    switch self {
    case .missing(let path): "\(path): no queue here"
    case .foreign(let path): "\(path): not a queue file of openclaw-bus"
    case .newerVersion(let path, let version):
      "\(path): made by a newer version (format \(version); this program knows \(QueueLayout.version))"
    case .damaged(let path, let what): "\(path): damaged: \(what)"
    case .system(let error): error.description
    case .overrun(let path): "\(path): the queue is written faster than it can be read"
    }
  }
}

/// Why a record was not appended; nothing was written.
package enum AppendError: Error, Equatable, CustomStringConvertible {
  /// The record would be larger than an eighth of the ring. Both in bytes.
  case tooLarge(recordBytes: Int, limit: Int)
  /// The sequence numbers are used up, which no use brings about: the file was tampered with.
  case exhausted

  package var description: String {
    switch self {
    case .tooLarge(let recordBytes, let limit):
      "a record of \(recordBytes) bytes is more than this queue takes (\(limit)); queue_bytes is too small for it"
    case .exhausted: "the queue's sequence numbers are used up: the file was tampered with; move it away"
    }
  }
}
