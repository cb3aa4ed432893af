/// Values under tokens that are never mistaken for one another: a place is used again, but its generation is not.
///
///      63                 32 31                  0
///      │    generation      │       index        │   generation >= 1, so no token is 0
///
/// An event that was already fetched for a descriptor which was since removed, and whose place another one took,
/// carries the old generation and is skipped. Memory stays at the greatest number held at once.
struct SlotTable<Element> {
  private struct Slot {
    var generation: UInt32
    var element: Element?
  }

  private var slots: [Slot] = []
  private var free: [UInt32] = []

  var count: Int { slots.count - free.count }

  mutating func insert(_ element: Element) -> UInt64 {
    if let index = free.popLast() {
      slots[Int(index)].element = element
      return Self.token(slots[Int(index)].generation, index)
    }
    precondition(slots.count < Int(UInt32.max), "more slots than a token can name")
    slots.append(Slot(generation: 1, element: element))
    return Self.token(1, UInt32(slots.count - 1))
  }

  /// Takes the element of `token` out; nil where the token is stale.
  mutating func remove(_ token: UInt64) -> Element? {
    guard let index = place(of: token) else { return nil }
    let element = slots[index].element
    slots[index].element = nil
    let next = slots[index].generation &+ 1
    slots[index].generation = next == 0 ? 1 : next
    free.append(UInt32(index))
    return element
  }

  /// The element of `token`; nil where the token is stale.
  subscript(token: UInt64) -> Element? { place(of: token).flatMap { slots[$0].element } }

  /// Changes the element of `token`; does nothing where the token is stale. A closure and not a `_modify`
  /// accessor, whose frame is allocated on the heap at each use.
  @inline(__always)
  mutating func update(_ token: UInt64, _ change: (inout Element) -> Void) {
    guard let index = place(of: token), var element = slots[index].element else { return }
    change(&element)
    slots[index].element = element
  }

  private func place(of token: UInt64) -> Int? {
    let index = Int(UInt32(truncatingIfNeeded: token))
    guard index < slots.count, slots[index].element != nil else { return nil }
    return slots[index].generation == UInt32(token >> 32) ? index : nil
  }

  private static func token(_ generation: UInt32, _ index: UInt32) -> UInt64 {
    UInt64(generation) << 32 | UInt64(index)
  }
}
