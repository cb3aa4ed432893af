/// The table of allowed imports: which target may see which, from the bottom up. `Package.swift` must declare exactly
/// these dependencies, and no source file may import anything else: an undeclared import of a transitive target would
/// compile without a word.
///
/// A target may import only what stands above it. To add an edge, add it here and in `Package.swift`, and say in
/// `Sources/README.md` why the target needs it.
let importTable: [TargetRule] = [
  //        target       our targets                                                      system modules
  TargetRule("CLinux", []),
  TargetRule("CResolver", []),
  TargetRule("COpenSSL", []),
  TargetRule("CStartup", []),
  TargetRule("Bytes", ["CLinux"]),
  TargetRule("System", ["CLinux", "Bytes"], ["Glibc", "Synchronization"]),
  TargetRule("JSON", ["Bytes"]),
  TargetRule("RESP", ["Bytes"]),
  TargetRule("Message", ["JSON", "Bytes"]),
  TargetRule("Ring", ["System", "Bytes"], ["Glibc", "Synchronization"]),
  TargetRule("Outbox", ["System", "Bytes"], ["Glibc", "Synchronization"]),
  TargetRule("EventLoop", ["System", "CLinux", "Bytes"], ["Glibc"]),
  TargetRule("Network", ["EventLoop", "System", "COpenSSL", "CResolver", "CLinux", "Bytes"], ["Glibc"]),
  TargetRule("RedisLink", ["Network", "EventLoop", "RESP", "System", "Bytes"]),
  TargetRule("Settings", ["JSON", "Message", "System", "Bytes"], ["Glibc"]),
  TargetRule("Inbox", ["Ring", "Message", "System", "Bytes"], ["Glibc"]),
  TargetRule("Delivery", ["Settings", "Message", "System", "Bytes"]),
  TargetRule(
    "Terminal", ["Inbox", "Outbox", "Ring", "Settings", "Message", "System", "Bytes"], ["Glibc"]),
  TargetRule(
    "Daemon",
    [
      "Delivery", "RedisLink", "Network", "EventLoop", "Outbox", "Ring", "Message", "Settings", "System", "Bytes",
    ]),
  TargetRule(
    "Setup", ["RedisLink", "Network", "EventLoop", "JSON", "Terminal", "Settings", "System", "Bytes"], ["Glibc"]),
  TargetRule(
    "clawd",
    [
      "Setup", "Daemon", "Delivery", "RedisLink", "Network", "EventLoop", "Outbox", "Ring", "Message", "JSON",
      "Terminal",
      "Settings",
      "System", "Bytes", "CStartup",
    ]),
  TargetRule(
    "clawq", ["Inbox", "Ring", "Terminal", "Settings", "Outbox", "Message", "JSON", "System", "Bytes", "CStartup"]),
  TargetRule(
    "clawsend",
    ["Inbox", "Outbox", "Ring", "Message", "JSON", "Terminal", "Settings", "System", "Bytes", "CStartup"]),
]

/// What the two small tools must never reach, whether directly or through another target: they open no connection.
let daemonOnly: Set<String> = ["EventLoop", "Network", "RedisLink", "Daemon"]

/// The targets that may make system calls. The others import Glibc for the names of errors (`ENOENT`) alone.
let callsTheSystem: Set<String> = ["System", "EventLoop", "Network"]

/// Modules that the tests may import beside the targets they declare.
let testModules: Set<String> = ["Testing", "TestSupport", "Foundation", "Glibc", "Synchronization"]

/// One row of the table.
struct TargetRule {
  let name: String
  /// Our own targets it depends on, as `Package.swift` declares them, and may import.
  let targets: [String]
  /// Modules of the system and of the Swift toolchain it may import.
  let systemModules: [String]

  init(_ name: String, _ targets: [String], _ systemModules: [String] = []) {
    self.name = name
    self.targets = targets
    self.systemModules = systemModules
  }
}

/// Every target that `name` reaches, directly or not.
func reach(of name: String, in table: [TargetRule] = importTable) -> Set<String> {
  var reached: Set<String> = []
  var open = [name]
  while let next = open.popLast() {
    guard let rule = table.first(where: { $0.name == next }) else { continue }
    open += rule.targets.filter { reached.insert($0).inserted }
  }
  return reached
}
