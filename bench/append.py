"""One record appended to the queue file: RingWriter beside a C loop that makes the same stores by hand.

Each run makes its own queue file, goes round it once, and only then looks at the clock, so every append measured
overwrites an older record. Afterwards RingBench reads what both have written: the C loop is a peer only as long as every
one of its records is right.
"""

import harness

CAPACITY = 16 << 20
FIGURES = {"append": "nanoseconds of processor time for each record"}
OURS, PEER = "RingWriter", "C loop, gcc -O2"


def append(options, program):
    with harness.folder() as place:
        cost = float(harness.output([*program, place, CAPACITY, harness.SIZE, options.count]))
        records, last = map(int, harness.output([options.programs / "RingBench", "verify", place, harness.SIZE]).split())
        expected = CAPACITY // harness.SIZE + 1 + options.count
        if last != expected or records < CAPACITY // (harness.SIZE + 120):
            raise SystemExit(f"{program[0]} left {records} records up to number {last} instead of {expected}")
        return {"append": cost}


def main():
    options = harness.options(__doc__, rounds=11, count=3_000_000)
    subjects = {
        OURS: lambda: append(options, [options.programs / "RingBench", "append"]),
        PEER: lambda: append(options, [options.peers / "ring_append"]),
        "C loop, gcc -O3": lambda: append(options, [options.peers / "ring_append-O3"]),
    }
    subjects = {name: subject for name, subject in subjects.items() if options.only in name}
    results = harness.measure(subjects, options.rounds)
    title = f"append {options.count:,} records of {harness.SIZE} bytes to a full ring of {CAPACITY >> 20} MiB"
    harness.end(harness.report(title, results, FIGURES, OURS, options.json, [harness.Aim(OURS, "append", 1.3, to=PEER)]))


main()
