"""Messages received from Redis and kept in a file: clawd and its queue file beside a hiredis client.

The publisher, the server and the way of measuring are the same for every subject; only the subscriber differs. The
publisher waits while more than AHEAD bytes are queued for the subscriber, and its time ends when nothing is queued.
"""

import contextlib
import subprocess

import harness

SIZE = harness.SIZE
FIGURES = {
    "CPU per message": "microseconds of user and system time of the subscriber",
    "rate": "messages a second, publisher and server on the same machine",
    "memory": "MiB, anonymous memory of the subscriber at the end",
}


def anonymous_mebibytes(pid):
    """RssAnon of the process: the mapped queue file is the page cache's, not the program's."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def server(options, place, uses_tls):
    """A server's socket, for who publishes, and its TLS, for who subscribes over it."""
    tls = harness.certificates(place) if uses_tls else None
    with harness.redis_server(options.redis_server, place, tls) as socket:
        yield socket, tls


def figures(options, seconds, cpu, memory):
    return {"CPU per message": cpu / options.count * 1e6, "rate": options.count / seconds, "memory": memory}


def hiredis(options, way, uses_tls=False):
    with harness.folder() as place, server(options, place, uses_tls) as (socket, tls):
        program, address = ("tls_subscriber", [tls.port, tls.authority]) if tls else ("hiredis_subscriber", [socket])
        arguments = [options.peers / program, *address, harness.CHANNEL, options.count, place / "messages", way]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with harness.process(arguments, place / "log", **pipes) as child:
            harness.expect(child, b"ready\n")
            before = harness.cpu_seconds(child.pid)
            seconds = harness.publish(options.peers, socket, options.count)
            harness.expect(child, b"done\n")
            cpu = harness.cpu_seconds(child.pid) - before
            memory = anonymous_mebibytes(child.pid)
            size = (place / "messages").stat().st_size
            if size != options.count * (SIZE + 1):
                raise SystemExit(f"the file of {program} has {size} bytes")
            return figures(options, seconds, cpu, memory)


def clawd(options, keeps_all, uses_tls=False):
    with harness.folder() as place, server(options, place, uses_tls) as (socket, tls):
        url, settings = (tls.url(), {"redis_ca_file": str(tls.authority)}) if tls else (None, {})
        # So large that no record is overwritten (a record is its payload and at most 120 bytes around it), or the
        # default, which goes round as it does in daily use.
        queue = 1 << max(24, (options.count * (SIZE + 120)).bit_length()) if keeps_all else 1 << 24
        with harness.clawd(options.programs, place, url or f"unix://{socket}", queue, **settings) as (child, status):
            total = status()["total"]
            before = harness.cpu_seconds(child.pid)
            seconds = harness.publish(options.peers, socket, options.count)
            harness.wait_until("clawd received all", lambda: status()["total"] - total >= options.count)
            cpu = harness.cpu_seconds(child.pid) - before
            memory = anonymous_mebibytes(child.pid)
            end = status()
            if (keeps_all and end["lost"] != 0) or end["total"] - total != options.count:
                raise SystemExit(f"not every message is in the queue: {end}")
            return figures(options, seconds, cpu, memory)


def main():
    options = harness.options(__doc__)
    subjects = {
        "clawd": lambda: clawd(options, False),
        "clawd, queue for all": lambda: clawd(options, True),
        "hiredis, buffered file": lambda: hiredis(options, "stdio"),
        "hiredis, write(2) each": lambda: hiredis(options, "write"),
    }
    subjects = {name: subject for name, subject in subjects.items() if options.only in name}
    if not subjects:
        raise SystemExit(f"no subject is called {options.only!r}")
    title = f"receive {options.count:,} messages of {SIZE} bytes"
    harness.report(title, harness.measure(subjects, options.rounds), FIGURES, "clawd", options.json)


if __name__ == "__main__":
    main()
