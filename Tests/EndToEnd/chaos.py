"""Chaos: two daemons on a real Redis with TLS, several senders, and faults of every kind at random moments.

      clawsend ─▶ ada ══ TLS ══ FaultProxy ══╗
      clawsend ─▶ bob ══ TLS ══ FaultProxy ══╬══ redis-server, appendfsync always ◀── PUBLISH ── a legacy sender
                                             ╝

It comes in storms, in each of which three lanes (the server and either daemon) have a few faults each, side by side and
at random moments, while messages are sent without a pause. Between two storms it is calm: everything must have come
back by itself, and what a legacy sender publishes then must arrive. `chaos_faults.py` has the faults, `chaos_senders.py` who
sends, `chaos_verdict.py` what must hold at the end.

All that is chosen comes from one seed. When a fault strikes depends on the machine too: a seed gives the same faults
and messages again, not the same run to the microsecond.
"""

import collections
import concurrent.futures
import json
import os
import random
import signal
import subprocess
import threading
import time

from bus import program, wait_until
from chaos_faults import DaemonFaults, ServerFaults
from chaos_senders import LegacySender, Sender

# What makes the daemon's memory larger than all that is sent: nothing is trimmed or overwritten here.
ROOMY = {"queue_bytes": 64 * 1024 * 1024, "stream_max_length": 1_000_000}
# How long a daemon may need after a storm. It tries again 30 s after many failures, and is hurried.
CALM = 60
# What an idle daemon finds by its probe alone takes 75 s.
COMPLETE = 100


