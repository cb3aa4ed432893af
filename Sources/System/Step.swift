#if STEPS
  internal import CLinux

  /// One step of a protocol between processes: an access to shared memory, or a system call. Before each of them the
  /// process may be stopped for as long as the system likes, overtaken, or killed.
  ///
  /// Only in debug builds (`STEPS` in Package.swift): so that tests enumerate what can happen between two steps instead of
  /// hoping to meet it. What is not shared memory and no system call cannot be seen by another process, so there is
  /// nothing else to stand between.
  @usableFromInline
  package enum Step: Equatable, Sendable {
    /// An atomic load of the word at an offset of a mapping.
    case load(Int)
    /// An atomic store into the word at an offset of a mapping.
    case store(Int)
    /// An atomic read and write in one (add, compare and exchange).
    case exchange(Int)
    /// A system call, by the name in its manual page.
    case call(String)

    /// Whether another process could see that it has happened.
    package var changesSomething: Bool {
      switch self {
      case .load: false
      case .store, .exchange, .call: true
      }
    }
  }

  /// What happens between the steps of this thread.
  @usableFromInline
  package enum Steps {
    /// Runs `body`, and `adversary` before each of its steps. The adversary's own steps are not watched, unless it
    /// watches them itself.
    package static func watch<Result: ~Copyable, Failure: Error>(
      _ adversary: (Step) -> Void, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
      try withoutActuallyEscaping(adversary) { (escaping) throws(Failure) -> Result in
        let watcher = Watcher(escaping)
        return try with(watcher, body)
      }
    }

    /// How many steps `body` makes that `counts` says yes to.
    package static func count(_ counts: (Step) -> Bool = { _ in true }, _ body: () throws -> Void) rethrows -> Int {
      var count = 0
      try watch({ if counts($0) { count += 1 } }, body)
      return count
    }

    private static func with<Result: ~Copyable, Failure: Error>(
      _ watcher: Watcher?, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
      let slot = unsafe clinux_thread_slot()
      let before = unsafe slot.pointee
      unsafe slot.pointee = watcher.map { unsafe Unmanaged.passUnretained($0).toOpaque() }
      defer { unsafe slot.pointee = before }
      return try body()
    }

    /// Called where a step is about to be made.
    @usableFromInline
    static func reached(_ step: Step) {
      guard let pointer = unsafe clinux_thread_slot().pointee else { return }
      let watcher = unsafe Unmanaged<Watcher>.fromOpaque(pointer).takeUnretainedValue()
      with(nil) { watcher.adversary(step) }
    }
  }

  private final class Watcher {
    let adversary: (Step) -> Void
    init(_ adversary: @escaping (Step) -> Void) { self.adversary = adversary }
  }
#endif
