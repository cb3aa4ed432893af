package import Bytes
internal import Network
internal import System

/// An entry of the simulated stream, its fields in the order in which they were given.
package struct SimulatedEntry: Equatable {
  package let id: StreamID
  package let fields: [(name: String, value: String)]

  package init(id: StreamID, fields: [(name: String, value: String)]) {
    self.id = id
    self.fields = fields
  }

  package subscript(_ name: String) -> String? { fields.first { $0.name == name }?.value }
  package var object: String? { self["m"] }

  package static func == (left: SimulatedEntry, right: SimulatedEntry) -> Bool {
    left.id == right.id && left.fields.map(\.name) == right.fields.map(\.name)
      && left.fields.map(\.value) == right.fields.map(\.value)
  }

  /// As XRANGE shows it.
  var text: String {
    let texts = fields.flatMap { [$0.name, $0.value] }.map(SimulatedRedis.bulk)
    return SimulatedRedis.array([SimulatedRedis.bulk(id.text), SimulatedRedis.array(texts)])
  }
}

// What tests do to the stream.
extension SimulatedRedis {
  /// Adds an entry as anyone may; nothing is announced.
  @discardableResult
  package func add(_ fields: [(name: String, value: String)], id: StreamID? = nil) -> StreamID {
    let now = world.wallClock() / 1_000_000
    let isLater = now > lastID.milliseconds
    let next = StreamID(
      milliseconds: isLater ? now : lastID.milliseconds, sequence: isLater ? 0 : lastID.sequence + 1)
    lastID = id ?? next
    stream.append(SimulatedEntry(id: lastID, fields: fields))
    return lastID
  }

  /// Stores and announces objects as another daemon would; answers what the script answers.
  @discardableResult
  package func store(_ objects: [String], keep: Int = 10_000) -> [String] {
    publishScript([Self.channel, String(repeating: "a", count: 32), "\(keep)", ""] + objects)
  }

  @discardableResult
  package func store(_ object: String) -> String { store([object]).first ?? "" }

  /// FLUSHALL: the stream and the meta hash are gone.
  package func flush() {
    deleteStream()
    meta = [:]
  }

  /// DEL of the stream alone: its ids begin anew.
  package func deleteStream() {
    stream = []
    lastID = .zero
  }

  /// SCRIPT FLUSH: who calls a script by its name is told that there is none.
  package func flushScripts() { scripts = [:] }

  /// Removes the oldest entries but for `count`; answers how many.
  @discardableResult
  package func trim(to count: Int) -> Int {
    let excess = max(stream.count - count, 0)
    stream.removeFirst(excess)
    return excess
  }

  /// XDEL of one entry.
  package func remove(_ id: StreamID) { stream.removeAll { $0.id == id } }

  /// As it is after a failover to a replica that lagged behind: only the oldest `count` entries are there, and the meta
  /// hash is of that time.
  package func rewind(to count: Int) {
    stream.removeLast(max(stream.count - count, 0))
    lastID = stream.last?.id ?? .zero
    meta["seq"] = stream.last?["s"]
  }

  /// "<epoch>:<seq>", as a probe says it.
  package var mark: String { "\(meta["epoch"] ?? ""):\(meta["seq"] ?? "")" }
}

// What commands do to it.
extension SimulatedRedis {
  /// Redis's own words for a range, with the command's own direction: `(id`, `id`, `-`, `+`.
  private func bound(_ text: String, isLower: Bool) -> StreamID? {
    if text == "-" { return .zero }
    if text == "+" { return StreamID(milliseconds: .max, sequence: .max) }
    let isExclusive = text.hasPrefix("(")
    let digits = Array((isExclusive ? text.dropFirst() : text[...]).utf8)
    guard var id = StreamID(digits.span) else { return nil }
    if isExclusive {
      let (sequence, overflow) =
        isLower ? id.sequence.addingReportingOverflow(1) : id.sequence.subtractingReportingOverflow(1)
      id.sequence = sequence
      if overflow { id.milliseconds = isLower ? id.milliseconds + 1 : id.milliseconds - 1 }
    }
    return id
  }

