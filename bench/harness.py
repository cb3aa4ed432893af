"""What every figure in bench/ shares: options, private servers, CPU time, rounds, the table."""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time

PATIENCE = 120  # seconds that any one wait may take
CHANNEL = "openclaw-chat"
SIZE = 200  # bytes of a payload
AHEAD = 8 << 20  # bytes that may wait for the subscriber before the publisher pauses
BATCH = 64  # messages that clawd gives to one call of the publish script (Limits.publishBatchMessages)
PROGRAM_TEXT = pathlib.Path(__file__).resolve().parent.parent / "Sources"
LOAD = os.getloadavg()[0]  # what others make of this machine: the average of the minute before we began


def options(description, rounds=5, count=1_000_000):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="folder of clawd, clawq, clawsend, RingBench")
    parser.add_argument("--peers", type=pathlib.Path, required=True, help="folder of the C programs")
    parser.add_argument("--redis-server", default="", help="for the figures that need one")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


@contextlib.contextmanager
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="bench."))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def process(arguments, log, **more):
    """Starts a program and ends it by its process id, whatever happens."""
    with open(log, "ab") as errors:
        child = subprocess.Popen(
            [str(word) for word in arguments], stderr=errors, **{"stdout": errors, "stdin": subprocess.DEVNULL, **more}
        )
    try:
        yield child
    finally:
        if child.stdin:
            child.stdin.close()
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout:
            child.stdout.close()


def expect(child, line):
    """Reads a line that a program must print next."""
    got = child.stdout.readline()
    if got != line:
        raise SystemExit(f"{child.args[0]} said {got!r} instead of {line!r}")


def output(arguments, **more):
    """What a program printed on standard output; ends the measurement where the program failed."""
    words = [str(word) for word in arguments]
    run = subprocess.run(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=PATIENCE * 5, **more)
    if run.returncode != 0:
        raise SystemExit(f"{' '.join(words)} failed ({run.returncode}): {run.stdout.decode(errors='replace')}")
    return run.stdout.decode()


def wait_until(what, condition, pause=0.02):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"gave up waiting: {what}")
        time.sleep(pause)


