import Foundation
import Testing

@Suite("The architecture")
struct ArchitectureTests {
  let manifest: Manifest
  let sources: [SourceFile]

  init() throws {
    manifest = try Manifest(text: try SourceFile(path: "Package.swift").text)
    sources = try SourceFile.all(below: "Sources", suffix: ".swift")
  }

  @Test("each target may import only what stands above it in the table")
  func pointsDownwards() {
    var above: Set<String> = []
    for rule in importTable {
      for target in rule.targets {
        #expect(above.contains(target), "\(rule.name) may not depend on \(target), which does not stand above it")
      }
      #expect(above.insert(rule.name).inserted, "\(rule.name) stands in the table twice")
    }
  }

  @Test("Package.swift declares exactly the dependencies of the table")
  func manifestEqualsTable() {
    let declared = manifest.targets.filter(\.kind.isShipped)
    #expect(declared.map(\.name).sorted() == importTable.map(\.name).sorted())
    for rule in importTable {
      let dependencies = declared.first { $0.name == rule.name }?.dependencies ?? []
      #expect(dependencies.sorted() == rule.targets.sorted(), "the dependencies of \(rule.name)")
    }
  }

  @Test("no source file imports what the table does not allow its target")
  func importsOnlyTheAllowed() throws {
    for file in sources {
      let target = String(file.path.split(separator: "/")[1])
      let rule = try #require(importTable.first { $0.name == target }, "\(target) is not in the table")
      for (module, line) in SourceFile.imports(in: file.text) {
        #expect(
          rule.targets.contains(module) || rule.systemModules.contains(module),
          "\(file.path):\(line): \(target) may not import \(module)")
      }
    }
  }

  @Test("system calls are made in their targets alone, and errno is read in System alone")
  func systemCallsHaveTheirPlace() {
    for file in sources {
      let target = String(file.path.split(separator: "/")[1])
      let words = Set(file.code.split { !($0.isLetter || $0.isNumber || $0 == "_") })
      #expect(callsTheSystem.contains(target) || !words.contains("systemCall"), "\(file.path) makes a system call")
      #expect(target == "System" || !words.contains("errno"), "\(file.path) reads errno")
    }
  }

  @Test("no test file imports what Package.swift does not declare for it")
  func testsImportOnlyTheDeclared() throws {
    for file in try SourceFile.all(below: "Tests", suffix: ".swift") {
      let target = String(file.path.split(separator: "/")[1])
      let declaration = try #require(
        manifest.targets.first { $0.name == target }, "\(target) is not a test target of Package.swift")
      for (module, line) in SourceFile.imports(in: file.text) {
        #expect(
          declaration.dependencies.contains(module) || testModules.contains(module),
          "\(file.path):\(line): \(target) may not import \(module)")
      }
    }
  }

  @Test("the reader and the sender reach no connection", arguments: ["clawq", "clawsend"])
  func smallToolsStayLocal(name: String) {
    #expect(reach(of: name).isDisjoint(with: daemonOnly))
    #expect(reach(of: "clawd").isSuperset(of: daemonOnly))
  }

  @Test("every folder in Sources is in the table and in Sources/README.md, and the other way round")
  func everyFolderIsOnTheMap() throws {
    let folders = try SourceFile.folders(in: "Sources")
    #expect(folders == importTable.map(\.name).sorted())
    let map = try SourceFile(path: "Sources/README.md").text
    for folder in folders {
      #expect(map.contains("`\(folder)`"), "Sources/README.md does not name `\(folder)`")
    }
  }

  @Test("no Foundation, no Dispatch, no concurrency runtime and no thread in Sources")
  func oneThreadAndNoRuntime() throws {
    let word = try Regex(
      #"\b(async|await|actor|Thread|pthread_create|Dispatch\w*|DispatchQueue|Foundation\w*|_Concurrency)\b"#)
    for file in sources {
      for (number, line) in file.code.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        for match in line.matches(of: word) {
          Issue.record("\(file.path):\(number + 1): `\(line[match.range])` is not for Sources")
        }
      }
    }
  }
}
