"""What every figure in bench/ shares: options, private servers, CPU time, rounds, the table."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PATIENCE = 120  # seconds that any one wait may take
CHANNEL = "openclaw-chat"
SIZE = 200  # bytes of a payload
AHEAD = 8 << 20  # bytes that may wait for the subscriber before the publisher pauses
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
        wait_until("redis-server", lambda: path.exists() or child.poll() is not None)
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
def clawd(programs, place, url, queue, under=(), **settings):
    """The daemon, connected to `url` ("local": the bus of one machine), with a queue of so many bytes and these settings;
    gives the process and a function that asks `clawq status`. `under` is a command that runs it."""
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

        wait_until("clawd runs and is connected", ready)
        yield child, status


def publish(peers, socket, count):
    """Publishes so many messages; gives the seconds until no subscriber has any of them waiting in the server."""
    arguments = [peers / "publisher", socket, CHANNEL, count, SIZE, AHEAD]
    run = subprocess.run([str(word) for word in arguments], stdout=subprocess.PIPE, check=True)
    return float(run.stdout)


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
