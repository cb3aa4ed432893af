"""What every figure in bench/ shares: options, private servers, CPU time, rounds, the table."""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PATIENCE = 120  # seconds that any one wait may take
CHANNEL = "openclaw-chat"
SIZE = 200  # bytes of a payload
AHEAD = 8 << 20  # bytes that may wait for the subscriber before the publisher pauses


def options(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="folder of clawd, clawq and clawsend")
    parser.add_argument("--peers", type=pathlib.Path, required=True, help="folder of the C programs")
    parser.add_argument("--redis-server", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=1_000_000)
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


def wait_until(what, condition, pause=0.02):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"gave up waiting: {what}")
        time.sleep(pause)


@contextlib.contextmanager
def redis_server(program, place):
    """A server on a unix socket, without persistence and without a limit on what waits for a subscriber."""
    socket = place / "redis.sock"
    arguments = [
        program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", place,
        "--client-output-buffer-limit", "pubsub 0 0 0",
    ]
    with process(arguments, place / "redis.log") as child:
        wait_until("redis-server", lambda: socket.exists() or child.poll() is not None)
        if child.poll() is not None:
            raise SystemExit((place / "redis.log").read_text())
        yield socket


@contextlib.contextmanager
def clawd(programs, place, socket, queue, under=()):
    """The daemon, connected to the server, with a queue of so many bytes; gives the process and a function that asks
    `clawq status`. `under` is a command that runs it."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(place)}
    (place / "config.json").write_text(json.dumps({"redis_url": f"unix://{socket}", "queue_bytes": queue}))
    common = ["--state-dir", place / "state", "--config", place / "config.json"]

    def status():
        words = [str(word) for word in [programs / "clawq", "status", "--json", *common]]
        run = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        return json.loads(run.stdout) if run.returncode == 0 else {}

    with process([*under, programs / "clawd", *common], place / "log", env=environment) as child:

        def ready():
            if child.poll() is not None:
                raise SystemExit("clawd ended by itself:\n" + (place / "log").read_text())
            return status().get("redis", {}).get("state") == "ready"

        wait_until("clawd connected to Redis", ready)
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


def report(title, results, figures, ours, as_json):
    """Prints medians with their spread, and the ratio of `ours` to each peer. `figures` is name -> unit."""
    median = {
        name: {figure: statistics.median(run[figure] for run in runs) for figure in figures}
        for name, runs in results.items()
    }
    peers = [name for name in results if name != ours]
    ratios = {
        peer: {figure: median[ours][figure] / median[peer][figure] for figure in figures if median[peer][figure]}
        for peer in peers
        if ours in median
    }
    if as_json:
        machine = {"cores": os.cpu_count(), "machine": platform.machine(), "kernel": platform.release()}
        document = {"bench": title, "machine": machine, "median": median, "ratio": ratios, "runs": results}
        print(json.dumps(document, indent=2))
        return
    print(f"\n{title}: median of {len(next(iter(results.values())))} rounds (lowest .. highest)")
    for figure, unit in figures.items():
        print(f"\n  {figure}, {unit}")
        for name in results:
            values = [run[figure] for run in results[name]]
            line = f"    {name:<28} {median[name][figure]:>12,.3f}   ({min(values):,.3f} .. {max(values):,.3f})"
            if name in ratios:
                line += f"   ours / this = {ratios[name][figure]:.2f}"
            print(line)
