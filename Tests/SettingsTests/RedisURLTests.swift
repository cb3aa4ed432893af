import Settings
import Testing

@Suite struct RedisURLTests {
  @Test("host, port and database are read, each with its default")
  func parts() throws {
    let cases: [(String, String, UInt16, Int)] = [
      ("redis://example.org", "example.org", 6379, 0),
      ("redis://example.org/", "example.org", 6379, 0),
      ("redis://example.org:7000", "example.org", 7000, 0),
      ("redis://example.org:7000/3", "example.org", 7000, 3),
      ("redis://127.0.0.1/15", "127.0.0.1", 6379, 15),
      ("REDIS://h_1-a.b", "h_1-a.b", 6379, 0),
      ("redis://h?db=4", "h", 6379, 4),
      ("redis://h/4?db=4", "h", 6379, 4),
      ("redis://[::1]", "::1", 6379, 0),
      ("redis://[2001:db8::1]:7001/2", "2001:db8::1", 7001, 2),
      ("redis://[::ffff:192.0.2.1]", "::ffff:192.0.2.1", 6379, 0),
      ("redis://[fe80::1%25eth0]:1", "fe80::1%eth0", 1, 0),
    ]
    for (text, host, port, database) in cases {
      let url = try RedisURL.parse(text)
      #expect(url.endpoint == .network(host: host, port: port), "\(text)")
      #expect(url.database == database, "\(text)")
      #expect(!url.tls && url.user == nil && url.password == nil, "\(text)")
    }
  }

  @Test("rediss asks for TLS")
  func tls() throws {
    let url = try RedisURL.parse("rediss://default:Abc123@eu1-x.upstash.io:6379")
    #expect(url.tls)
    #expect(url.user == "default")
    #expect(url.password == Secret("Abc123"))
  }

  @Test("a unix socket has a path, a database and a login")
  func unixSocket() throws {
    #expect(try RedisURL.parse("unix:///run/redis.sock").endpoint == .unixSocket(path: "/run/redis.sock"))
    let url = try RedisURL.parse("unix://bob:pw@/run/my%20redis.sock?db=5")
    #expect(url.endpoint == .unixSocket(path: "/run/my redis.sock"))
    #expect(url.user == "bob" && url.password == Secret("pw") && url.database == 5 && !url.tls)
  }

  @Test("user and password are percent-decoded; the last @ ends them; a lone word is a password")
  func login() throws {
    let cases: [(String, String?, String?)] = [
      ("redis://bob:secret@h", "bob", "secret"),
      ("redis://:secret@h", nil, "secret"),
      ("redis://secret@h", nil, "secret"),
      ("redis://b%40b:p%2Fq%3a%23%25@h", "b@b", "p/q:#%"),
      ("redis://bob:p@ss:w@h", "bob", "p@ss:w"),
      ("redis://:%F0%9F%A6%9E@h", nil, "🦞"),
      ("redis://bob:@h", "bob", ""),
      ("redis://:@h", nil, nil),
      ("redis://@h", nil, nil),
    ]
    for (text, user, password) in cases {
      let url = try RedisURL.parse(text)
      #expect(url.user == user, "\(text)")
      #expect(url.password?.revealed == password, "\(text)")
    }
  }

