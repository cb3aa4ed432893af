"""The probe of the path to Redis and back, as a Redis and its other clients see it."""

import bus

META = "{openclaw-chat}:meta"
PROBES = "{openclaw-chat}:probe"


def test_a_probe_counts_itself_and_publishes_where_the_stream_is(redis_server, make_node):
    client = redis_server.client(decode_responses=True)
    client.hset(META, mapping={"epoch": "0f" * 16, "seq": 7})
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(PROBES)
    listener.get_message(timeout=bus.PATIENCE)
    make_node("ada", {"redis_url": redis_server.url})
    heard = bus.wait_until("a probe is heard", lambda: listener.get_message(timeout=0.1))
    assert heard["data"] == "0f" * 16 + ":7"
    assert client.hgetall(META) == {"epoch": "0f" * 16, "seq": "7", "probes": "1"}


def test_the_first_probe_is_empty_where_there_is_no_stream_yet(redis_server, make_node):
    client = redis_server.client(decode_responses=True)
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(PROBES)
    listener.get_message(timeout=bus.PATIENCE)
    make_node("ada", {"redis_url": redis_server.url})
    assert bus.wait_until("a probe is heard", lambda: listener.get_message(timeout=0.1))["data"] == ":"


def test_the_python_version_hears_no_probe(redis_server, make_node):
    listener = redis_server.client(decode_responses=True).pubsub(ignore_subscribe_messages=True)
    listener.subscribe(bus.CHANNEL)
    listener.get_message(timeout=bus.PATIENCE)
    node = make_node("ada", {"redis_url": redis_server.url})
    node.send("first")
    heard = bus.wait_until("the message is heard", lambda: listener.get_message(timeout=0.1))
    assert '"text":"first"' in heard["data"].replace(": ", ":")
