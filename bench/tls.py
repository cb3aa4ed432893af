"""The figure of `receive` over TLS: clawd beside a C client on OpenSSL's blocking calls and hiredis' parser.

Server, publisher (over the unix socket) and the way of measuring are those of `receive`.
"""

import harness
import receive


def main():
    options = harness.options(__doc__)
    subjects = {
        "clawd": lambda: receive.clawd(options, False, uses_tls=True),
        "OpenSSL, write(2) each": lambda: receive.hiredis(options, "write", uses_tls=True),
        "OpenSSL, buffered file": lambda: receive.hiredis(options, "stdio", uses_tls=True),
    }
    subjects = {name: subject for name, subject in subjects.items() if options.only in name}
    if not subjects:
        raise SystemExit(f"no subject is called {options.only!r}")
    title = f"receive {options.count:,} messages of {harness.SIZE} bytes over TLS"
    aims = [harness.Aim("clawd", "CPU per message", 1.15, to=name) for name in subjects if name != "clawd"]
    results = harness.measure(subjects, options.rounds)
    harness.end(harness.report(title, results, receive.FIGURES, "clawd", options.json, aims))


if __name__ == "__main__":
    main()
