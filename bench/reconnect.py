"""How long until a daemon hears again after the server closed its connection, over TLS.

A link that was healthy for 30 s is made again at once: that is measured, so a round takes that long. Several daemons are
measured in a round, one after the other, each with a channel and a database of its own, so that one costs the others
nothing. The peer is what cannot be saved: connect, TLS handshake, HELLO and SUBSCRIBE by a C program that does nothing
else, with and without the session of its last connection.
"""

import contextlib
import statistics
import time

import harness

DAEMONS = 8
HEALTHY = 31  # seconds: Backoff.stableAfter and one more
FIGURES = {"time": "milliseconds from the close, or from connect, until subscribed"}


def milliseconds(text):
    return statistics.median(float(line) for line in text.split()) * 1e3


def bare(options, tls, *more):
    words = [options.peers / "reconnect", "bare", tls.port, tls.authority, "bench", DAEMONS + 1, *more]
    return {"time": milliseconds(harness.output(words))}


def daemons(options, socket):
    time.sleep(HEALTHY)
    watch = [[options.peers / "reconnect", "watch", socket, f"bench-{number}", number] for number in range(1, DAEMONS + 1)]
    return {"time": milliseconds("\n".join(harness.output(words) for words in watch))}


def main():
    options = harness.options(__doc__, rounds=3, count=DAEMONS)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(harness.folder())
        tls = harness.certificates(place)
        socket = stack.enter_context(harness.redis_server(options.redis_server, place, tls))
        for number in range(1, DAEMONS + 1):
            (place / str(number)).mkdir()
            settings = {"channel": f"bench-{number}", "redis_ca_file": str(tls.authority)}
            stack.enter_context(harness.clawd(options.programs, place / str(number), tls.url(number), 1 << 22, **settings))
        subjects = {
            "clawd": lambda: daemons(options, socket),
            "OpenSSL": lambda: bare(options, tls),
            "OpenSSL, session resumed": lambda: bare(options, tls, "resume"),
        }
        subjects = {name: subject for name, subject in subjects.items() if options.only in name}
        if not subjects:
            raise SystemExit(f"no subject is called {options.only!r}")
        results = harness.measure(subjects, options.rounds)
    title = f"hear again after a close, {DAEMONS} daemons one after the other"
    aims = [harness.Aim("clawd", "time", 1.5, to="OpenSSL")]
    harness.end(harness.report(title, results, FIGURES, "clawd", options.json, aims))


if __name__ == "__main__":
    main()
