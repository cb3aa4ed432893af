"""From an outbox of waiting messages to a stream that has them all: clawd beside redis-benchmark with the same script.

The messages are put there by clawsend while the daemon, which was connected once, is away. It is started while the server is
stopped; the time begins when the server goes on and ends when the last message has left the outbox. Both make one call at a
time, with as many messages. redis-benchmark sends the same bytes over and over; what it makes is given to nobody, and
once more to a C client on hiredis, as what clawd makes is given to itself.

Each message is a file, and what the file system takes for it stands beside: a C program that reads such files and removes
them, and does nothing else.
"""

import contextlib
import ctypes
import os
import re
import shutil
import subprocess
import time

import harness

KEEP = 1_000_000  # stream_max_length: so many that nothing is trimmed
LONGER = 10  # redis-benchmark sends so many times as many messages: its clock has whole milliseconds
DELETED = 0x400  # IN_DELETE_SELF of <sys/inotify.h>
FIGURES = {
    "rate": "messages a second, until the outbox is empty, with a server on the same machine",
    "rate into the stream": "messages a second, until the last is in the stream",
    "CPU per message": "microseconds of user and system time of the client",
}


def environment(place):
    return {"PATH": os.environ["PATH"], "HOME": str(place)}


def fill_outbox(options, place):
    """Makes an outbox with messages of the size that is measured, with clawsend, in a state folder of its own."""
    daemon = options.programs, place, "local", 1 << 24
    with harness.clawd(*daemon):
        pass
    words = [options.programs / "clawsend", "--state-dir", place / "state", "--config", place / "config.json", "bench"]
    new = place / "state" / "outbox" / "new"

    def send(text):
        subprocess.run([*words, text], check=True, capture_output=True, env=environment(place))

    send("x")
    room = harness.SIZE - next(new.iterdir()).stat().st_size + 1
    with harness.clawd(*daemon):
        harness.wait_until("the outbox is empty again", lambda: not os.listdir(new))
    for number in range(options.count):
        send(f"{number:010}".ljust(room, "x"))
    sizes = {file.stat().st_size for file in new.iterdir()}
    if sizes != {harness.SIZE}:
        raise SystemExit(f"messages of other sizes: {sizes}")
    return place / "state" / "outbox"


class Deletion:
    """Waits for a file to be deleted, and costs nothing before."""

    def __init__(self, path):
        library = ctypes.CDLL(None, use_errno=True)
        self.watch = library.inotify_init1(os.O_CLOEXEC)
        if self.watch < 0 or library.inotify_add_watch(self.watch, os.fsencode(path), DELETED) < 0:
            raise SystemExit(f"inotify: {os.strerror(ctypes.get_errno())}")

    def moment(self):
        """When it was deleted."""
        os.read(self.watch, 4096)
        return time.monotonic()

    def close(self):
        os.close(self.watch)


def clawd(options, outbox):
    with harness.folder() as place, harness.redis_server(options.redis_server, place) as socket:
        start = options.programs, place, f"unix://{socket}", 1 << 24
        with harness.clawd(*start, stream_max_length=KEEP):
            pass
        own = place / "state" / "outbox"
        shutil.rmtree(own)
        shutil.copytree(outbox, own)
        new = own / "new"
        last = Deletion(new / max(os.listdir(new)))
        with contextlib.closing(last), harness.held(socket) as release:
            with harness.clawd(*start, awaited=False, stream_max_length=KEEP) as (child, status):
                harness.wait_until_idle(child)
                cpu = harness.cpu_seconds(child.pid)
                begun, wall_clock = release(), time.time()
                seconds = last.moment() - begun
                cpu = harness.cpu_seconds(child.pid) - cpu
                with harness.Redis(socket) as redis:
                    stream = redis("XLEN", harness.Stream.name)
                    newest = redis("XREVRANGE", harness.Stream.name, "+", "-", "COUNT", 1)[0][0]
                if os.listdir(new) or stream != options.count:
                    raise SystemExit(f"{len(os.listdir(new))} in the outbox, {stream} in the stream")
                harness.wait_until("clawd heard all", lambda: status()["total"] == options.count)
        # The entry's id is the server's clock, in whole milliseconds.
        stored = int(newest.split(b"-")[0]) / 1e3 - wall_clock
        return {
            "rate": options.count / seconds,
            "rate into the stream": options.count / stored,
            "CPU per message": cpu / options.count * 1e6,
        }


def files(options, outbox):
    with harness.folder() as place:
        shutil.copytree(outbox, place / "outbox")
        seconds, cpu = map(float, harness.output([options.peers / "outbox_files", place / "outbox" / "new"]).split())
        return {"rate": options.count / seconds, "CPU per message": cpu / options.count * 1e6}


def redis_benchmark(options, is_heard):
    with harness.folder() as place, harness.redis_server(options.redis_server, place) as socket:
        with harness.Redis(socket) as redis:
            call = harness.Stream(redis, KEEP).call([harness.message(number) for number in range(harness.BATCH)])
        calls = LONGER * options.count // harness.BATCH
        subscriber = contextlib.nullcontext()
        if is_heard:
            words = [options.peers / "hiredis_subscriber", socket, harness.CHANNEL, calls * harness.BATCH]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            subscriber = harness.process([*words, place / "messages", "stdio"], place / "log", **pipes)
        with subscriber as hears:
            if hears:
                harness.expect(hears, b"ready\n")
            printed = harness.output(["redis-benchmark", "-s", socket, "-c", 1, "-n", calls, "-q", *call])
        rates = re.findall(r"([0-9.]+) requests per second", printed)
        if not rates:
            raise SystemExit("redis-benchmark named no rate")
        return {"rate": float(rates[-1]) * harness.BATCH}


def main():
    options = harness.options(__doc__, count=10_000)
    with harness.folder() as place:
        outbox = fill_outbox(options, place)
        subjects = {
            "clawd": lambda: clawd(options, outbox),
            "redis-benchmark": lambda: redis_benchmark(options, False),
            "redis-benchmark, one hears": lambda: redis_benchmark(options, True),
            "files read and removed": lambda: files(options, outbox),
        }
        subjects = {name: subject for name, subject in subjects.items() if options.only in name}
        if not subjects:
            raise SystemExit(f"no subject is called {options.only!r}")
        results = harness.measure(subjects, options.rounds)
    title = f"publish {options.count:,} messages of {harness.SIZE} bytes from the outbox, {harness.BATCH} in a call"
    aims = [harness.Aim("clawd", "rate", 0.5, to="redis-benchmark", at_least=True)]
    harness.end(harness.report(title, results, FIGURES, "clawd", options.json, aims))


if __name__ == "__main__":
    main()
