"""What was published meanwhile, read from the stream: clawd and its queue file beside a hiredis client and a file.

The daemon was connected and has heard so much that its queue went round once; it ends, the messages are published, and it is
started again while the server is stopped, as is the peer. Both connect and ask; the time begins when the server goes on
and ends when the last message is in the queue, or in the file. So neither pays for starting.
"""

import subprocess

import harness

BEFORE = 70_000  # messages of 200 bytes that fill the default queue
FIGURES = {
    "rate": "messages a second, with a server on the same machine",
    "CPU per message": "microseconds of user and system time of the client",
}


def figures(options, seconds, cpu):
    return {"rate": options.count / seconds, "CPU per message": cpu / options.count * 1e6}


def clawd(options, keeps_all, count=None, look=None):
    """The daemon with its default queue, or with one that has room for all; `look` is called with a connection afterwards."""
    count = count or options.count
    with harness.folder() as place, harness.redis_server(options.redis_server, place) as socket:
        # A record is its payload and at most 120 bytes around it.
        before = 1 if keeps_all else BEFORE
        queue = 1 << max(24, ((count + before) * (harness.SIZE + 120)).bit_length()) if keeps_all else 1 << 24
        keep = 2 * (count + before)
        start = options.programs, place, f"unix://{socket}", queue
        with harness.Redis(socket) as redis:
            stream = harness.Stream(redis, keep)
            with harness.clawd(*start, stream_max_length=keep) as (_, status):
                stream.fill(before)
                harness.wait_until("clawd heard all", lambda: status()["total"] >= before)
                total = status()["total"]
            stream.fill(count)
            if look:
                redis("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 1000)
            with harness.held(socket) as release:
                with harness.clawd(*start, awaited=False, stream_max_length=keep) as (child, status):
                    harness.wait_until_idle(child)
                    words = [options.peers / "ring_watch", place / "state", count]
                    with harness.process(words, place / "watch", stdout=subprocess.PIPE) as watch:
                        harness.expect(watch, b"ready\n")
                        cpu = harness.cpu_seconds(child.pid)
                        begun = release()
                        seconds = float(watch.stdout.readline()) - begun
                        cpu = harness.cpu_seconds(child.pid) - cpu
                    harness.wait_until("clawd is ready", lambda: status()["redis"]["state"] == "ready")
                    end = status()
                    if end["total"] - total != count or (keeps_all and end["lost"] != 0):
                        raise SystemExit(f"not every message is in the queue: {end}")
            if look:
                return look(redis)
            return figures(options, seconds, cpu)


def page_of(redis):
    """The largest page that was asked for, from the server's own log of commands."""
    commands = [entry[3] for entry in redis("SLOWLOG", "GET", -1)]
    pages = [int(words[words.index(b"COUNT") + 1]) for words in commands if words[0].upper() == b"XRANGE" and b"COUNT" in words]
    if not pages:
        raise SystemExit("clawd asked for no page of the stream")
    return max(pages)


def hiredis(options, page, way):
    with harness.folder() as place, harness.redis_server(options.redis_server, place) as socket:
        with harness.Redis(socket) as redis:
            stream = harness.Stream(redis, 2 * (options.count + BEFORE))
            stream.fill(BEFORE)
            after = stream.last()
            stream.fill(options.count)
        words = [options.peers / "hiredis_catchup", socket, stream.name, after, options.count, page, place / "messages", way]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with harness.held(socket) as release, harness.process(words, place / "log", **pipes) as child:
            harness.wait_until_idle(child)
            cpu = harness.cpu_seconds(child.pid)
            begun = release()
            seconds = float(child.stdout.readline()) - begun
            cpu = harness.cpu_seconds(child.pid) - cpu
            size = (place / "messages").stat().st_size
            if size != options.count * (harness.SIZE + 1):
                raise SystemExit(f"the file of the peer has {size} bytes")
            return figures(options, seconds, cpu)


def main():
    options = harness.options(__doc__, count=100_000)
    page = clawd(options, False, count=10_000, look=page_of)
    subjects = {
        "clawd": lambda: clawd(options, False),
        "clawd, new queue for all": lambda: clawd(options, True),
        "hiredis, buffered file": lambda: hiredis(options, page, "stdio"),
        "hiredis, write(2) each": lambda: hiredis(options, page, "write"),
    }
    subjects = {name: subject for name, subject in subjects.items() if options.only in name}
    if not subjects:
        raise SystemExit(f"no subject is called {options.only!r}")
    aims = [harness.Aim("clawd", "rate", 0.8, to=name, at_least=True) for name in subjects if name == "hiredis, buffered file"]
    title = f"catch up {options.count:,} messages of {harness.SIZE} bytes in pages of {page}"
    harness.end(harness.report(title, harness.measure(subjects, options.rounds), FIGURES, "clawd", options.json, aims))


if __name__ == "__main__":
    main()
