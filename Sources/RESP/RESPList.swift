/// A list with one owner. It keeps its memory when its elements go; and since nobody shares that memory, a store asks
/// nothing first, where an array asks whether it is its only owner.
///
/// Invariant: 0 <= count <= capacity.
@safe
struct RESPList<Element: BitwiseCopyable>: ~Copyable {
  private var base: UnsafeMutablePointer<Element>
  private var capacity: Int
  private(set) var count = 0

  /// An empty list with room for `capacity` elements (at least 1).
  init(capacity: Int) {
    precondition(capacity > 0, "a list needs room")
    unsafe base = .allocate(capacity: capacity)
    self.capacity = capacity
  }

  deinit { unsafe base.deallocate() }

  var isEmpty: Bool { count == 0 }

  var span: Span<Element> {
    @_lifetime(borrow self)
    borrowing get {
      let span = unsafe Span(_unsafeStart: base, count: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// - Precondition: 0 <= index < count.
  subscript(index: Int) -> Element {
    @inline(__always) get {
      precondition(index >= 0 && index < count, "an index outside the list")
      return unsafe base[index]
    }
    @inline(__always) set {
      precondition(index >= 0 && index < count, "an index outside the list")
      unsafe base[index] = newValue
    }
  }

  @inline(__always)
  mutating func append(_ element: Element) {
    if count == capacity { grow() }
    unsafe base[count] = element
    count &+= 1
  }

  /// Keeps the first `count` elements.
  @inline(__always)
  mutating func truncate(to count: Int) {
    precondition(count >= 0 && count <= self.count, "cannot truncate to more than there is")
    self.count = count
  }

  @inline(never)
  private mutating func grow() {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
    unsafe larger.update(from: base, count: count)
    unsafe base.deallocate()
    unsafe base = larger
    capacity *= 2
  }
}
