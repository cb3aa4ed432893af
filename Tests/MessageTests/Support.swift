import Bytes
import JSON
import Message

func contents(of buffer: borrowing ByteBuffer) -> String { String(repairing: buffer.readable) }

/// The raw token of `value`.
func token(_ value: JSONValue?, in text: String) -> String? {
  let bytes = Array(text.utf8)
  return value.map { String(repairing: bytes.span.extracting($0.range)) }
}

func find(_ text: String) throws(MessageFault) -> MessageMembers { try find(Array(text.utf8)) }
func find(_ bytes: [UInt8]) throws(MessageFault) -> MessageMembers { try MessageMembers.find(in: bytes.span) }

/// What `appendSenderObject` makes of `text`, behind what the buffer held before.
func senderObject(_ text: String) throws(MessageFault) -> String {
  var buffer = ByteBuffer(capacity: 1)
  let bytes = Array(text.utf8)
  try MessageMembers.appendSenderObject(of: bytes.span, to: &buffer)
  return contents(of: buffer)
}

func consumerMessage(_ text: String, sequence: UInt64 = 7) throws(MessageFault) -> String {
  var buffer = ByteBuffer(capacity: 1)
  let bytes = Array(text.utf8)
  try ConsumerOutput.appendMessage(bytes.span, sequence: sequence, to: &buffer)
  return contents(of: buffer)
}

func name(_ text: String) throws(AgentNameFault) -> AgentName { try AgentName(text) }
