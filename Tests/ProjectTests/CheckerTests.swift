import Testing

/// The checks are only worth something if they see what they look for.
@Suite("The checks themselves")
struct CheckerTests {
  @Test("an import is seen in every form the language has")
  func everyImport() {
    let text = """
      package import Bytes
      internal import CLinux // why
      @_exported import Ring
        @testable   import JSON; import RESP
      import struct Foundation.Data
      // import Commented
      /* import Out /* nested */ import Too */ import Kept
      let text = "import Quoted"
      important()
      """
    let modules = SourceFile.imports(in: text).map(\.module)
    #expect(modules == ["Bytes", "CLinux", "Ring", "JSON", "RESP", "Foundation", "Kept"])
    #expect(SourceFile.imports(in: text).map(\.line) == [1, 2, 3, 4, 4, 5, 7])
  }

  @Test("comments and string literals are no code, and lines keep their numbers")
  func codeOnly() {
    let text = #"""
      a // await
      b "await \" await" c
      """
        await "
        """
      d ##"await "# await"## e
      """#
    let code = SourceFile.code(of: text)
    #expect(!code.contains("await"))
    #expect(code.split(separator: "\n", omittingEmptySubsequences: false).count == 6)
    #expect(code.filter(\.isLetter) == "abcde")
    #expect(SourceFile.code(of: "x\nawait f()").contains("await"))
  }

  @Test("a manifest's declarations are read with their dependencies")
  func declarations() throws {
    let manifest = try Manifest(
      text: """
        .target(name: "C"),
        library("A", ["C"]),
        program(
          "p", ["A", "C"], linking),
        tests("ATests", []),
        """)
    #expect(manifest.targets.map(\.name) == ["C", "A", "p", "ATests"])
    #expect(manifest.targets.map(\.dependencies) == [[], ["C"], ["A", "C"], []])
    #expect(manifest.targets.map(\.kind) == [.target, .library, .program, .tests])
  }

  @Test("what a target reaches includes what its dependencies reach")
  func transitiveReach() {
    let table = [TargetRule("a", []), TargetRule("b", ["a"]), TargetRule("c", ["b"])]
    #expect(reach(of: "c", in: table) == ["a", "b"])
  }
}