  /// The index of the first entry that is not before `id`.
  private func firstIndex(from id: StreamID) -> Int {
    var low = 0
    var high = stream.count
    while low < high {
      let middle = (low + high) / 2
      if stream[middle].id < id { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Answers a command that asks, or trims.
  func ask(_ words: [String], isRESP3: Bool) -> String {
    let null = isRESP3 ? "_\r\n" : "$-1\r\n"
    switch words[0] {
    case "HMGET": return Self.array(words.dropFirst(2).map { meta[$0].map(Self.bulk) ?? null })
    case "XLEN": return ":\(stream.count)\r\n"
    case "XTRIM":
      guard words.count == 5, words[2] == "MAXLEN", words[3] == "=", let count = Int(words[4]) else { break }
      return ":\(trim(to: count))\r\n"
    case "XRANGE", "XREVRANGE":
      let isReverse = words[0] == "XREVRANGE"
      guard words.count == 6, words[4] == "COUNT", let count = Int(words[5]),
        let low = bound(words[isReverse ? 3 : 2], isLower: true),
        let high = bound(words[isReverse ? 2 : 3], isLower: false)
      else { break }
      let first = firstIndex(from: low)
      let found = stream[first...].prefix { $0.id <= high }
      let page = isReverse ? Array(found.suffix(count).reversed()) : Array(found.prefix(count))
      return Self.array(page.map(\.text))
    default: return "-ERR unknown command '\(words[0])'\r\n"
    }
    return "-ERR syntax error\r\n"
  }

  /// XADD stream MAXLEN ~ keep * m OBJECT
  func xadd(_ words: [String]) -> String {
    guard words.count == 8, words[2...3] == ["MAXLEN", "~"], let keep = Int(words[4]), words[5...6] == ["*", "m"] else {
      return "-ERR syntax error\r\n"
    }
    if let error = refusal(words[7]) { return "-\(error)\r\n" }
    published.append(words[7])
    let id = add([(name: "m", value: words[7])])
    trim(to: keep)
    return Self.bulk(id.text)
  }

  // MARK: Scripts

  /// EVAL or EVALSHA: knows our two scripts by what is in them.
  func run(_ words: [String]) -> (String, stores: Bool) {
    var text = words[1]
    if words[0] == "EVAL" {
      guard knowsMark || !text.hasPrefix("#!") else {
        return ("-ERR Unexpected flag in script shebang: allow-key-locking\r\n", false)
      }
      if let name = SHA1.hexadecimal(of: text) { scripts[name] = text }
    } else {
      guard let known = scripts[text] else { return ("-NOSCRIPT No matching script. Please use EVAL.\r\n", false) }
      text = known
    }
    guard let keys = Int(words[2]) else { return ("-ERR value is not an integer\r\n", false) }
    let arguments = Array(words.dropFirst(3 + keys))
    if text.contains("XADD") { return (publishScriptAnswer(arguments), true) }
    return (probeScript(arguments), false)
  }

  private func probeScript(_ arguments: [String]) -> String {
    probeTimes.append(world.time.nanoseconds)
    publish(mark, on: arguments[0])
    return Self.bulk(mark)
  }

  private func publishScriptAnswer(_ arguments: [String]) -> String {
    for command in ["HMGET", "HSET", "XRANGE"] {
      if let error = errors[command] { return "-\(error)\r\n" }
    }
    return Self.array(publishScript(arguments).map(Self.bulk))
  }

  /// What `PublishScript` does: channel, epoch, keep, after, object …
  private func publishScript(_ arguments: [String]) -> [String] {
    func whole(_ text: String?) -> UInt64? { text.flatMap(UInt64.init).flatMap { $0 < 1 << 53 ? $0 : nil } }
    let objects = arguments.dropFirst(4)
    let epoch = meta["epoch"] ?? arguments[1]
    meta["epoch"] = epoch
    var number = whole(meta["seq"]) ?? stream.last.flatMap { whole($0["s"]) } ?? 0
    let after = bound("(" + arguments[3], isLower: true)
    let known = after.map { stream[firstIndex(from: $0)...] } ?? []
    var answers: [String] = []
    for object in objects {
      if let entry = known.first(where: { $0.object == object }) {
        answers.append("=\(entry.id.text)")
        continue
      }
      if let error = errors["XADD"] ?? refusal(object) {
        answers.append("-\(error)")
        break
      }
      number += 1
      let previous = stream.last?.id ?? .zero
      let id = add([(name: "m", value: object), (name: "e", value: epoch), (name: "s", value: "\(number)")])
      trim(to: Int(arguments[2]) ?? 0)
      meta["seq"] = "\(number)"
      published.append(object)
      let place = "\(number):\(id.text)"
      if let error = errors["PUBLISH"] {
        answers.append("!\(place):\(error)")
      } else {
        publish("\(object.dropLast()),\"bus\":\"\(epoch):\(place):\(previous.text)\"}", on: arguments[0])
        answers.append("+\(place)")
      }
    }
    return answers
  }
}
