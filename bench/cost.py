"""What a message, a reconnect and an idle hour cost in Redis: memory, commands, bytes. Providers bill them.

Memory is that of the stream at its default length, as the server counts it. Commands and bytes are what the server counts
while one thing happens, once with MONITOR beside it, which tells the commands inside scripts from those that a client
sends, and once without, for the bytes. What this program asks itself is not counted.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import time

import harness

KEEP = 10_000  # the default of stream_max_length
SIZES = [200, 2048]
RECEIVERS = [1, 10]
ALONE, BATCHES, MISSED = 20, 5, 1000
IDLE = 300  # seconds
BEGIN, END = "count from here", "count to here"
OURS = {"info", "config|resetstat", "client|kill", "monitor", "echo"}


def memory(options, size):
    """The stream after it was filled three times over, so that it is trimmed as it always is."""
    with harness.folder() as place, harness.redis_server(options.redis_server, place) as socket:
        with harness.Redis(socket) as redis:
            stream = harness.Stream(redis, KEEP)
            before = int(redis.info("memory")["used_memory"])
            stream.fill(3 * KEEP, size)
            usage = redis("MEMORY", "USAGE", stream.name, "SAMPLES", 0)
            grown = int(redis.info("memory")["used_memory"]) - before
            length = stream.length()
    return {"entries": length, "bytes an entry": usage / length, "MiB": usage / 2**20, "MiB of the server": grown / 2**20}


class Bus:
    """A server and daemons on it; the first one sends."""

    def __init__(self, options, stack, daemons):
        self.options = options
        self.place = stack.enter_context(harness.folder())
        self.socket = stack.enter_context(harness.redis_server(options.redis_server, self.place))
        self.redis = stack.enter_context(harness.Redis(self.socket))
        self.stream = harness.Stream(self.redis, KEEP)
        self.stream.fill(1)
        self.daemons = []
        for number in range(daemons):
            place = self.place / str(number)
            place.mkdir()
            self.daemons.append(
                stack.enter_context(harness.clawd(options.programs, place, f"unix://{self.socket}", 1 << 23))
            )
        self.sender = self.place / "0"

    def totals(self):
        return [status()["total"] for _, status in self.daemons]

    def send(self, size, count=1):
        """Puts messages into the outbox, each of about `size` bytes."""
        words = [self.options.programs / "clawsend", "--state-dir", self.sender / "state"]
        words += ["--config", self.sender / "config.json", "bench", "x" * (size - 129)]
        for _ in range(count):
            subprocess.run([str(word) for word in words], check=True, capture_output=True, env={"HOME": str(self.sender)})

    def await_all(self, totals):
        harness.wait_until("every daemon has the messages", lambda: self.totals() == totals, pause=0.01)

    def alone(self, size):
        for _ in range(ALONE):
            totals = [total + 1 for total in self.totals()]
            self.send(size)
            self.await_all(totals)

    def batches(self, size):
        """The sender finds a full batch whenever it looks."""
        child, _ = self.daemons[0]
        for _ in range(BATCHES):
            totals = [total + harness.BATCH for total in self.totals()]
            os.kill(child.pid, signal.SIGSTOP)
            self.send(size, harness.BATCH)
            os.kill(child.pid, signal.SIGCONT)
            self.await_all(totals)

    def reconnect(self):
        self.redis("CLIENT", "KILL", "TYPE", "pubsub")
        time.sleep(3)
        harness.wait_until("the daemon is connected again", lambda: self.daemons[0][1]()["redis"]["state"] == "ready")

    def missed(self):
        """A reconnect with messages in the stream that were published meanwhile; they are not counted."""
        child, _ = self.daemons[0]
        totals = [total + MISSED for total in self.totals()]
        os.kill(child.pid, signal.SIGSTOP)
        self.redis("CLIENT", "KILL", "TYPE", "pubsub")
        self.stream.fill(MISSED)
        self.begin()
        os.kill(child.pid, signal.SIGCONT)
        self.await_all(totals)
        time.sleep(1)

    def begin(self):
        """Counts from here."""
        self.redis("CONFIG", "RESETSTAT")
        # MONITOR does not show the other.
        self.redis("ECHO", BEGIN)

    def counted(self, what):
        """Commands of clients and of scripts, bytes to the server and from it, while `what` happens (twice)."""
        with Monitor(self.socket) as monitor:
            self.begin()
            what()
            stats = self.redis.info("commandstats")
        calls = {name.removeprefix("cmdstat_"): int(re.match(r"calls=(\d+)", text)[1]) for name, text in stats.items()}
        calls = {name: count for name, count in calls.items() if name not in OURS}
        self.begin()
        what()
        traffic = self.redis.info("stats")
        return {
            "commands of clients": sum(calls.values()) - monitor.of_scripts,
            "commands in scripts": monitor.of_scripts,
            "bytes in": int(traffic["total_net_input_bytes"]),
            "bytes out": int(traffic["total_net_output_bytes"]),
            "calls": calls,
        }


class Monitor:
    """Counts the commands that scripts call behind the last BEGIN."""

    def __init__(self, socket):
        self.of_scripts = 0
        self.redis = harness.Redis(socket)
        self.other = harness.Redis(socket)

    def __enter__(self):
        self.redis("MONITOR")
        return self

    def __exit__(self, *_):
        # What was shown before this was shown before it.
        self.other("ECHO", END)
        while END.encode() not in (line := self.redis.answers.readline()):
            if BEGIN.encode() in line:
                self.of_scripts = 0
            self.of_scripts += b" lua] " in line
        self.redis.__exit__()
        self.other.__exit__()


def per(cost, count):
    """The same cost for one of so many; the calls stay."""
    return {name: value if name == "calls" else value / count for name, value in cost.items()}


def events(options):
    """What happens on a bus, and what each costs."""
    costs = {}
    for size in SIZES:
        for receivers in RECEIVERS:
            with contextlib.ExitStack() as stack:
                bus = Bus(options, stack, 1 + receivers)
                heard = f"{size} bytes, sender and {receivers}"
                costs[f"a message alone, {heard}"] = per(bus.counted(lambda: bus.alone(size)), ALONE)
                many = BATCHES * harness.BATCH
                costs[f"a message in a full batch, {heard}"] = per(bus.counted(lambda: bus.batches(size)), many)
    with contextlib.ExitStack() as stack:
        bus = Bus(options, stack, 1)
        costs["a reconnect, nothing missed"] = bus.counted(bus.reconnect)
        costs[f"a reconnect, {MISSED:,} of 200 bytes missed"] = bus.counted(bus.missed)
        costs["an idle hour"] = per(bus.counted(lambda: time.sleep(IDLE)), IDLE / 3600)
    return costs


def main():
    options = harness.options(__doc__)
    memories = {size: memory(options, size) for size in SIZES}
    costs = events(options)
    if options.json:
        return print(json.dumps({"memory": memories, "costs": costs}, indent=2))
    print(f"\nmemory of a stream of {KEEP:,} (MAXLEN ~)")
    for size, figures in memories.items():
        print(f"  messages of {size} bytes: " + ", ".join(f"{value:,.1f} {name}" for name, value in figures.items()))
    figures = ["commands of clients", "commands in scripts", "bytes in", "bytes out"]
    print("\n" + " " * 54 + "".join(f"{figure:>21}" for figure in figures))
    for name, cost in costs.items():
        print(f"  {name:<52}" + "".join(f"{cost[figure]:>21,.2f}" for figure in figures))
        print("      " + ", ".join(f"{call} {count}" for call, count in sorted(cost["calls"].items())))


if __name__ == "__main__":
    main()
