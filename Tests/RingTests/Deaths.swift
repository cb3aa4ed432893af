import System
import TestSupport
import Testing

/// A folder's files at one moment, with the names that each has.
struct Snapshot {
  private var files: [(names: [String], content: [UInt8])] = []

  init(of temporary: borrowing TemporaryFolder) throws {
    let folder = try temporary.open()
    var places: [UInt64: Int] = [:]
    for name in try folder.names() {
      let inode = try folder.status(of: name).inode
      if let place = places[inode] {
        files[place].names.append(name)
      } else {
        places[inode] = files.count
        files.append(([name], contents(temporary.path + "/" + name)))
      }
    }
  }

  func restore(in temporary: borrowing TemporaryFolder) throws {
    let folder = try temporary.open()
    for name in try folder.names() { _ = try folder.remove(name) }
    for file in files {
      setContents(temporary.path + "/" + file.names[0], file.content)
      for name in file.names.dropFirst() { #expect(try folder.link(file.names[0], to: name)) }
    }
  }
}

/// Runs `body`, which works on the files of `temporary`, and before each of its steps that changes something (and once
/// more at its end) `left`, with what would be there if it had died at that moment in the folder `dead`.
///
/// - Parameters:
///   - sampling: of the stores into the ring, at most one in so many is stopped at, others each time: they are words of
///     records that nobody can see yet, one as good as the other. Every other step is stopped at.
///   - left: is given the steps that were made before that moment.
/// - Returns: the steps that changed something.
@discardableResult
func forEachDeath(
  _ temporary: borrowing TemporaryFolder, in dead: borrowing TemporaryFolder, oneIn sampling: UInt64 = 1,
  _ random: inout SeededGenerator, of body: () throws -> Void, left: (_ made: [Step], _ note: Comment) throws -> Void
) throws -> [Step] {
  var made: [Step] = []
  var failure: (any Error)?
  func die(_ step: Step?) {
    guard failure == nil else { return }
    do {
      try Snapshot(of: temporary).restore(in: dead)
      let moment = step.map { "before step \(made.count), \($0)" } ?? "after all steps"
      try left(made, "died \(moment), seed \(random.seed)")
    } catch { failure = error }
  }
  try Steps.watch(
    { step in
      guard step.changesSomething else { return }
      var isSampled = true
      if case .store(let offset) = step, offset >= Word.ring { isSampled = random.next() % sampling == 0 }
      if isSampled { die(step) }
      made.append(step)
    }, body)
  die(nil)
  if let failure { throw failure }
  return made
}

extension [Step] {
  /// Those that are no words of the ring, and no calls that only look.
  var ofTheProtocol: [Step] {
    filter { step in
      switch step {
      case .call(let name): ["fsync", "link", "rename", "unlink"].contains(name)
      case .load(let offset), .store(let offset), .exchange(let offset): offset < Word.ring
      }
    }
  }

  /// Those that decide what is on the disk after the machine has died: a name may only be given to what is there already.
  var ofTheDisk: [String] {
    compactMap { if case .call(let name) = $0, ["fsync", "link", "rename"].contains(name) { name } else { nil } }
  }
}
