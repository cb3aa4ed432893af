"""What the tests of the stream's own faults share: a daemon that is away, and what is done to the stream meanwhile."""

import json
import signal

from bus import CHANNEL, stays_away, wait_until
from faults_promise import META, STREAM, whole_queue
from faults_proxy import CLOSE


def told(node):
    """What the queue tells, in its order: texts, and losses as (reason, count)."""
    return [(entry["reason"], entry["lost"]) if "lost" in entry else entry["text"] for entry in whole_queue(node)]


def leave(link):
    """The daemon is away: nobody listens at its door."""
    link.proxy.refuse()
    link.proxy.cut(CLOSE)
    wait_until("it is away", lambda: not link.node.is_ready())


def come_back(link):
    link.mark()
    link.proxy.allow()
    link.node.send_signal(signal.SIGHUP)
    link.connected(30)


def send_on_the_other_side(link, *texts):
    for text in texts:
        link.peer.send(text)
    wait_until("they are published", lambda: not link.peer.outbox("new"))


def is_quiet(link):
    """Whatever was heard, it leads to no endless catching up: at most one a second, and soon none."""

    def ranges():
        calls = link.server.client().info("commandstats")
        return sum(calls.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("xrange", "xrevrange"))

    before = ranges()
    assert stays_away(lambda: ranges() > before + 30, seconds=3), "it reads the stream again and again"


def store(server, message, number=None, published=True):
    """Stores and publishes as another program might that speaks our protocol; gives the payload."""
    client = server.client()
    epoch = client.hget(META, "epoch").decode()
    number = number or client.hincrby(META, "seq", 1)
    text = json.dumps(message)
    entry = client.xadd(STREAM, {"m": text, "e": epoch, "s": number}).decode()
    payload = f'{text[:-1]}, "bus":"{epoch}:{number}:{entry}"}}'
    if published:
        client.publish(CHANNEL, payload)
    return payload
