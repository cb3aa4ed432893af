"""Allocations of clawd for each message received: there are none between the socket and the queue file.

valgrind counts every allocation of a whole run. One with FEW messages pays for starting, connecting and warming up; one
with MORE pays the same, and for the messages between. The difference is divided by them, and must be 0, but for what the
longer run costs by its time: a timer armed, a heartbeat.
"""

import re

import harness

FEW, MORE = 10_000, 110_000
BY_TIME = 50  # allocations
FIGURES = {"allocations per message": "calls of malloc and its kind"}


def allocations(options, count):
    with harness.folder() as place, harness.redis_server(options.redis_server, place) as socket:
        valgrind = ["valgrind", "--tool=dhat", f"--dhat-out-file={place / 'dhat'}", f"--log-file={place / 'valgrind'}"]
        with harness.clawd(options.programs, place, f"unix://{socket}", 1 << 26, under=valgrind) as (_, status):
            total = status()["total"]
            harness.publish(options.peers, socket, count)
            harness.wait_until("clawd received all", lambda: status()["total"] - total >= count)
        # The daemon has ended: the count is complete.
        report = (place / "valgrind").read_text()
        found = re.search(r"Total: +[0-9,]+ bytes in ([0-9,]+) blocks", report)
        if found is None:
            raise SystemExit("valgrind gave no count:\n" + report)
        return int(found[1].replace(",", ""))


def clawd(options):
    more, few = allocations(options, MORE), allocations(options, FEW)
    return {"allocations per message": (more - few) / (MORE - FEW)}


def main():
    options = harness.options(__doc__)
    results = harness.measure({"clawd": lambda: clawd(options)}, 1)
    harness.report(f"allocations for each of {MORE - FEW:,} messages", results, FIGURES, "clawd", options.json)
    if results["clawd"][0]["allocations per message"] * (MORE - FEW) > BY_TIME:
        raise SystemExit("a message received costs allocations")


main()