def split(count, parts):
    """`count` in so many parts, as even as can be."""
    return [(count * (part + 1)) // parts - (count * part) // parts for part in range(parts)]


class Reader(threading.Thread):
    """An agent beside a daemon: it gets, as it comes, what is new in the queue."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node = node
        self.entries = []
        self.texts = set()
        self.error = None
        self.stopped = threading.Event()

    def run(self):
        try:
            while not self.stopped.wait(0.15):
                self.look()
        except BaseException as error:  # raised again in the thread that waits for it
            self.error = error

    def look(self):
        done = self.node.clawq("get", "--all", "--unfiltered", "--lines")
        assert done.returncode == 0, done
        entries = [json.loads(line) for line in done.stdout.splitlines()]
        self.entries += entries
        self.texts.update(entry.get("text") for entry in entries)

    def stop(self):
        self.stopped.set()
        self.join()
        if self.error:
            raise self.error
        self.look()


class Chaos:
    def __init__(self, seed, server, nodes, proxies, messages, faults, storms):
        """`faults` of each kind, over all lanes together, in so many storms."""
        self.seed = seed
        self.server = server
        self.nodes = nodes
        self.proxies = proxies
        self.messages = messages
        self.storms = storms
        self.started = time.monotonic()
        self.readers = [Reader(node) for node in nodes]
        self.counts = collections.Counter()
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        daemon_lanes = [
            DaemonFaults(self, self.random(f"lane {node.name}"), node, proxy, each)
            for node, proxy, each in zip(nodes, proxies, split(faults, len(nodes)))
        ]
        self.lanes = [ServerFaults(self, self.random("lane server"), server, faults), *daemon_lanes]
        self.planned = sum(len(lane.deck) for lane in self.lanes)
        self.senders = [
            Sender(self, self.random(f"sender {name}"), node, name)
            for node in nodes for name in (f"{node.name}-1", f"{node.name}-2", f"{node.name}-3")
        ]
        self.legacy = LegacySender(self, self.random("legacy"))

    def random(self, part):
        """A source of chance of this part's own: what one part draws changes nothing for another."""
        return random.Random(f"{self.seed} {part}")

    @property
    def elapsed(self):
        return time.monotonic() - self.started

    def note(self, text):
        print(f"{self.elapsed:7.2f} {text}", flush=True)

    def count(self, kind):
        """A fault of this kind has struck."""
        with self.lock:
            self.counts[kind] += 1

    @property
    def struck(self):
        """Faults of the server, the daemons and their connections; senders that were killed are counted beside them."""
        return sum(lane.struck for lane in self.lanes)

    def allowance(self):
        """How many may have been sent by now: they keep step with the faults, and the killed are made up for."""
        return self.messages * (self.struck + 5) / self.planned if self.struck < self.planned else 2 * self.messages

    # A run

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            background = []
            try:
                for reader in self.readers:
                    reader.start()
                background = [pool.submit(sender.run) for sender in (*self.senders, self.legacy)]
                background.append(pool.submit(self.hurry))
                for storm in range(self.storms):
                    self.storm(pool, storm)
                    self.calm(storm)
                    self.raise_what_failed(background)
                wait_until("all is sent", lambda: self.raise_what_failed(background) or self.all_is_sent(), 120)
            finally:
                self.stopped.set()
            for task in background:
                task.result()
        self.settle()

    def all_is_sent(self):
        return sum(len(sender.accepted) for sender in self.senders) >= self.messages

    @staticmethod
    def raise_what_failed(tasks):
        for task in tasks:
            if task.done():
                task.result()

    def storm(self, pool, number):
        shares = [split(len(lane.deck), self.storms)[number] for lane in self.lanes]
        self.note(f"storm {number + 1}: {shares} faults; {self.struck} before, {self.sent} sent")
        blowing = [pool.submit(lane.blow, share) for lane, share in zip(self.lanes, shares)]
        for lane in blowing:
            lane.result()

    def calm(self, number):
        for node in self.nodes:
            wait_until(f"{node.name} is ready after storm {number + 1}", node.is_ready, CALM, 0.05)
        self.legacy.publish_in_the_calm()

    @property
    def sent(self):
        return sum(sender.tried for sender in self.senders)

    def hurry(self):
        """Daemons that wait long before they try again are told to try now: outages are to be many, not long."""
        waiting = collections.Counter()
        while not self.stopped.wait(0.3):
            for node in self.nodes:
                self.hurry_if_waiting(node, waiting)

    def hurry_if_waiting(self, node, waiting):
        status = node.status_or_none()
        if status is None or status["redis"]["state"] != "waiting":
            waiting[node] = 0
            return
        waiting[node] += 1
        # One that has just been started would end by the signal: its own process id tells that it takes it.
        if waiting[node] >= 2 and node.is_running() and status["daemon"]["pid"] == node.pid:
            node.send_signal(signal.SIGHUP)

    def settle(self):
        """Until nothing waits any more: what is to be found missing must then be found by the daemons themselves."""
        for node in self.nodes:
            wait_until(f"{node.name} is ready at the end", node.is_ready, CALM, 0.05)
            wait_until(f"{node.name} has an empty outbox", lambda: node.status()["outbox"]["new"] == 0, CALM, 0.05)
        self.note("all is sent and published")
        in_stream = {text for text, _ in self.stream()}
        end = time.monotonic() + COMPLETE
        while time.monotonic() < end and any(in_stream - reader.texts for reader in self.readers):
            time.sleep(0.1)
        # What comes later than the last message must not be missed either.
        time.sleep(1)
        for reader in self.readers:
            reader.stop()
        self.note("the queues are read")

    # What there is at the end

    def stream(self):
        """What the stream holds, in its order: text and id of each entry."""
        entries = self.server.client().xrange("{openclaw-chat}:stream")
        objects = [json.loads(fields[b"m"]) for _, fields in entries]
        return [(message["text"], message["id"]) for message in objects]

    @staticmethod
    def queue(node):
        """All that a queue holds, read anew from its beginning."""
        words = [program("clawq"), "get", "--from", "1", "--all", "--unfiltered", "--lines", *map(str, node.common)]
        done = subprocess.run(words, capture_output=True, env=node.environment, stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def chosen_seed():
    return int(os.environ.get("OPENCLAW_BUS_TEST_SEED", random.randrange(2**32)))
