/// The names that wait, smallest first: a binary heap, so that names may come in any order and twice, each for a
/// logarithm's work. Equal names leave it one after the other, and all but the first are dropped.
struct OutboxQueue {
  private var heap: [OutboxName] = []

  /// Memory for `count` names at once, so that steady use allocates nothing.
  init(reserving count: Int) { heap.reserveCapacity(count) }

  var count: Int { heap.count }

  mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

  mutating func insert(_ name: OutboxName) {
    heap.append(name)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child] < heap[parent] else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes the smallest name out, with its repetitions.
  mutating func removeFirst() -> OutboxName? {
    guard let first = heap.first else { return nil }
    repeat { removeRoot() } while heap.first == first
    return first
  }

  /// - Precondition: not empty.
  private mutating func removeRoot() {
    let last = heap.removeLast()
    guard !heap.isEmpty else { return }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      let left = 2 * parent + 1
      for child in left..<min(left + 2, max(left, heap.count)) where heap[child] < heap[least] {
        least = child
      }
      guard least != parent else { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
