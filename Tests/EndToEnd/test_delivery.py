"""Messages reach the other server, once, in order, whatever happens to Redis or a daemon in between."""

import collections
import concurrent.futures
import signal
import threading

import pytest

from bus import stays_away, wait_until


@pytest.fixture
def pair(make_node, redis_server):
    config = {"redis_url": redis_server.url}
    return make_node("ada", config), make_node("bob", config)


def test_a_message_goes_each_way(pair):
    ada, bob = pair
    identifier = ada.send("Hello Bob")
    [message] = bob.collect(1)
    assert message["from"] == "ada"
    assert message["text"] == "Hello Bob"
    assert message["id"] == identifier
    bob.send("Hello Ada")
    assert "Hello Ada" in ada.texts(2)


def test_many_messages_arrive_once_and_in_the_order_they_were_sent(pair):
    ada, bob = pair
    texts = [f"message {number}" for number in range(200)]
    for text in texts:
        ada.send(text)
    assert bob.texts(200) == texts
    assert stays_away(lambda: bob.get())


def test_two_senders_on_one_bus_are_both_heard_everywhere(pair):
    for number in range(20):
        for node in pair:
            node.send(f"{node.name} {number}")
    for node in pair:
        texts = node.texts(40)
        for sender in ("ada", "bob"):
            assert [text for text in texts if text.startswith(sender)] == [f"{sender} {number}" for number in range(20)]


def test_a_local_bus_needs_no_configuration_and_no_redis(local_node):
    assert local_node.status()["redis"]["state"] == "off"
    local_node.send("to myself and my neighbours")
    [message] = local_node.collect(1)
    assert (message["from"], message["text"]) == ("ada", "to myself and my neighbours")


def test_an_addressed_message_and_an_answer_say_so(local_node):
    identifier = local_node.send("a question", "--to", "bob")
    local_node.send("an answer", "--re", identifier, sender="bob")
    question, answer = local_node.collect(2)
    assert question["to"] == "bob"
    assert (answer["re"], answer["to"]) == (identifier, "ada")


def test_what_was_sent_while_the_daemon_was_stopped_goes_out_when_it_starts(pair):
    ada, bob = pair
    ada.stop()
    for number in range(5):
        ada.send(f"kept {number}")
    ada.start()
    assert bob.texts(5) == [f"kept {number}" for number in range(5)]


def test_what_was_sent_while_redis_was_down_goes_out_in_order_when_it_is_back(make_node, redis_server, folder):
    # Ada comes to Redis by a door of her own, which stays shut until Bob is subscribed again: what is published before
    # that is lost to him, as plain PUBLISH has it.
    door = folder / "door"
    door.symlink_to(redis_server.socket)
    ada = make_node("ada", {"redis_url": f"unix://{door}"})
    bob = make_node("bob", {"redis_url": redis_server.url})
    redis_server.kill()
    wait_until("the loss of the connection is seen", lambda: ada.status()["redis"]["state"] != "ready")
    for number in range(30):
        ada.send(f"kept {number}")
    assert ada.status()["outbox"]["new"] == 30
    door.unlink()
    redis_server.start()
    wait_until("Bob is subscribed again", lambda: redis_server.subscribers() == 1, patience=90)
    door.symlink_to(redis_server.socket)
    assert bob.texts(30, patience=90) == [f"kept {number}" for number in range(30)]
    wait_until("the outbox is empty", lambda: ada.status()["outbox"]["new"] == 0)
    assert stays_away(lambda: bob.get())


def test_kept_messages_reach_a_subscriber_that_waits_for_them(make_node, make_redis):
    redis_server = make_redis()
    ada = make_node("ada", {"redis_url": redis_server.url})
    redis_server.kill()
    wait_until("the loss of the connection is seen", lambda: ada.status()["redis"]["state"] != "ready")
    # The daemon is stopped while a listener subscribes to the new server, so that the listener is there first.
    ada.stop()
    for number in range(30):
        ada.send(f"kept {number}")
    redis_server.start()
    listener = make_node("bob", {"redis_url": redis_server.url})
    ada.start()
    assert listener.texts(30) == [f"kept {number}" for number in range(30)]


