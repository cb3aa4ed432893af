package import Bytes
package import RESP

/// A page of the stream: a view of a frame, gone with it. Walks the entries in the order in which Redis gave them.
///
///     XRANGE:  * ─┬─ * ─┬─ <id>
///                 │     └─ * ── <field>, <value>, …     a map, too, where a proxy makes one of it
///                 └─ * …                                 null: the stream is empty
package struct StreamPage: ~Escapable {
  private let frame: RESPFrame
  private var index = 1
  /// The number of entries in the page, those included that were taken already.
  package let count: Int

  /// - Parameter frame: one that `CommanderMachine` has answered `fetched` to.
  @_lifetime(copy frame)
  package init(_ frame: RESPFrame) {
    self.frame = frame
    count = Int(frame.root.integer)
  }

  /// The id of the last entry; nil where there is none.
  package var last: StreamID? {
    var last = 1
    while last < frame.count, frame[last].next < frame.count { last = frame[last].next }
    return last < frame.count ? StreamID(frame.text(frame[last + 1])) : nil
  }

  /// Whether a frame has this shape, each id is one, and every text in its place is there. Looks at each value once.
  static func isPage(_ frame: borrowing RESPFrame) -> Bool {
    guard frame.root.kind == .array else { return frame.root.kind == .null }
    var index = 1
    while index < frame.count {
      guard frame[index].kind == .array, frame[index].integer == 2, frame[index + 1].kind.isString,
        StreamID(frame.text(frame[index + 1])) != nil
      else { return false }
      let fields = frame[index + 2]
      guard fields.kind == .array || fields.kind == .map, fields.integer % 2 == 0 else { return false }
      // None of them is an aggregate: there are as many as the count says.
      for field in (index + 3)..<fields.next where !isValue(frame[field].kind) { return false }
      index = fields.next
    }
    return true
  }

  /// The next entry; nil after the last.
  @_lifetime(self: copy self)
  @_lifetime(copy self)
  package mutating func next() -> StreamEntry? {
    guard index < frame.count, let id = StreamID(frame.text(frame[index + 1])) else { return nil }
    let first = index + 3
    index = frame[index].next
    return StreamEntry(id: id, frame, fields: first..<index)
  }
}

/// An entry of the stream: whoever may write there can have put anything into it.
package struct StreamEntry: ~Escapable {
  package let id: StreamID
  /// The sender's object, the field `m`: the first of that name. Nil where there is none, or a longer one than is kept.
  package let object: Span<UInt8>?
  /// How many bytes the object has that was too long to be kept; else nil.
  package let oversizedByteCount: Int?
  /// The fields `e` and `s`; nil where they are missing or are none.
  package let epoch: StreamEpoch?
  package let number: UInt64?

  @_lifetime(copy frame)
  init(id: StreamID, _ frame: RESPFrame, fields: Range<Int>) {
    self.id = id
    var object: Span<UInt8>?
    var oversizedByteCount: Int?
    if let value = Self.value("m", fields, frame) {
      if frame[value].kind.isString { object = frame.text(frame[value]) }
      if frame[value].kind == .oversizedString { oversizedByteCount = Int(frame[value].integer) }
    }
    self.object = object
    self.oversizedByteCount = oversizedByteCount
    epoch = Self.value("e", fields, frame).flatMap { StreamEpoch(frame.text(frame[$0])) }
    number = Self.value("s", fields, frame).flatMap { streamNumber(frame.text(frame[$0])) }.flatMap {
      $0 > 0 ? $0 : nil
    }
  }

  /// The node of the first field's value that is called `name`.
  private static func value(_ name: StaticString, _ fields: Range<Int>, _ frame: borrowing RESPFrame) -> Int? {
    var field = fields.lowerBound
    while field < fields.upperBound {
      if frame[field].kind.isString, equal(frame.text(frame[field]), name) { return field + 1 }
      field += 2
    }
    return nil
  }
}
