"""The Python version and this one are on one bus: machines can be switched over one at a time."""

import datetime
import json
import re
import time

import pytest

from bus import CHANNEL, wait_until


@pytest.fixture
def listener(redis_server):
    """A redis-py subscriber; listener() waits for the next payload."""
    with redis_server.client().pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.subscribe(CHANNEL)
        wait_until("subscribed", lambda: redis_server.subscribers() >= 1)

        def following():
            message = wait_until("a message", lambda: subscription.get_message(timeout=0.1))
            return message["data"]

        # The confirmation is read here, so that the next message is one.
        subscription.get_message(timeout=1)
        yield following


@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "UTF-8"])
def test_what_a_python_sender_publishes_is_read(node, redis_server, ascii_only):
    now = datetime.datetime.now()
    payload = {"from": "巴菲特", "text": "早上好 🦞\n第二行", "ts": now.timestamp(), "time": now.isoformat()}
    redis_server.publish(json.dumps(payload, ensure_ascii=ascii_only).encode())
    [message] = node.collect(1)
    assert {key: message[key] for key in payload} == payload
    assert "id" not in message


def test_what_clawsend_sends_is_read_by_a_python_subscriber(node, listener):
    before = time.time()
    identifier = node.send("Grüße 🚀 שלום")
    payload = json.loads(listener())
    assert payload["from"] == "ada"
    assert payload["text"] == "Grüße 🚀 שלום"
    assert isinstance(payload["ts"], float)
    assert before - 600 < payload["ts"] < time.time() + 600
    moment = datetime.datetime.fromisoformat(payload["time"])
    assert moment.tzinfo is None
    assert abs(moment.timestamp() - payload["ts"]) < 1.5 or abs(
        moment.replace(tzinfo=datetime.timezone.utc).timestamp() - payload["ts"]
    ) < 1.5
    assert payload["id"] == identifier
    assert re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", identifier)


def test_members_nobody_knows_survive(node, redis_server):
    redis_server.publish({"from": "old", "text": "hm", "mood": {"kind": ["odd", None, 1.50]}})
    [message] = node.collect(1)
    assert message["mood"] == {"kind": ["odd", None, 1.5]}


def test_of_duplicate_members_the_last_counts_as_in_python(node, redis_server):
    redis_server.publish(b'{"from": "a", "text": "first", "from": "b", "text": "last"}')
    [message] = node.collect(1)
    assert (message["from"], message["text"]) == ("b", "last")


def test_another_channel_is_another_bus(make_node, redis_server):
    ada = make_node("ada", {"redis_url": redis_server.url, "channel": "elsewhere"})
    bob = make_node("bob", {"redis_url": redis_server.url})
    redis_server.client().publish("elsewhere", b'{"from": "old", "text": "here"}')
    redis_server.publish({"from": "old", "text": "there"})
    assert ada.texts(1) == ["here"]
    assert bob.texts(1) == ["there"]