def test_a_restarted_redis_is_subscribed_again(node, redis_server):
    redis_server.kill()
    redis_server.start()
    wait_until("subscribed again", lambda: redis_server.subscribers() == 1, patience=90)
    redis_server.publish({"from": "old", "text": "after the restart", "ts": 1.5, "time": "2026-01-01T00:00:00"})
    assert "after the restart" in node.texts(1)


def test_a_daemon_that_starts_before_redis_connects_when_redis_is_there(make_node, make_redis):
    redis_server = make_redis()
    redis_server.kill()
    node = make_node("ada", {"redis_url": redis_server.url}, start=False).launch()
    wait_until("a try was made", lambda: (node.status_or_none() or {}).get("redis", {}).get("last_error"))
    redis_server.start()
    wait_until("connected", node.is_ready, patience=90)


def test_kill_9_loses_nothing_that_was_received(node, redis_server):
    for round_number in range(5):
        for number in range(20):
            redis_server.publish({"from": "old", "text": f"{round_number}.{number}"})
        wait_until("all received", lambda: node.status()["total"] >= 20 * (round_number + 1))
        node.stop(signal.SIGKILL)
        node.start()
    messages = node.get("--all")
    assert [message["text"] for message in messages] == [f"{r}.{n}" for r in range(5) for n in range(20)]
    numbers = [message["seq"] for message in messages]
    assert numbers == sorted(set(numbers))


def test_kill_9_loses_nothing_that_was_sent(local_node):
    for number in range(5):
        local_node.send(f"a{number}")
    local_node.kill()
    for number in range(5):
        local_node.send(f"b{number}")
    local_node.start()
    texts = local_node.texts(10)
    assert texts == [f"a{number}" for number in range(5)] + [f"b{number}" for number in range(5)]


@pytest.mark.parametrize("bus", ["local", "redis"])
def test_kill_9_while_messages_flow_loses_nothing_that_was_accepted(make_node, make_redis, bus):
    if bus == "local":
        sending = reading = make_node("ada")
    else:
        config = {"redis_url": make_redis().url}
        sending, reading = make_node("ada", config), make_node("bob", config)
    on_the_way = collections.Counter()
    done = threading.Event()

    def send(sender):
        accepted = []
        while not done.is_set():
            accepted.append(sending.send(f"{sender} {len(accepted)}", sender=sender))
        return accepted

    with concurrent.futures.ThreadPoolExecutor() as pool:
        try:
            senders = {name: pool.submit(send, name) for name in ("eve", "fay", "gus")}
            for _ in range(5):
                moving = reading.status()["total"]
                wait_until("messages flow", lambda: reading.status()["total"] >= moving + 10)
                sending.stop(signal.SIGKILL)
                on_the_way.update(file.name.partition("-")[2] for file in sending.outbox("new"))
                sending.start()
        finally:
            done.set()
    accepted = {name: future.result() for name, future in senders.items()}

    wait_until("the outbox is empty", lambda: sending.status()["outbox"]["new"] == 0)
    got = []

    def complete():
        got.extend(reading.get("--all"))
        return {message["id"] for message in got} >= {id for ids in accepted.values() for id in ids}

    wait_until("all that was accepted", complete)
    copies = collections.Counter(message["id"] for message in got)
    # A repeat is possible only of what was still in the outbox at a kill, once for each.
    assert all(count <= 1 + on_the_way[id] for id, count in copies.items())
    sender_of = {message["id"]: message["from"] for message in got}
    for name, ids in accepted.items():
        # A Counter keeps the order of the first copies.
        assert [id for id in copies if sender_of[id] == name] == ids
