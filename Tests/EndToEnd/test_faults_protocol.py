"""Servers that do not speak as they should: no byte of theirs ends the daemon, is guessed at, or becomes a message."""

import pathlib
import shutil
import tempfile
import time

import pytest

import bus
from bus import CHANNEL, wait_until
from faults import NOT_REDIS, OUT_OF_STEP
from faults_proxy import CLOSE


@pytest.fixture(scope="module")
def shared_redis():
    """One server for all rows of a worker: they differ in what stands before it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bus."))
    server = bus.RedisServer(folder / "redis").start()
    yield server
    server.kill()
    shutil.rmtree(folder)


def message(payload, length=None, channel=CHANNEL.encode(), sign=b">"):
    length = len(payload) if length is None else length
    return sign + b"3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(channel), channel, length, payload)


# What is no RESP, or more of it than anyone may ask us to keep.
MALFORMED = {
    "a length near the largest integer": b"$9223372036854775807\r\n",
    "a length beyond every integer": b"$99999999999999999999999999\r\n",
    "a length above what Redis sends": b"$536870913\r\n",
    "a negative length": b"$-2\r\n",
    "a negative count": b"*-5\r\n",
    "minus zero": b"$-0\r\n",
    "a plus sign": b"$+5\r\nhello\r\n",
    "a leading zero": b"$05\r\nhello\r\n",
    "a length in hexadecimal": b"$0x5\r\nhello\r\n",
    "no length": b"$\r\n\r\n",
    "a count that overflows when doubled": b"%4611686018427387904\r\n",
    "a count near the largest integer": b">9223372036854775807\r\n",
    "a count of billions": b"*2147483647\r\n",
    "many elements": b">3\r\n*60000\r\n" + b":1\r\n" * 60000 + b"*60000\r\n" + b":1\r\n" * 60000,
    "deep nesting": b"*1\r\n" * 100_000,
    "deep nesting of attributes": b"|1\r\n" * 1000,
    "streamed string": b"$?\r\n;4\r\nabcd\r\n;0\r\n",
    "streamed array": b"*?\r\n:1\r\n.\r\n",
    "unknown type": b"?what\r\n",
    "a web server": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "zeros": bytes(100),
    "a line without an end": b"+" + b"x" * 100_000,
    "an error of two lines": b"-ERR one\nline\r\n",
    "a carriage return in an error": b"-ERR one\rline\r\n",
    "a string longer than it says": b">2\r\n$5\r\nhello world\r\n",
    "not an integer": b":12x\r\n",
    "an integer too large": b":9223372036854775808\r\n",
    "a push in an array": b"*1\r\n>1\r\n:1\r\n",
}
FOREIGN = r"Redis: the server speaks HTTP, not Redis's protocol: .*; trying again"


# Each comes in the answer to HELLO, and on one of the two connections that stand: by turns, for they read alike.
PLACES = [
    (row, place)
    for number, row in enumerate(MALFORMED)
    for place in ("HELLO", ("subscription", "commands")[number % 2])
]


@pytest.mark.parametrize("row, place", PLACES)
def test_what_is_not_resp_ends_the_connection_and_not_the_daemon(make_link, shared_redis, row, place):
    link = make_link(server=shared_redis, scripted=True)
    link.mark()
    if place == "HELLO":
        link.proxy.answer("HELLO", MALFORMED[row], times=1)
        link.proxy.cut(CLOSE)
    else:
        assert link.proxy.say(MALFORMED[row], to_subscriber=place == "subscription") == 1
    link.meanwhile()
    link.said(f"{NOT_REDIS}|{FOREIGN}")
    link.recovers()


def test_an_error_of_two_whole_lines_puts_nothing_out_of_step(make_link, shared_redis):
    """A line end inside an error is the start of a reply that nobody asked for."""
    link = make_link(server=shared_redis, scripted=True)
    link.mark()
    link.proxy.answer("EVALSHA", b"-LOADING one line\r\n:1 and another\r\n", times=1)
    link.node.send("first")
    link.said(f"{NOT_REDIS}|{OUT_OF_STEP}")
    link.meanwhile()
    link.recovers()


# Right RESP that says what cannot be: where it comes, and what it is.
WRONG = {
    "HELLO answered with an integer": ("HELLO", b":1\r\n"),
    "HELLO answered with OK": ("HELLO", b"+OK\r\n"),
    "HELLO answered with an empty map": ("HELLO", b"%0\r\n"),
    "HELLO answered with null": ("HELLO", b"_\r\n"),
    "HELLO answered with an unknown protocol": ("HELLO", b"%1\r\n$5\r\nproto\r\n:4\r\n"),
    "HELLO answered with a protocol in words": ("HELLO", b"%1\r\n$5\r\nproto\r\n$1\r\n3\r\n"),
    "SUBSCRIBE answered with OK": ("SUBSCRIBE", b"+OK\r\n"),
    "SUBSCRIBE answered with an integer": ("SUBSCRIBE", b":2\r\n"),
    "SUBSCRIBE confirmed without a count": ("SUBSCRIBE", b">2\r\n$9\r\nsubscribe\r\n$13\r\nopenclaw-chat\r\n"),
    "EVALSHA answered with OK": ("EVALSHA", b"+OK\r\n"),
    "EVALSHA answered with a number": ("EVALSHA", b":1\r\n"),
    "EVALSHA answered with no outcome": ("EVALSHA", b"*0\r\n"),
    "EVALSHA answered with an outcome too many": ("EVALSHA", b"*2\r\n$6\r\n+1:1-1\r\n$6\r\n+2:1-2\r\n"),
    "EVALSHA answered with numbers": ("EVALSHA", b"*1\r\n:1\r\n"),
    "EVALSHA answered with an outcome that is none": ("EVALSHA", b"*1\r\n$5\r\n+1:1-\r\n"),
    "EVALSHA answered with null": ("EVALSHA", b"_\r\n"),
    "an unasked reply to the subscription": (True, b"+OK\r\n"),
    "an unasked number to the subscription": (True, b":1\r\n"),
    "an unasked reply to the commands": (False, b"+OK\r\n"),
    "an unasked number to the commands": (False, b":1\r\n"),
    "an unasked null to the commands": (False, b"_\r\n"),
    "a message without a payload": (True, b">2\r\n$7\r\nmessage\r\n$13\r\nopenclaw-chat\r\n"),
    "a message whose payload is a number": (True, b">3\r\n$7\r\nmessage\r\n$13\r\nopenclaw-chat\r\n:5\r\n"),
    "a message whose payload is an array": (True, b">3\r\n$7\r\nmessage\r\n$13\r\nopenclaw-chat\r\n*1\r\n$1\r\na\r\n"),
    "a message whose channel is null": (True, b">3\r\n$7\r\nmessage\r\n_\r\n$1\r\na\r\n"),
    "an empty push": (True, b">0\r\n"),
    "a push of numbers": (True, b">2\r\n:1\r\n:2\r\n"),
    "a message as an array of RESP2": (True, message(b"{}", sign=b"*")),
    "the end of our subscription": (True, b">3\r\n$11\r\nunsubscribe\r\n$13\r\nopenclaw-chat\r\n:0\r\n"),
}


@pytest.mark.parametrize("row", WRONG)
def test_what_contradicts_the_protocol_ends_the_connection_and_not_the_daemon(make_link, shared_redis, row):
    place, data = WRONG[row]
    link = make_link(server=shared_redis, scripted=True)
    link.mark()
    if isinstance(place, bool):
        assert link.proxy.say(data, to_subscriber=place) == 1
    else:
        link.proxy.answer(place, data, times=1)
        if place != "EVALSHA":
            link.proxy.cut(CLOSE)
    link.meanwhile()
    link.said(OUT_OF_STEP)
    link.proxy.behave()
    link.recovers()


def test_a_reply_too_many_is_not_taken_for_the_next_one(make_link, shared_redis):
    link = make_link(server=shared_redis, scripted=True)
    link.mark()
    link.proxy.answer("EVALSHA", b"*1\r\n$6\r\n+1:1-1\r\n", times=1, served=True)
    link.node.send("first")
    link.meanwhile()
    link.said(OUT_OF_STEP)
    link.recovers()
    link.is_published("first", "meanwhile")


@pytest.mark.parametrize("to_subscriber", [True, False], ids=["subscription", "commands"])
def test_an_error_that_nobody_asked_for_is_told_in_its_own_words(make_link, shared_redis, to_subscriber):
    link = make_link(server=shared_redis, scripted=True)
    link.mark()
    link.proxy.say(b"-ERR Protocol error: too big mbulk count string\r\n", to_subscriber, then=CLOSE)
    link.meanwhile()
    link.said("Redis: .*too big mbulk count.*; trying again")
    link.recovers()


def test_what_is_new_to_us_and_harmless_is_passed_over(make_link, shared_redis):
    link = make_link(server=shared_redis, scripted=True)
    link.mark()
    harmless = [
        (b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n", (True, False)),
        (message(b"{}", channel=b"another"), (True,)),
        (b">3\r\n$9\r\nsubscribe\r\n$13\r\nopenclaw-chat\r\n:1\r\n", (True,)),
        (b">3\r\n$11\r\nunsubscribe\r\n$7\r\nanother\r\n:1\r\n", (True,)),
    ]
    for data, places in harmless:
        for place in places:
            assert link.proxy.say(data, to_subscriber=place) == 1
    link.flows("after")
    link.keeps_its_promise()
    assert len(link.proxy.attempts) == 2
    assert "trying again" not in link.news


def test_a_message_whose_end_does_not_come_is_no_message(make_link, shared_redis):
    link = make_link(server=shared_redis, scripted=True)
    whole = b'{"from": "eve", "text": "whole"}'
    for length in (len(message(whole)) - 1, len(message(whole)) - 2, 60, 20):
        link.mark()
        link.proxy.say(message(whole)[:length], to_subscriber=True, then=CLOSE)
        link.said("Redis closed the connection")
        link.connected()
    link.proxy.say(message(whole), to_subscriber=True)
    link.arrives("whole")
    assert link.got.count("whole") == 1


def test_a_pause_in_the_middle_of_a_message_costs_nothing(make_link, shared_redis):
    link = make_link(server=shared_redis, scripted=True)
    whole = message(b'{"from": "eve", "text": "in two halves"}')
    for cut in (1, 3, len(whole) // 2, len(whole) - 1):
        link.proxy.say(whole[:cut], to_subscriber=True)
        time.sleep(0.3)
        link.proxy.say(whole[cut:], to_subscriber=True)
    link.arrives("in two halves")
    wait_until("all of them", lambda: (link.arrives(), link.got.count("in two halves") == 4)[1])
    assert len(link.proxy.attempts) == 2


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("confirmed", [False, True], ids=["before any confirmation", "after the first"])
def test_a_drop_while_it_subscribes_forgets_no_channel(make_link, shared_redis, confirmed, times):
    link = make_link(server=shared_redis, scripted=True)
    link.mark()
    half = b">3\r\n$9\r\nsubscribe\r\n$13\r\nopenclaw-chat\r\n:1\r\n" if confirmed else b""
    link.proxy.answer("SUBSCRIBE", half, times=times, then=CLOSE)
    link.proxy.cut(CLOSE)
    link.meanwhile()
    link.recovers()
    # Both channels, each time.
    subscribed = [words[1:] for _, words in link.proxy.commands if words[0] == b"SUBSCRIBE"]
    assert len(subscribed) == 2 + times
    assert all(set(words) == set(subscribed[0]) for words in subscribed), subscribed
    # The other side is subscribed too.
    assert shared_redis.client().pubsub_numsub(f"{{{CHANNEL}}}:probe")[0][1] == 2


def test_a_redis_that_refuses_at_the_door_with_a_word(make_link, shared_redis):
    link = make_link(server=shared_redis, scripted=True)
    link.mark()
    link.proxy.greet(b"-DENIED Redis is running in protected mode\r\n")
    link.proxy.cut(CLOSE)
    link.said("Redis: .*DENIED.*; trying again")


@pytest.mark.parametrize("speaks", ["http", "ssh", "smtp"])
def test_another_kind_of_server_is_not_taken_for_a_redis(make_node, make_scripted, shared_redis, speaks):
    words = {
        "http": b"HTTP/1.0 400 Bad Request\r\n\r\n",
        "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
        "smtp": b"220 mail.example ESMTP\r\n",
    }
    other = make_scripted(shared_redis.port)
    other.greet(words[speaks])
    node = make_node(config={"redis_url": f"redis://127.0.0.1:{other.port}"}, start=False).launch()
    wait_until("it is told", lambda: "; trying again" in node.log)
    assert node.is_running()
