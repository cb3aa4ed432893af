"""Connections that end, in every way in which a connection can: the daemon says how, and is back."""

import dataclasses
import json
import re
import signal
import typing

import pytest

from bus import CHANNEL
from faults import BROKE, CANNOT, CLOSED, ENDED, UNHEARD_OF, Link
from faults_proxy import CLOSE, PASS, RESET, STALL

LONG = "x" * 4000


def restart(link):
    # The witness is to be there first.
    link.proxy.refuse()
    link.server.kill()
    link.server.start()
    link.witness.listen()
    link.proxy.allow()


def cut_midway(how):
    """Ends the subscription inside a frame, and inside a record of TLS: after a few bytes of a message."""

    def provoke(link):
        link.proxy.cut(how, after=40, only=link.subscription())
        link.server.publish({"from": "old", "text": LONG})

    return provoke


def drop_while_it_connects(link):
    """The next connections end within the handshake of TLS, the answer to HELLO, the one to SUBSCRIBE."""
    link.proxy.cut_next(*((1, 700, 2200) if link.tls else (1, 60, 260)))
    link.proxy.cut(CLOSE)


def drip(link):
    link.proxy.set(up="drip", down="drip")
    link.proxy.cut(RESET)


def shut(link):
    link.proxy.refuse()
    link.proxy.cut(CLOSE)


def open_door(link):
    link.proxy.set(accept=PASS)


def at_the_door(how):
    def provoke(link):
        link.proxy.set(accept=how)
        link.proxy.cut(how)

    return provoke


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    provoke: typing.Callable
    # What the log says, and what the status keeps as the last error; over TLS where that differs.
    says: str
    says_tls: str | None = None
    mend: typing.Callable | None = None


ROWS = [
    Row("clean close", lambda link: link.proxy.cut(CLOSE), CLOSED),
    Row("reset", lambda link: link.proxy.cut(RESET), BROKE),
    Row("clean close of the subscription alone", lambda link: link.proxy.cut(CLOSE, only=link.subscription()), CLOSED),
    Row("clean close of the commands alone", lambda link: link.proxy.cut(CLOSE, only=link.commands()), CLOSED),
    Row("reset of the subscription alone", lambda link: link.proxy.cut(RESET, only=link.subscription()), BROKE),
    Row("CLIENT KILL of both", lambda link: link.kick(), CLOSED),
    Row("CLIENT KILL of the subscription", lambda link: link.kick(commands=False), CLOSED),
    Row("CLIENT KILL of the commands", lambda link: link.kick(subscription=False), CLOSED),
    Row("the server restarts", restart, ENDED),
    Row("end inside a frame", cut_midway(CLOSE), CLOSED, BROKE),
    Row("reset inside a frame", cut_midway(RESET), BROKE),
    Row("drops while it connects again", drop_while_it_connects, ENDED),
    Row("one byte at a time", drip, BROKE),
    Row("nobody listens for a while", shut, CANNOT, mend=lambda link: link.proxy.allow()),
    Row("closed at the door for a while", at_the_door(CLOSE), UNHEARD_OF, CANNOT, open_door),
    # The reset may come before the socket was looked at, or after.
    Row(
        "reset at the door for a while", at_the_door(RESET), f"{UNHEARD_OF}|{CANNOT}", CANNOT,
        open_door,
    ),
]


@pytest.mark.parametrize("transport", ["plain", "tls"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_connection_that_ends_is_told_and_replaced(make_link, row, transport):
    link = make_link(tls=transport == "tls")
    link.flows("before")
    link.mark()
    row.provoke(link)
    link.meanwhile()
    says = row.says_tls if link.tls and row.says_tls else row.says
    link.said(says)
    if row.mend:
        row.mend(link)
    link.recovers()
    # What is wrong is kept for whoever looks later, though it is over.
    error = link.redis()["last_error"]
    assert re.search(says, f"Redis: {error}; trying again"), error
    assert LONG not in link.got


def test_a_link_that_drops_again_and_again_is_not_taken_for_healthy(make_link):
    link = make_link()
    attempts = len(link.proxy.attempts)
    for _ in range(4):
        link.mark()
        link.proxy.cut(CLOSE)
        link.connected()
    # Each time both connections, and not one more: nothing was hurried.
    assert len(link.proxy.attempts) == attempts + 4 * 2
    link.flows("after")
    link.keeps_its_promise()


def test_a_slow_reader_cut_off_by_redis_hears_on(make_link):
    options = ["--client-output-buffer-limit", "pubsub 256kb 128kb 1"]
    link = make_link(options=options, config={"queue_bytes": 1 << 27})
    link.flows("before")
    link.mark()
    link.node.send_signal(signal.SIGSTOP)
    sent = [f"{number} {LONG}" for number in range(20000)]
    publisher = link.server.client()
    # Through the buffers of four sockets, until Redis has had enough. The witness and the peer are left then.
    for text in sent:
        link.witness.heard()
        if publisher.publish(CHANNEL, json.dumps({"from": "old", "text": text})) == 2:
            break
    else:
        pytest.fail("Redis never cut the reader off")
    link.meanwhile()
    link.node.send_signal(signal.SIGCONT)
    link.said(f"{CLOSED}|{BROKE}")
    link.recovers()
    # What was heard of it is whole, and the beginning of what was said.
    heard = [text for text in link.got if text.endswith(LONG)]
    assert heard == sent[: len(heard)]


# Names


def test_a_name_that_does_not_resolve_is_told_and_tried_again(make_link, names):
    link = make_link(start=False)
    link.node.wrapper = names.wrapper
    link.node.configure({"redis_url": f"redis://bus.test:{link.proxy.port}", "first_start": "all"})
    link.node.launch()
    assert "bus.test" in link.said(CANNOT)
    link.meanwhile()
    names.write("127.0.0.1 bus.test")
    link.recovers()


@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_a_dead_address_of_a_name_is_passed_over(make_link, make_proxy, names, transport):
    link = make_link(tls=transport == "tls", start=False)
    names.write("127.0.0.1 bus.test", "127.0.0.2 bus.test")
    first, second = names.look_up("bus.test")
    proxy = make_proxy(link.proxy.target, host=second)
    # Over TLS the first address is not shut, but never answers: the deadline of each address passes it over.
    stall = make_proxy(0, host=first, port=proxy.port) if link.tls else None
    if stall:
        stall.set(accept=STALL)
    url = f"{'rediss' if link.tls else 'redis'}://bus.test:{proxy.port}"
    link.node.wrapper = names.wrapper
    link.node.configure({"redis_url": url, **({"redis_ca_file": str(link.server.authority)} if link.tls else {})})
    link.node.start()
    assert len(proxy.attempts) == 2
    assert not stall or stall.attempts
    Link(link.node, link.server).flows("through the second")
