"""What others put on the channel and into the stream that is not as our script puts it: echoed, forged, spoilt."""

import json

import pytest

from bus import CHANNEL, wait_until
from faults_promise import META, STREAM, whole_queue
from faults_stream import come_back, is_quiet, leave, send_on_the_other_side, store, told

def test_an_echo_of_a_published_message_is_not_delivered_again(make_link):
    link = make_link()
    link.flows("before")
    listener = link.server.client().pubsub(ignore_subscribe_messages=True)
    listener.subscribe(CHANNEL)
    listener.get_message(timeout=10)
    link.peer.send("to be echoed")
    payload = wait_until("it is published", listener.get_message)["data"]
    assert b'"bus":"' in payload
    for _ in range(50):
        link.server.publish(payload)
    link.meanwhile()
    link.flows("after")
    for _ in range(50):
        link.server.publish(payload)
    link.keeps_its_promise()
    is_quiet(link)


FORGED = {
    "the next number, far ahead in the stream": lambda epoch, number: f"{epoch}:{number + 1}:99999999999999-0",
    "a number far ahead": lambda epoch, number: f"{epoch}:{number + 1000}:99999999999999-7",
    "the greatest number": lambda epoch, number: f"{epoch}:{2**64 - 1}:{2**64 - 1}-{2**64 - 1}",
    "another epoch": lambda epoch, number: f"{'0' * 32}:1:1-1",
    "a number long past": lambda epoch, number: f"{epoch}:1:1-1",
    "nonsense": lambda epoch, number: "nonsense",
    "numbers that are none": lambda epoch, number: f"{epoch}:-1:+5-0x1",
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_position_neither_hides_nor_repeats_what_is_in_the_stream(make_link, kind):
    link = make_link()
    link.flows("before")
    epoch, number = link.server.client().hmget(META, "epoch", "seq")
    position = FORGED[kind](epoch.decode(), int(number))
    for count in range(3):
        identifier = f"01M85BHE56HYV4JR00DQW0RK9{count}"
        link.server.publish({"from": "mallory", "text": f"forged {count}", "id": identifier, "bus": position})
        link.meanwhile()
    link.flows("after")
    link.keeps_its_promise()
    for node in (link.node, link.peer):
        node.restart()
    link.flows("after the start")
    link.keeps_its_promise()
    is_quiet(link)


def test_a_message_with_a_known_id_and_other_bytes_is_delivered_and_logged(make_link):
    link = make_link()
    link.flows("before")
    identifier = link.peer.send("the first of its id")
    link.arrives("the first of its id")
    link.mark()
    store(link.server, {"from": "eve", "text": "the second of its id", "ts": 1.0, "id": identifier})
    link.arrives("the second of its id")
    link.said("the id of another message")
    link.flows("after")
    for node in (link.node, link.peer):
        texts = [entry for entry in told(node) if "of its id" in entry]
        assert texts == ["the first of its id", "the second of its id"]


def test_what_another_program_adds_in_its_own_way_is_delivered_where_it_stands(make_link):
    link = make_link()
    link.flows("before")
    client = link.server.client()
    epoch = client.hget(META, "epoch").decode()
    expected = []
    for number, fields in enumerate([{}, {"e": epoch, "s": "999"}, {"e": epoch, "s": "1"}, {"e": "f" * 32, "s": "3"}]):
        text = f"added {number}"
        client.xadd(STREAM, {"m": json.dumps({"from": "eve", "text": text}), **fields})
        link.node.send(f"sent {number}")
        expected += [text, f"sent {number}"]
        wait_until("it is sent", lambda: not link.node.outbox("new"))
    for node in (link.node, link.peer):
        wait_until("all is there", lambda: expected[-1] in [entry.get("text") for entry in whole_queue(node)])
        texts = [entry["text"] for entry in whole_queue(node) if entry.get("text", "").startswith(("added", "sent"))]
        assert texts == expected, node.name
    is_quiet(link)


def test_what_another_program_stores_without_publishing_is_found_with_the_next_message(make_link):
    link = make_link()
    link.flows("before")
    message = {"from": "eve", "text": "stored alone", "ts": 1.0, "id": "01M85BHE56HYV4JR00DQW0RK9Z"}
    store(link.server, message, published=False)
    link.peer.send("the next")
    link.arrives("stored alone", "the next")
    link.keeps_its_promise()


SPOILT = {
    "no JSON": {"m": "not json"},
    "no message": {"x": "y"},
    "not an object": {"m": "[1]"},
    "not UTF-8": {"m": b'{"from":"a","text":"\xff"}'},
    "no sender": {"m": '{"text": "from nobody"}'},
}


@pytest.mark.parametrize("kind", SPOILT)
def test_an_entry_that_is_no_message_is_counted_where_it_stood(make_link, kind):
    link = make_link()
    link.flows("before")
    leave(link)
    send_on_the_other_side(link, "before it")
    client = link.server.client()
    number = client.hincrby(META, "seq", 1)
    client.xadd(STREAM, {**SPOILT[kind], "e": client.hget(META, "epoch"), "s": number})
    link.peer.send("after it")
    come_back(link)
    for node in (link.node, link.peer):
        wait_until("it is passed", lambda: told(node)[-1] == "after it")
        assert told(node)[-3:] == ["before it", ("invalid", 1), "after it"]
    is_quiet(link)
