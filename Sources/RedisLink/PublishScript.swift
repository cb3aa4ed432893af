internal import Bytes
internal import Network

/// A script that Redis runs, and the name that Redis gives it: the SHA-1 of its text
/// (https://redis.io/docs/latest/commands/evalsha/).
struct LuaScript: Sendable {
  /// Upstash locks the whole database for the time of a script that does not begin with it; plain Redis refuses to compile
  /// one that does (https://upstash.com/docs/redis/help/faq).
  static let mark: StaticString = "#!lua flags=allow-key-locking\n"

  let text: String
  /// 40 hexadecimal digits in lower case; nil where OpenSSL has no SHA-1: then the text goes along each time.
  let name: String?

  init(_ text: String) {
    self.text = text
    name = SHA1.hexadecimal(of: text)
  }
}

/// The script that stores and announces a batch of messages: one call, nothing between.
///
///     KEYS   stream, meta hash
///     ARGV   channel, epoch for a stream that has none, length to trim to, `after`, object …
///     answers a text for each object that was dealt with:
///            +<number>:<id>           stored and published
///            !<number>:<id>:<error>   stored, and not published
///            =<id>                    an entry behind `after` has these very bytes: stored by an earlier call
///            -<error>                 refused; nothing behind it was tried
///     publishes each object with the member "bus":"<epoch>:<number>:<id>:<id of the entry before>" added before its last
///     brace: who has the entry before lacks nothing, whoever added to the stream meanwhile
///
/// What is stored is never taken back and what is announced is stored: XADD comes first, and where PUBLISH is refused (an ACL
/// may) the entry and its number stand. What may raise an error does so before the first XADD: an error as the whole answer
/// says that nothing was stored. Behind it every call is a `pcall`. The number is written once for the batch: scripts run
/// alone, and Redis keeps their writes together.
///
/// A number is written with `%.0f`, since Lua writes 1e+14 otherwise. From 2^53 on doubles do not know every whole number:
/// one that comes so far, which nobody can count to, begins again with the next batch. Where the meta hash has none, or none that can be, it goes on behind the stream's last. Valid for
/// Redis 6.2 and later.
enum PublishScript {
  static let plain = LuaScript(source.description)
  static let marked = LuaScript(LuaScript.mark.description + source.description)

  private static let source: StaticString = """
    local stream, meta, channel, keep, after = KEYS[1], KEYS[2], ARGV[1], ARGV[3], ARGV[4]
    local before_objects = 4
    local function whole(text)
      local number = text and string.find(text, '^%d+$') and tonumber(text)
      return number and number < 9007199254740992 and number or nil
    end
    local function member(fields, name)
      for i = 1, #fields, 2 do
        if fields[i] == name then return fields[i + 1] end
      end
    end
    local state = redis.call('HMGET', meta, 'epoch', 'seq')
    local epoch, number = state[1], whole(state[2])
    if not epoch or #epoch ~= 32 or string.find(epoch, '[^0-9a-f]') then
      epoch = ARGV[2]
      redis.call('HSET', meta, 'epoch', epoch)
    end
    local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    local previous = newest and newest[1] or '0-0'
    number = number or newest and whole(member(newest[2], 's')) or 0
    local known = {}
    if after ~= '' then
      for _, entry in ipairs(redis.call('XRANGE', stream, '(' .. after, '+')) do
        local object = member(entry[2], 'm')
        if object then known[object] = entry[1] end
      end
    end
    local answers, places, befores, stored = {}, {}, {}, false
    for i = 1, #ARGV - before_objects do
      local object = ARGV[before_objects + i]
      if known[object] then
        answers[i] = '=' .. known[object]
      else
        local text = string.format('%.0f', number + 1)
        local id = redis.pcall('XADD', stream, 'MAXLEN', '~', keep, '*', 'm', object, 'e', epoch, 's', text)
        if type(id) == 'table' then
          answers[i] = '-' .. id.err
          break
        end
        number = number + 1
        stored = true
        places[i] = text .. ':' .. id
        befores[i] = previous
        previous = id
      end
    end
    local written = stored and redis.pcall('HSET', meta, 'seq', string.format('%.0f', number))
    for i = 1, #ARGV - before_objects do
      if places[i] then
        local done = written
        if type(done) ~= 'table' then
          local object = string.sub(ARGV[before_objects + i], 1, -2)
          local bus = epoch .. ':' .. places[i] .. ':' .. befores[i]
          done = redis.pcall('PUBLISH', channel, object .. ',"bus":"' .. bus .. '"}')
        end
        answers[i] = type(done) == 'table' and '!' .. places[i] .. ':' .. done.err or '+' .. places[i]
      end
    end
    return answers
    """
}
