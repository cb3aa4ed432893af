/// Why bytes are not RESP, or more than we take. The connection that sent them is of no further use: nothing says where
/// its next frame begins.
package struct RESPFault: Error, Equatable, BitwiseCopyable, Sendable {
  package let reason: Reason
  /// Where the value at fault begins, relative to the frame's first byte.
  package let offset: Int

  package enum Reason: Equatable, BitwiseCopyable, Sendable {
    /// The byte begins no type of RESP.
    case unknownType(UInt8)
    case bareCarriageReturn, bareLineFeed
    case lineTooLong, bulkTooLong, frameTooLong
    case tooDeep, tooManyElements
    /// The length of a string or the count of an aggregate is not a strict decimal.
    case badLength
    case badInteger, badDouble, badBigNumber, badBoolean, badNull, badVerbatim
    /// A string is not followed by CR LF where its length says.
    case missingTerminator
    /// The streamed types of the RESP3 draft, which no Redis command sends.
    case streamed
    /// A push inside another value: the specification allows it at the top only, and counts would be a guess.
    case nestedPush
  }
}

extension RESPFault: CustomStringConvertible {
  package var description: String { "malformed RESP at byte \(offset) of a frame: \(reason)" }
}

extension RESPFault.Reason: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unknownType(let byte): "no type begins with byte \(byte)"
    case .bareCarriageReturn: "a CR without LF"
    case .bareLineFeed: "an LF without CR"
    case .lineTooLong: "a line is too long"
    case .bulkTooLong: "a string is too long"
    case .frameTooLong: "the frame is too long"
    case .tooDeep: "nested too deep"
    case .tooManyElements: "too many elements"
    case .badLength: "not a length"
    case .badInteger: "not an integer"
    case .badDouble: "not a double"
    case .badBigNumber: "not a big number"
    case .badBoolean: "not a boolean"
    case .badNull: "not a null"
    case .badVerbatim: "not a verbatim string"
    case .missingTerminator: "a string is not followed by CR LF"
    case .streamed: "streamed types are not taken"
    case .nestedPush: "a push inside another value"
    }
  }
}
