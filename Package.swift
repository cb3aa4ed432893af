// swift-tools-version: 6.2
import PackageDescription

// Every target is held to the same rules: Swift 6, strict memory safety, no warning. `Lifetimes` lets our own
// `~Copyable` owners hand out a `Span` instead of a pointer.
let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  // Tests stand between the steps of a protocol (Sources/System/Step.swift); what is shipped has no such place.
  .define("STEPS", .when(configuration: .debug)),
]

// Linked so that a start touches few pages (tools/startup-order): what it runs and reads lies side by side. lld, which
// comes with Swift, because it can order single functions and variables; names that are not there are passed over. (Its
// --no-rosegment would save another 1 or 2 % of a start, and make all that is only read executable.)
let startupOrder: [String] = [
  "-use-ld=lld",
  "-Xlinker", "--symbol-ordering-file=\(Context.packageDirectory)/tools/startup.order",
  "-Xlinker", "--no-warn-symbol-ordering",
]
let withoutWaste: [String] = ["-Xlinker", "-s", "-Xlinker", "--gc-sections"]

// The two small tools need nothing at run time; the daemon needs glibc (name resolution loads nsswitch modules) but
// no Swift runtime. Debug builds, tests and sanitizers stay ordinary.
let staticExecutable: [LinkerSetting] = [
  .unsafeFlags(["-static-executable"] + startupOrder + withoutWaste, .when(configuration: .release))
]
let staticRuntime: [LinkerSetting] = [
  .unsafeFlags(["-static-stdlib"] + withoutWaste, .when(configuration: .release))
]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func program(_ name: String, _ dependencies: [Target.Dependency], _ linking: [LinkerSetting]) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies, swiftSettings: swiftSettings, linkerSettings: linking)
}

// What the tests are written with, and programs that they start; none of it is shipped.
func testLibrary(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: swiftSettings)
}

func testProgram(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: swiftSettings)
}

// What bench/ measures with; not shipped either.
func benchProgram(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, path: "bench/\(name)", swiftSettings: swiftSettings)
}

// Every test target may use TestSupport.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies + ["TestSupport"], swiftSettings: swiftSettings)
}

// Dependencies point strictly down this list. Tests/ProjectTests owns the table of allowed imports and fails when a
// source file reaches past it.
let package = Package(
  name: "openclaw-bus",
  targets: [
    .target(name: "CLinux"),
    // getaddrinfo_a is in libanl before glibc 2.34, in libc since.
    .target(name: "CResolver", linkerSettings: [.linkedLibrary("anl")]),
    // Linked dynamically: the system's updates reach it.
    .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    // What the three programs replace of the runtime's start.
    .target(name: "CStartup"),
    library("Bytes", ["CLinux"]),
    library("System", ["CLinux", "Bytes"]),
    library("JSON", ["Bytes"]),
    library("RESP", ["Bytes"]),
    library("Message", ["JSON", "Bytes"]),
    library("Ring", ["System", "Bytes"]),
    library("Outbox", ["System", "Bytes"]),
    library("EventLoop", ["System", "CLinux", "Bytes"]),
    library("Network", ["EventLoop", "System", "COpenSSL", "CResolver", "CLinux", "Bytes"]),
    library("RedisLink", ["Network", "EventLoop", "RESP", "System", "Bytes"]),
    library("Settings", ["JSON", "Message", "System", "Bytes"]),
    library("Inbox", ["Ring", "Message", "System", "Bytes"]),
    library("Delivery", ["Settings", "Message", "System", "Bytes"]),
    library("Terminal", ["Inbox", "Outbox", "Ring", "Settings", "Message", "System", "Bytes"]),
    library(
      "Daemon",
      [
        "Delivery", "RedisLink", "Network", "EventLoop", "Outbox", "Ring", "Message", "Settings", "System", "Bytes",
      ]),
    library(
      "Setup", ["RedisLink", "Network", "EventLoop", "JSON", "Terminal", "Settings", "System", "Bytes"]),
    program(
      "clawd",
      [
        "Setup", "Daemon", "Delivery", "RedisLink", "Network", "EventLoop", "Outbox", "Ring", "Message", "JSON",
        "Terminal",
        "Settings",
        "System", "Bytes", "CStartup",
      ],
      staticRuntime),
    program(
      "clawq", ["Inbox", "Ring", "Terminal", "Settings", "Outbox", "Message", "JSON", "System", "Bytes", "CStartup"],
      staticExecutable),
    program(
      "clawsend",
      ["Inbox", "Outbox", "Ring", "Message", "JSON", "Terminal", "Settings", "System", "Bytes", "CStartup"],
      staticExecutable),
    testLibrary("TestSupport", ["Network", "EventLoop", "System", "Bytes"]),
    testProgram("RingStress", ["Ring", "TestSupport", "System", "Bytes"]),
    benchProgram("RingBench", ["Ring", "System", "Bytes"]),
    tests("BytesTests", ["Bytes"]),
    tests("SystemTests", ["System", "Bytes"]),
    tests("JSONTests", ["JSON", "Bytes"]),
    tests("MessageTests", ["Message", "JSON", "Bytes"]),
    tests("RESPTests", ["RESP", "Bytes"]),
    tests("RingTests", ["RingStress", "Ring", "System", "Bytes"]),
    tests("OutboxTests", ["Outbox", "System", "Bytes"]),
    tests("EventLoopTests", ["EventLoop", "System", "Bytes"]),
    tests("NetworkTests", ["Network", "COpenSSL", "EventLoop", "System", "Bytes"]),
    tests("DeliveryTests", ["Delivery", "Settings", "Message", "System", "Bytes"]),
    tests("RedisLinkTests", ["RedisLink", "Network", "EventLoop", "RESP", "System", "Bytes"]),
    tests("SettingsTests", ["Settings", "JSON", "Message", "System", "Bytes"]),
    tests("InboxTests", ["Inbox", "Ring", "Message", "JSON", "System", "Bytes"]),
    tests("TerminalTests", ["Terminal", "Settings", "Message", "System", "Bytes"]),
    tests(
      "DaemonTests",
      ["Daemon", "RedisLink", "Network", "EventLoop", "Outbox", "Ring", "Message", "Settings", "System", "Bytes"]),
    tests("SetupTests", ["Setup", "JSON", "Settings", "System", "Bytes"]),
    tests("ProjectTests", []),
  ]
)