  @Test("what is no Redis URL is refused at the place of its fault")
  func faults() {
    let cases: [(String, Int)] = [
      ("", 0), ("redis", 5), ("redis:", 6), ("redis:/h", 7), ("redis://", 8), ("redi://h", 0), ("local", 0),
      ("redis://:6379", 8), ("redis://h:", 10), ("redis://h:0", 10), ("redis://h:65536", 10), ("redis://h:+1", 10),
      ("redis://h:06379", 10), ("redis://h:6379x", 10), ("redis://h:99999999999999999999999", 10),
      ("redis://h/x", 10), ("redis://h/-1", 10), ("redis://h/2147483648", 10), ("redis://h/1/", 10),
      ("redis://h?ssl=1", 10), ("redis://h?db=", 13), ("redis://h?db=1&x=2", 14), ("redis://h#x", 9),
      ("redis://h/1?db=2", 15), ("rediss://.h", 9), ("redis://a..b", 10), ("redis://.", 8), ("redis://::1", 8),
      ("redis://::1/0", 8), ("redis://a::1", 10), ("redis://[::1", 8),
      ("redis://[1234]", 9), ("redis://[::g]", 11), ("redis://[::1]x", 13), ("redis://[::1%25]", 15),
      ("redis://hö", 9), ("redis://h,i", 9), ("redis://u:%zz@h", 10), ("redis://u:%4@h", 10), ("redis://u:%ff@h", 10),
      ("redis://u:%00@h", 10), (" redis://h", 0), ("redis://h\n", 9), ("\"redis://h\"", 0), ("unix://run/x", 7),
      ("unix://", 7), ("unix:///", 7), ("unix:///\(String(repeating: "a", count: 107))", 7),
      ("redis://\(String(repeating: "a", count: 254))", 8 + 254),
    ]
    for (text, offset) in cases {
      do throws(RedisURLError) {
        let url = try RedisURL.parse(text)
        Issue.record("\(text) was taken for \(url)")
      } catch {
        #expect(error.offset == offset, "\(text): \(error)")
      }
    }
  }

  @Test("a REST URL is recognised")
  func rest() {
    #expect {
      try RedisURL.parse("https://eu1-x.upstash.io")
    } throws: {
      "\($0)".contains("REST")
    }
  }

  @Test("no description, dump or error shows a password")
  func secrecy() throws {
    let good = [
      "redis://bob:hunter2@h", "rediss://hunter2@h:1/2", "unix://:hunter2@/run/x", "redis://hunter2:x@[::1]",
    ]
    for text in good {
      let url = try RedisURL.parse(text)
      var dumped = ""
      dump(url.password, to: &dumped)
      for shown in ["\(url)", String(reflecting: url.password), dumped, "\(url.password as Any)"] {
        #expect(!shown.contains("hunter2"), "\(shown)")
      }
      #expect("\(url)".contains("***@"))
    }
    let bad = [
      "redis://bob:hunter2", "redis://bob:hunter2%@h", "redis://bob:hunter2/x@h", "redis://hunter2 @h",
      "hunter2@h:6379", "redis://u:x/hunter2@h", "redis://h?password=hunter2", "redis://u:#hunter2@h",
      "https://hunter2@h", "unix://hunter2", "redis://:a?hunter2@h:1",
    ]
    for text in bad {
      do throws(RedisURLError) {
        let url = try RedisURL.parse(text)
        Issue.record("\(text) was taken for \(url)")
      } catch {
        #expect(!"\(error)".contains("hunter2"))
      }
    }
  }

  @Test("a '/' in a password gets the hint how to write it")
  func slashHint() {
    #expect {
      try RedisURL.parse("redis://bob:p/w@h")
    } throws: {
      "\($0)".contains("%2F")
    }
  }

  @Test("no text, however cut or mangled, traps the parser")
  func mangled() {
    let whole = Array("rediss://us%20er:p%2Fw@[fe80::1%25eth0]:6380/12?db=12".utf8)
    for end in 0...whole.count {
      for byte in [UInt8(ascii: "%"), UInt8(ascii: ":"), UInt8(ascii: "@"), UInt8(ascii: "["), 0xFF, 0] {
        var bytes = Array(whole[..<end])
        _ = try? RedisURL.parse(String(decoding: bytes, as: UTF8.self))
        bytes.append(byte)
        _ = try? RedisURL.parse(String(decoding: bytes, as: UTF8.self))
        if end < whole.count {
          bytes = whole
          bytes[end] = byte
          _ = try? RedisURL.parse(String(decoding: bytes, as: UTF8.self))
        }
      }
    }
  }
}