def is_listening(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextlib.contextmanager
def redis_server(program, place, tls=None):
    """A server on a unix socket, without persistence and without a limit on what waits for a subscriber; with `tls`, what
    `certificates` gave, on a TLS port as well."""
    path = place / "redis.sock"
    arguments = [
        program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", place,
        "--client-output-buffer-limit", "pubsub 0 0 0",
    ]
    if tls:
        arguments += [
            "--tls-port", tls.port, "--bind", "127.0.0.1", "--tls-cert-file", tls.certificate, "--tls-key-file", tls.key,
            "--tls-ca-cert-file", tls.authority, "--tls-auth-clients", "no",
        ]
    with process(arguments, place / "redis.log") as child:
        # The socket's name is there a moment before the server listens.
        wait_until("redis-server", lambda: is_listening(path) or child.poll() is not None)
        if child.poll() is not None:
            raise SystemExit((place / "redis.log").read_text())
        yield path


@dataclasses.dataclass
class TLS:
    """A private certificate authority, a server's certificate for 127.0.0.1, and a port for it."""

    authority: pathlib.Path
    certificate: pathlib.Path
    key: pathlib.Path
    port: int

    def url(self, database=0):
        return f"rediss://127.0.0.1:{self.port}/{database}"


def certificates(place):
    """Made by the openssl command; the keys are RSA of 2,048 bits, as most servers have."""

    (place / "openssl.cnf").write_text(
        "[req]\ndistinguished_name=name\n[name]\n[ca]\nbasicConstraints=critical,CA:TRUE\n"
        "[server]\nbasicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1\n"
    )

    def make(kind, *more):
        words = ["openssl", "req", "-x509", "-config", place / "openssl.cnf", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        words += ["-subj", f"/CN=bench {kind}", "-extensions", kind, "-keyout", place / f"{kind}.key"]
        subprocess.run([*words, "-out", place / f"{kind}.pem", *more], check=True, stderr=subprocess.DEVNULL)

    make("ca")
    make("server", "-CA", place / "ca.pem", "-CAkey", place / "ca.key")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return TLS(place / "ca.pem", place / "server.pem", place / "server.key", probe.getsockname()[1])


@contextlib.contextmanager
def clawd(programs, place, url, queue, under=(), awaited=True, **settings):
    """The daemon, connected to `url` ("local": the bus of one machine), with a queue of so many bytes and these settings;
    gives the process and a function that asks `clawq status`. `under` is a command that runs it; not `awaited`, it need not
    be connected yet."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(place)}
    (place / "config.json").write_text(json.dumps({"redis_url": str(url), "queue_bytes": queue, **settings}))
    common = ["--state-dir", place / "state", "--config", place / "config.json"]

    def status():
        words = [str(word) for word in [programs / "clawq", "status", "--json", *common]]
        run = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        return json.loads(run.stdout) if run.returncode == 0 else {}

    with process([*under, programs / "clawd", *common], place / "log", env=environment) as child:

        def ready():
            if child.poll() is not None:
                raise SystemExit("clawd ended by itself:\n" + (place / "log").read_text())
            now = status()
            running = now.get("daemon", {}).get("state") == "running"
            return running and now["redis"]["state"] == ("off" if url == "local" else "ready")

        if awaited:
            wait_until("clawd runs and is connected", ready)
        yield child, status


def publish(peers, socket, count):
    """Publishes so many messages; gives the seconds until no subscriber has any of them waiting in the server."""
    arguments = [peers / "publisher", socket, CHANNEL, count, SIZE, AHEAD]
    run = subprocess.run([str(word) for word in arguments], stdout=subprocess.PIPE, check=True)
    return float(run.stdout)


class Redis:
    """A connection to a server's unix socket that waits for each answer (RESP 2)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self.answers = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answers.close()
        self.socket.close()

    def __call__(self, *words):
        """The answer to a command: bytes, a number, a list or None; an error ends the measurement."""
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            parts += [b"$%d\r\n" % len(word), word, b"\r\n"]
        self.socket.sendall(b"".join(parts))
        return self.answer()

    def answer(self):
        line = self.answers.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind in (b"$", b"*") and rest == b"-1":
            return None
        if kind == b"$":
            return self.answers.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        raise SystemExit(f"the server answered {line!r}")

    def info(self, section):
        lines = self("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


@contextlib.contextmanager
def held(path):
    """Stops the server for as long: clients may connect and ask, and are answered at the end. Gives a function that lets it
    go on and says when that was."""
    with Redis(path) as redis:
        server = int(redis.info("server")["process_id"])
    released = False

    def release():
        nonlocal released
        released = True
        moment = time.monotonic()
        os.kill(server, signal.SIGCONT)
        return moment

    os.kill(server, signal.SIGSTOP)
    try:
        yield release
    finally:
        if not released:
            release()


def wait_until_idle(child):
    """Until a process has used no processor time for a while: it has done what it can without an answer."""
    before = -1.0
    while (now := cpu_seconds(child.pid)) != before:
        before = now
        time.sleep(0.3)
        if child.poll() is not None:
            raise SystemExit(f"{child.args[0]} ended by itself")


def publish_script():
    """The publish script as the sources have it: what stands between the quotes of the literal `source`."""
    text = (PROGRAM_TEXT / "RedisLink" / "PublishScript.swift").read_text()
    found = re.search(r'let source: StaticString = """\n(.*?)\n *"""', text, re.DOTALL)
    if found is None:
        raise SystemExit("PublishScript.swift has no literal called source")
    return textwrap.dedent(found[1])


def message(number, size=SIZE):
    """A sender's object of so many bytes, as clawsend makes it: each has an id of its own."""
    identity = ulid(number)
    head = '{"from":"bench","text":"'
    tail = '","ts":1767225600.123456,"time":"2026-01-01T00:00:00.123456","id":"%s"}' % identity
    return (head + f"{number:010}".ljust(size - len(head) - len(tail), "x") + tail).encode()


def ulid(number):
    """An id with the moment of the message above, and bits in place of random ones that are as spread as those."""
    bits = 1767225600123 << 80 | int.from_bytes(hashlib.sha256(b"%d" % number).digest()[:10], "big")
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[bits >> 5 * place & 31] for place in range(25, -1, -1))


class Stream:
    """The bus in a server, as the publish script keeps it."""

    name, meta, probe = f"{{{CHANNEL}}}:stream", f"{{{CHANNEL}}}:meta", f"{{{CHANNEL}}}:probe"

    def __init__(self, redis, keep):
        self.redis = redis
        self.keep = keep
        self.script = redis("SCRIPT", "LOAD", publish_script()).decode()
        self.filled = 0

    def call(self, objects):
        """The words of one call of the script."""
        return ["EVALSHA", self.script, 2, self.name, self.meta, CHANNEL, "0123456789abcdef" * 2, self.keep, "", *objects]

    def fill(self, count, size=SIZE):
        """Publishes so many messages, in batches."""
        end = self.filled + count
        while self.filled < end:
            part = range(self.filled, min(self.filled + BATCH, end))
            answers = self.redis(*self.call([message(number, size) for number in part]))
            if len(answers) != len(part) or any(not answer.startswith(b"+") for answer in answers):
                raise SystemExit(f"the publish script answered {answers}")
            self.filled = part.stop

    def length(self):
        return self.redis("XLEN", self.name)

    def last(self):
        """The id of the last entry."""
        return self.redis("XREVRANGE", self.name, "+", "-", "COUNT", 1)[0][0].decode()


def cpu_seconds(pid):
    """Time on a processor, user and system, of all threads; from the scheduler, to the nanosecond."""
    total = 0
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def measure(subjects, rounds):
    """Runs each subject (name -> function that gives {figure: value}) in turn, `rounds` times; gives all results."""
    results = {name: [] for name in subjects}
    for number in range(1, rounds + 1):
        for name, subject in subjects.items():
            print(f"round {number}/{rounds}: {name}", file=sys.stderr)
            results[name].append(subject())
    return results


@dataclasses.dataclass
class Aim:
    """What a figure is meant to reach: `figure` of `subject`, or its ratio to that of `to`."""

    subject: str
    figure: str
    limit: float
    to: str = ""
    at_least: bool = False

    def judge(self, median):
        measured = median[self.subject][self.figure]
        if self.to:
            measured /= median[self.to][self.figure]
        met = measured >= self.limit if self.at_least else measured <= self.limit
        what = f"{self.figure} of {self.subject}" + (f" / {self.to}" if self.to else "")
        return {"aim": what, "at_least" if self.at_least else "at_most": self.limit, "measured": measured, "met": met}


def medians(results, figures):
    return {
        name: {figure: statistics.median(run[figure] for run in runs) for figure in figures if figure in runs[0]}
        for name, runs in results.items()
    }


def report(title, results, figures, ours, as_json, aims=()):
    """Prints medians with their spread, the ratio of `ours` to each peer, and whether the aims are met, for which the
    medians count. `figures` is name -> unit; a subject may lack some. Answers whether every aim is met; an aim whose
    subject was not measured (`--only`) is passed over."""
    median = medians(results, figures)
    ratios = {
        name: {
            figure: median[ours][figure] / median[name][figure]
            for figure in figures
            if median[name].get(figure) and figure in median[ours]
        }
        for name in results
        if name != ours and ours in median
    }
    verdicts = [aim.judge(median) for aim in aims if {aim.subject, aim.to or aim.subject} <= median.keys()]
    if as_json:
        machine = {"cores": os.cpu_count(), "machine": platform.machine(), "kernel": platform.release(), "load": LOAD}
        document = {"bench": title, "machine": machine, "median": median, "ratio": ratios, "runs": results}
        print(json.dumps({**document, "aims": verdicts}, indent=2))
    else:
        print_table(title, results, figures, median, ratios)
        print_verdicts(verdicts)
    return all(verdict["met"] for verdict in verdicts)


def print_table(title, results, figures, median, ratios):
    width = max(28, *map(len, results))
    print(f"\n{title}: median of {len(next(iter(results.values())))} rounds (lowest .. highest)")
    print(f"  {os.cpu_count()} cores, load {LOAD:.2f} before")
    for figure, unit in figures.items():
        print(f"\n  {figure}, {unit}")
        for name in results:
            if figure not in median[name]:
                continue
            values = [run[figure] for run in results[name]]
            line = f"    {name:<{width}} {median[name][figure]:>12,.3f}   ({min(values):,.3f} .. {max(values):,.3f})"
            if figure in ratios.get(name, {}):
                line += f"   ours / this = {ratios[name][figure]:.2f}"
            print(line)


def print_verdicts(verdicts):
    if verdicts:
        print("\n  aims")
    for verdict in verdicts:
        bound = f"at least {verdict['at_least']}" if "at_least" in verdict else f"at most {verdict['at_most']}"
        met = "met" if verdict["met"] else "NOT MET"
        print(f"    {met}: {verdict['aim']} is {verdict['measured']:.2f}, wanted {bound}")


def end(met):
    """Exit code 1 where an aim is not met."""
    if not met:
        raise SystemExit("an aim is not met")
