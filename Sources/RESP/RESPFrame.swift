/// A complete frame: a view of the parser's nodes and of the bytes they point into. It owns nothing and lives no longer
/// than either. Looked into for each message: what does that is inlined into other modules.
@usableFromInline
package struct RESPFrame: ~Escapable {
  @usableFromInline let nodes: Span<RESPNode>
  @usableFromInline let bytes: Span<UInt8>

  /// - Parameters:
  ///   - nodes: at least one, in preorder.
  ///   - bytes: begins at the frame's first byte and holds at least the whole frame.
  @_lifetime(copy nodes, copy bytes)
  init(nodes: Span<RESPNode>, bytes: Span<UInt8>) {
    self.nodes = nodes
    self.bytes = bytes
  }

  /// The number of values in the frame, at least 1.
  @inlinable package var count: Int { nodes.count }
  @inlinable package var root: RESPNode { nodes[0] }
  /// Whether the frame as a whole is an error reply.
  package var isError: Bool { nodes[0].kind.isError }

  /// - Precondition: 0 <= index < count.
  @inlinable package subscript(_ index: Int) -> RESPNode { nodes[index] }

  /// The bytes of a value: see `RESPNode.payload`.
  @inlinable @_lifetime(copy self)
  package func text(_ node: RESPNode) -> Span<UInt8> { bytes.extracting(node.payload) }

  /// The bytes of the frame in `range`, which a node or a machine gave.
  @inlinable @_lifetime(copy self)
  package func bytes(_ range: Range<Int>) -> Span<UInt8> { bytes.extracting(range) }

  /// The children of the node at `index`, first to last; none where it is not an aggregate.
  @_lifetime(copy self)
  package func children(of index: Int = 0) -> RESPChildren { RESPChildren(nodes: nodes, parent: index) }
}

/// Walks the direct children of one node, without recursion.
package struct RESPChildren: ~Escapable {
  private let nodes: Span<RESPNode>
  private var index: Int
  private let end: Int

  @_lifetime(copy nodes)
  init(nodes: Span<RESPNode>, parent: Int) {
    self.nodes = nodes
    index = parent + 1
    end = nodes[parent].next
  }

  /// The index of the next child, or nil after the last.
  @_lifetime(self: copy self)
  package mutating func next() -> Int? {
    guard index < end else { return nil }
    let child = index
    index = nodes[child].next
    return child
  }
}
