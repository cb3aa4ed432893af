"""`clawq check` as a whole cold process, beside a static C program that maps the same files and prints a line.

Every program is started by posix_spawn from a small C program, in blocks by turns, with clawd running and idle. How many
messages were read before must not matter: the same check is measured in a queue with none and in one with READ.
"""

import contextlib

import harness

READ, UNREAD = 50_000, 3
BLOCK = 10
FIGURES = {
    "time": "microseconds from posix_spawn to wait4, median of a round",
    "lowest": "microseconds, the quickest run of a round",
    "peak memory": "MB (VmHWM: pages of files included)",
    "anonymous": "MB at the end, private to the process",
    "pages of files": "MB at the end, shared with the page cache",
}
OURS = f"clawq check, {UNREAD} unread"
AFTER = f"clawq check, {UNREAD} unread after {READ:,} read"
NONE = f"clawq check, none unread after {READ:,} read"
PEER = "static C, maps and prints"
FLOOR = "static Swift, empty"


@contextlib.contextmanager
def state(options, read, unread):
    """A running clawd whose queue holds so many messages that were read and so many that were not; gives its folder."""
    with harness.folder() as place:
        (place / "state").mkdir(mode=0o700)
        harness.output([options.programs / "RingBench", "fill", place / "state", read])
        with harness.clawd(options.programs, place, "local", 16 << 20) as (_, status):
            common = ["--state-dir", place / "state", "--config", place / "config.json"]
            harness.output([options.programs / "clawq", "clear", *common])
            for number in range(unread):
                harness.output([options.programs / "clawsend", "anna", f"Message number {number} of the bench", *common])
            harness.wait_until("the queue is as it should be", lambda: status()["unread"] == unread)
            end = status()
            if end["read"] != read or end["lost"] != 0:
                raise SystemExit(f"the queue is not as it should be: {end}")
            yield place, common


def measure_once(options, commands):
    words = [str(word) for command in commands.values() for word in [*command, "--"]][:-1]
    cold = options.peers / "cold"
    times = harness.output([cold, "time", options.count, BLOCK, *words]).splitlines()
    memories = harness.output([cold, "memory", *words]).splitlines()
    results = {}
    for name, time, memory in zip(commands, times, memories, strict=True):
        numbers = [float(text) for text in time.split()] + [int(text) * 1024 / 1e6 for text in memory.split()]
        results[name] = dict(zip(FIGURES, numbers, strict=True))
    return results


def main():
    options = harness.options(__doc__, count=500)
    with contextlib.ExitStack() as stack:
        few, few_flags = stack.enter_context(state(options, 0, UNREAD))
        _, after_flags = stack.enter_context(state(options, READ, UNREAD))
        _, none_flags = stack.enter_context(state(options, READ, 0))
        commands = {
            OURS: [options.programs / "clawq", "check", *few_flags],
            AFTER: [options.programs / "clawq", "check", *after_flags],
            NONE: [options.programs / "clawq", "check", *none_flags],
            PEER: [options.peers / "ring_check", few / "state"],
            FLOOR: [options.peers / "empty"],
        }
        commands = {name: command for name, command in commands.items() if options.only in name}
        rounds = harness.measure({"all in turns": lambda: measure_once(options, commands)}, options.rounds)
    results = {name: [run[name] for run in rounds["all in turns"]] for name in commands}
    aims = [
        harness.Aim(OURS, "time", 1.7, to=PEER),
        harness.Aim(AFTER, "time", 1.1, to=OURS),
        harness.Aim(NONE, "time", 1.1, to=OURS),
        *(harness.Aim(name, "peak memory", 2.5) for name in (OURS, AFTER, NONE)),
    ]
    title = f"clawq check, {options.count} cold runs of each in blocks of {BLOCK}"
    harness.end(harness.report(title, results, FIGURES, OURS, options.json, aims))


main()
