"""Records a second from one process to another through a queue file, beside boost::lockfree::spsc_queue between threads.

The queue file never makes its writer wait: it overwrites. So that nothing is lost and both do the same, the writer here
keeps to a bound, as a producer does whose queue is full: it may be half a ring before the reader. The reader says how far
it has come in a page of its own (after every 64 records), and the writer looks there when it has reached the bound it
knows. Without the bound the same two processes show what the queue file does by itself: that is for information.
"""

import os
import subprocess

import harness

RECORD = 72 + harness.SIZE  # bytes in the ring
DEFAULT, SMALL = 16 << 20, 1 << 20
FIGURES = {"rate": "million records a second delivered", "lost": "records overwritten before they were read"}
OURS = f"queue file of {DEFAULT >> 20} MiB"
CAPACITIES = (1024, 4096, 16384, 65536)


def on_core(number):
    """For a child: a core of its own, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[number % len(cores)]})


def queue_file(options, capacity, bounded):
    ahead = capacity // 2 // RECORD if bounded else 0
    bench = options.programs / "RingBench"
    with harness.folder() as place:
        writer = [bench, "write", place, capacity, harness.SIZE, options.count, ahead]
        more = {"stdout": subprocess.PIPE, "preexec_fn": on_core(0)}
        with harness.process(writer, place / "log", **more) as child:
            if child.stdout.readline() != b"ready\n":
                raise SystemExit((place / "log").read_text())
            reader = [bench, "read", place, harness.SIZE, options.count]
            seconds, delivered, lost = map(float, harness.output(reader, preexec_fn=on_core(1)).split())
            if child.wait(timeout=harness.PATIENCE) != 0:
                raise SystemExit("the writer failed")
    if delivered + lost != options.count or (bounded and lost > 0):
        raise SystemExit(f"{delivered:.0f} delivered and {lost:.0f} lost of {options.count}")
    return {"rate": delivered / seconds / 1e6, "lost": lost}


def boost(options, capacity):
    seconds = float(harness.output([options.peers / "spsc_queue", capacity, options.count]))
    return {"rate": options.count / seconds / 1e6, "lost": 0}


def main():
    options = harness.options(__doc__, count=10_000_000)
    subjects = {
        OURS: lambda: queue_file(options, DEFAULT, True),
        f"queue file of {SMALL >> 20} MiB": lambda: queue_file(options, SMALL, True),
        "queue file, no bound": lambda: queue_file(options, DEFAULT, False),
    }
    for capacity in CAPACITIES:
        subjects[f"spsc_queue of {capacity}"] = lambda capacity=capacity: boost(options, capacity)
    subjects = {name: subject for name, subject in subjects.items() if options.only in name}
    results = harness.measure(subjects, options.rounds)
    # The peer's best counts.
    median = harness.medians(results, FIGURES)
    peers = [name for name in results if name.startswith("spsc_queue")]
    aims = [harness.Aim(OURS, "rate", 1, to=max(peers, key=lambda name: median[name]["rate"]), at_least=True)] if peers else []
    title = f"{options.count:,} records of {harness.SIZE} bytes from one process (spsc_queue: thread) to another"
    harness.end(harness.report(title, results, FIGURES, OURS, options.json, aims))


main()
