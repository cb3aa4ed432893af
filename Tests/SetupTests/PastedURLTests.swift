import Setup
import Testing

/// What people paste, and what is made of it.
@Suite struct PastedURLTests {
  private func text(_ pasted: String) throws -> String { try PastedURL(pasted).text }

  private func fault(_ pasted: String) -> PastedURLFault? {
    do throws(PastedURLFault) {
      _ = try PastedURL(pasted)
      return nil
    } catch {
      return error
    }
  }

  @Test("a URL is taken out of quotes, blanks, line ends and assignments, to the character")
  func wrapped() throws {
    let url = "rediss://default:p%40w=x+y@h.example:6380/2"
    for pasted in [
      url, "  \(url)\n", "\"\(url)\"", "'\(url)'", "\u{201C}\(url)\u{201D}", "UPSTASH_REDIS_URL=\(url)",
      "UPSTASH_REDIS_URL=\"\(url)\"", "export REDIS_URL='\(url)'\r\n", "redis-cli -u \(url)", "\t`\(url)`",
      "redis-cli -u \(url) \(url)",
    ] {
      let pastedURL = try PastedURL(pasted)
      #expect(pastedURL.text == url, "\(pasted)")
      #expect(pastedURL.changed == nil, "\(pasted)")
    }
    #expect(try text("REDISS://H") == "rediss://H")
    #expect(try text("unix:///run/redis.sock") == "unix:///run/redis.sock")
    #expect(try text(" local ") == "local")
  }

  @Test("a redis-cli line with --tls, and a host that has only TLS, become rediss, and that is said")
  func encrypted() throws {
    let line = try PastedURL("redis-cli --tls -u redis://default:pw@eu1-x.upstash.io:6379")
    #expect(line.text == "rediss://default:pw@eu1-x.upstash.io:6379")
    #expect(line.changed?.contains("--tls") == true)
    #expect(try text("redis-cli -u redis://default:pw@h --tls") == "rediss://default:pw@h")
    let host = try PastedURL("redis://default:pw@eu1-x.upstash.io:6379")
    #expect(host.text == "rediss://default:pw@eu1-x.upstash.io:6379")
    #expect(host.changed?.contains("Upstash") == true)
    #expect(try text("redis://h.upstash.io.example.org") == "redis://h.upstash.io.example.org")
    #expect(try text("redis://10.0.0.1:6379") == "redis://10.0.0.1:6379")
  }

  @Test("the REST address is explained, and what holds no URL, or several, is refused")
  func refused() {
    #expect(fault("https://eu1-x.upstash.io") == .rest)
    #expect(fault("UPSTASH_REDIS_REST_URL=\"https://eu1-x.upstash.io\"") == .rest)
    #expect(fault("") == .empty)
    #expect(fault(" \n\t\"\"") == .empty)
    #expect(fault("localhost:6379") == .noURL)
    #expect(fault("redis://a redis://b") == .several)
    guard case .notURL? = fault("rediss://:pw@host:99999") else {
      Issue.record("a port that cannot be was taken")
      return
    }
  }

  @Test("no fault repeats what was pasted")
  func secret() throws {
    for pasted in [
      "sesame", "https://sesame", "redis://:sesame@h:x", "redis://:sesame@a redis://:sesame@b", "rediss://:sesame@",
    ] {
      let found = try #require(fault(pasted), "\(pasted)")
      #expect(!(found.why + found.whatToDo).contains("sesame"), "\(pasted)")
    }
  }
}
