import Foundation
import Testing

@Suite("The state of the files")
struct HygieneTests {
  @Test("no Swift file is longer than 400 lines")
  func filesStayShort() throws {
    for folder in ["Sources", "Tests"] {
      for file in try SourceFile.all(below: folder, suffix: ".swift") {
        #expect(file.lineCount <= 400, "\(file.path) has \(file.lineCount) lines")
      }
    }
  }

  @Test("nothing is marked as left to be done")
  func nothingIsLeftToDo() throws {
    // In pieces, so that this file does not find itself.
    let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X:"]
    for file in try ["Sources", "Tests", "tools", "bench"].flatMap({ try SourceFile.all(below: $0) }) {
      for (number, line) in file.lines.enumerated() {
        for mark in marks where line.contains(mark) {
          Issue.record("\(file.path):\(number + 1): \(mark)")
        }
      }
    }
  }

  @Test("no file names a folder of somebody's own machine")
  func noDeveloperPaths() throws {
    let places = ["/wo" + "rk/", "/ro" + "ot/", "/Us" + "ers/", "/tmp" + "/wt"]
    var files = try ["Sources", "Tests", "tools", "bench", ".ci"].flatMap { try SourceFile.all(below: $0) }
    files.append(try SourceFile(path: "Package.swift"))
    for file in files {
      for (number, line) in file.lines.enumerated() {
        for place in places where line.contains(place) {
          Issue.record("\(file.path):\(number + 1): \(place)")
        }
      }
    }
  }

  @Test("every script starts with its interpreter and can be run", arguments: ["tools", "bench", ".ci"])
  func scriptsCanBeRun(folder: String) throws {
    for file in try SourceFile.all(below: folder) where URL(filePath: file.path).pathExtension.isEmpty {
      #expect(file.text.hasPrefix("#!/usr/bin/env "), "\(file.path)")
      let executable = FileManager.default.isExecutableFile(atPath: repository.appending(path: file.path).path)
      #expect(executable, "\(file.path) is not executable")
    }
  }
}
