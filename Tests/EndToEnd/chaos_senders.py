"""Who sends in the chaos: clawsend processes, of which some are killed, and a sender as the Python version was."""

import datetime
import json
import os
import pathlib
import signal
import subprocess
import time

import redis

from bus import ONCE, CHANNEL, program, wait_until

# One in so many clawsend processes is killed at some moment of its short life.
KILLED = 40
# An outbox that is full, or a daemon that is away for long: try again later.
TRY_LATER = 75


class Sender:
    """One agent that sends, one clawsend process after the other."""

    def __init__(self, chaos, chance, node, name):
        self.chaos = chaos
        self.chance = chance
        self.node = node
        self.name = name
        self.errors = node.folder / f"{name}.err"
        self.words = [program("clawsend"), *map(str, node.common), name, "--"]
        self.tried = 0
        # Text and id of what was accepted, in the order of sending; texts whose clawsend was killed before it had.
        self.accepted = []
        self.unknown = []
        self.refused = 0

    def text(self):
        """Most are short; a few take several records of TLS and reads."""
        size = self.chance.choices((self.chance.randrange(300), self.chance.randrange(8000), 40_000), (400, 20, 1))[0]
        return f"{self.name} {self.tried} " + "x" * size

    def run(self):
        while not self.chaos.stopped.is_set():
            if self.chaos.sent >= self.chaos.allowance() or self.chaos.all_is_sent():
                time.sleep(0.01)
                continue
            text = self.text()
            self.tried += 1
            kill_after = self.chance.random() * 0.003 if self.chance.randrange(KILLED) == 0 else None
            while (code := self.send(text, kill_after)) == TRY_LATER:
                self.refused += 1
                time.sleep(0.2)
            assert code in (0, -signal.SIGKILL), f"clawsend ended with {code}: {self.errors.read_text()[-2000:]}"

    def send(self, text, kill_after):
        """One clawsend; gives its exit code."""
        with open(self.errors, "ab") as errors:
            child = subprocess.Popen(
                [*self.words, text], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                env=self.node.environment,
            )
        if kill_after is not None:
            time.sleep(kill_after)
            child.kill()
        with child.stdout:
            said = child.stdout.read()
        code = child.wait()
        if code == 0:
            self.accepted.append((text, said.decode().strip()))
        elif code == -signal.SIGKILL:
            # It has promised nothing: its message may arrive, once.
            self.unknown.append(text)
            self.chaos.count("kill -9 of a sender")
        return code


class LegacySender:
    """Publishes as the Python version did: a plain PUBLISH of an object without an id."""

    def __init__(self, chaos, chance):
        self.chaos = chaos
        self.chance = chance
        self.number = 0
        # Texts that were published in the calm and had both daemons for receivers: these must arrive.
        self.promised = []

    def publish(self):
        """Publishes one; gives its text and how many received it."""
        self.number += 1
        text = f"legacy {self.number}"
        now = time.time()
        message = {"from": "legacy", "text": text, "ts": now, "time": datetime.datetime.fromtimestamp(now).isoformat()}
        client = redis.Redis(unix_socket_path=str(self.chaos.server.socket), retry=ONCE, socket_timeout=5)
        with client:
            return text, client.publish(CHANNEL, json.dumps(message))

    def run(self):
        """In the storms: what is published then may arrive or not."""
        while not self.chaos.stopped.wait(self.chance.uniform(0.02, 0.2)):
            try:
                self.publish()
            except (redis.ConnectionError, redis.TimeoutError):
                pass

    def publish_in_the_calm(self):
        """No fault is under way: what both daemons receive, being ready before and after, must be in both queues."""
        promised = []
        for _ in range(10):
            before = self.links()
            text, receivers = self.publish()
            if before and self.links() == before and receivers >= len(self.chaos.nodes):
                promised.append(text)
            time.sleep(self.chance.uniform(0, 0.02))
        self.promised += promised
        end = time.monotonic() + 3
        while time.monotonic() < end and any(set(promised) - reader.texts for reader in self.chaos.readers):
            time.sleep(0.02)

    def links(self):
        """What tells that the same links are up all the while: nothing where one is not."""
        found = []
        for node in self.chaos.nodes:
            if not node.is_ready():
                return None
            found.append((node.pid, node.log.count("trying again")))
        return found
