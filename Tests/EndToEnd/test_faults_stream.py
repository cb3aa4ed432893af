"""What befalls the stream itself: it is trimmed, deleted, set back, forged, forbidden, full. Nothing of it is silent, and
nothing comes twice."""

import json
import signal

import pytest

from bus import CHANNEL, stays_away, wait_until
from faults_promise import META, STREAM, Promise, whole_queue
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
        statistics = link.server.client().info("commandstats")
        return sum(statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("xrange", "xrevrange", "hmget"))

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


# Where nobody missed anything


def test_a_script_that_is_forgotten_is_loaded_again(make_link):
    link = make_link()
    link.flows("before")
    link.mark()
    for _ in range(3):
        link.server.client().script_flush()
        link.meanwhile()
    link.flows("after")
    link.keeps_its_promise()
    assert "trying again" not in link.news and len(link.proxy.attempts) == 2


def test_a_stream_that_is_deleted_when_all_have_read_it_costs_nothing(make_link):
    link = make_link()
    link.flows("before")
    link.server.client().delete(STREAM)
    link.meanwhile()
    link.flows("after")
    link.keeps_its_promise()
    is_quiet(link)


@pytest.mark.parametrize("away", [False, True], ids=["listening", "away"])
def test_a_meta_hash_that_is_deleted_repeats_nothing(make_link, away):
    link = make_link()
    link.flows("before")
    if away:
        leave(link)
        send_on_the_other_side(link, "not heard", "not heard either")
    link.server.client().delete(META)
    link.meanwhile()
    if away:
        come_back(link)
    # It is a new epoch: what went by between the two cannot be known.
    for name in (link.node.name, link.peer.name):
        link.promise.losses[name] = [("reset", 0)]
    link.flows("after")
    link.keeps_its_promise()
    is_quiet(link)


# Losses, each told where it happened and counted


def test_what_was_trimmed_while_a_daemon_was_away_is_counted_where_it_stood(make_link):
    link = make_link()
    link.flows("before")
    leave(link)
    send_on_the_other_side(link, *(f"missed {number}" for number in range(10)))
    link.server.client().xtrim(STREAM, maxlen=4, approximate=False)
    come_back(link)
    link.arrives(*(f"missed {number}" for number in range(6, 10)))
    assert told(link.node)[-5:] == [("trimmed", 6), *(f"missed {number}" for number in range(6, 10))]
    assert not any(isinstance(entry, tuple) for entry in told(link.peer))
    link.flows("after")
    assert link.times("6 messages") >= 1, link.news
    status = link.node.status()
    assert status["lost"] == 6
    is_quiet(link)


def test_a_trimming_that_reaches_only_what_was_read_is_no_loss(make_link):
    link = make_link()
    link.flows("before")
    leave(link)
    send_on_the_other_side(link, *(f"missed {number}" for number in range(10)))
    link.server.client().xtrim(STREAM, maxlen=10, approximate=False)
    come_back(link)
    link.flows("after")
    link.keeps_its_promise()


def test_what_was_deleted_with_the_stream_while_a_daemon_was_away_is_counted(make_link):
    link = make_link()
    link.flows("before")
    leave(link)
    send_on_the_other_side(link, *(f"gone {number}" for number in range(5)))
    link.server.client().delete(STREAM)
    send_on_the_other_side(link, "one", "two", "three")
    come_back(link)
    link.arrives("one", "two", "three")
    assert told(link.node)[-4:] == [("trimmed", 5), "one", "two", "three"]
    link.flows("after")
    is_quiet(link)


def test_what_was_deleted_with_the_stream_is_counted_even_if_nothing_follows(make_link):
    link = make_link()
    link.flows("before")
    leave(link)
    send_on_the_other_side(link, *(f"gone {number}" for number in range(5)))
    link.server.client().delete(STREAM)
    come_back(link)
    wait_until("the loss is told", lambda: told(link.node)[-1] == ("trimmed", 5))
    link.flows("after")
    assert told(link.node).count(("trimmed", 5)) == 1
    is_quiet(link)


def test_single_entries_that_were_deleted_are_counted_where_they_stood(make_link):
    link = make_link()
    link.flows("before")
    leave(link)
    send_on_the_other_side(link, *(f"missed {number}" for number in range(9)))
    entries = [entry for entry, _ in link.server.client().xrange(STREAM)][-9:]
    link.server.client().xdel(STREAM, entries[2], entries[3], entries[7])
    come_back(link)
    link.arrives("missed 8")
    here = told(link.node)
    here = here[here.index("missed 0") :]
    assert [entry for entry in here if isinstance(entry, str)] == [f"missed {n}" for n in (0, 1, 4, 5, 6, 8)]
    assert [entry[1] for entry in here if isinstance(entry, tuple)] == [2, 1]
    assert isinstance(here[2], tuple) and isinstance(here[6], tuple), here
    link.flows("after")
    is_quiet(link)


@pytest.mark.parametrize("away", [False, True], ids=["listening", "away"])
def test_a_database_that_is_emptied_is_told_as_a_reset(make_link, away):
    link = make_link()
    link.flows("before")
    if away:
        leave(link)
    link.server.client().flushall()
    send_on_the_other_side(link, "first", "second", "third")
    if away:
        come_back(link)
    link.arrives("first", "second", "third")
    for node in (link.node, link.peer):
        wait_until("all three", lambda: told(node)[-1] == "third")
        assert told(node)[-4:] == [("reset", 0), "first", "second", "third"], told(node)
    link.promise.losses.update({node.name: [("reset", 0)] for node in (link.node, link.peer)})
    link.flows("after")
    link.keeps_its_promise()
    is_quiet(link)


# A stream that is set back: failover to a replica that lags


def test_a_stream_that_is_set_back_repeats_nothing_and_hides_nothing(make_link):
    link = make_link()
    link.flows("before")
    client = link.server.client()
    copies = {key: client.dump(key) for key in (STREAM, META)}
    send_on_the_other_side(link, *(f"forgotten by Redis {number}" for number in range(5)))
    link.arrives("forgotten by Redis 4")
    for key, copy in copies.items():
        client.restore(key, 0, copy, replace=True)
    # These bear the numbers of those that were forgotten.
    send_on_the_other_side(link, *(f"new {number}" for number in range(8)))
    link.arrives(*(f"new {number}" for number in range(8)))
    link.flows("after")
    link.keeps_its_promise()
    is_quiet(link)


@pytest.mark.parametrize("lag", [0, 3])
def test_a_failover_to_a_replica_that_lags_repeats_nothing(make_redis, make_node, make_proxy, lag):
    master, replica = make_redis(), make_redis()
    proxies = [make_proxy(master.port) for _ in range(2)]
    nodes = [
        make_node(name, {"redis_url": f"redis://127.0.0.1:{proxy.port}"}) for name, proxy in zip(("ada", "bob"), proxies)
    ]
    ada, bob = nodes
    promise = Promise(replica, *nodes)
    for number in range(20):
        ada.send(f"before {number}")
    assert bob.texts(20) == [f"before {number}" for number in range(20)]
    replica.client().replicaof("127.0.0.1", master.port)
    wait_until("it has all", lambda: replica.client().xlen(STREAM) == 20)
    replica.client().execute_command("REPLICAOF", "NO", "ONE")
    for number in range(lag):
        ada.send(f"never replicated {number}")
    wait_until("both have them", lambda: all(node.status()["total"] >= 20 + lag for node in nodes))
    for proxy in proxies:
        proxy.target = replica.port
        proxy.cut(CLOSE)
    for number in range(10):
        ada.send(f"after {number}")
        bob.send(f"after {number} from bob")
    promise.kept()
    # And the same once more when they start anew.
    for node in nodes:
        node.stop(signal.SIGKILL)
        node.start()
        node.send("after the start")
    promise.kept()


# Positions that are not Redis's own


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
    "the greatest number": lambda epoch, number: f"{epoch}:18446744073709551615:18446744073709551615-18446744073709551615",
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
        forged = {"from": "mallory", "text": f"forged {count}", "id": f"01M85BHE56HYV4JR00DQW0RK9{count}", "bus": position}
        link.server.publish(forged)
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
    assert identifier in link.news
    link.flows("after")
    for node in (link.node, link.peer):
        texts = [entry for entry in told(node) if "of its id" in entry]
        assert texts == ["the first of its id", "the second of its id"]


def test_what_another_program_stores_without_publishing_is_found_with_the_next_message(make_link):
    link = make_link()
    link.flows("before")
    store(link.server, {"from": "eve", "text": "stored alone", "ts": 1.0, "id": "01M85BHE56HYV4JR00DQW0RK9Z"}, published=False)
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


# Rights


def test_without_the_right_to_scripts_everything_is_stored_and_arrives(make_link, redis_server):
    redis_server.client().execute_command(
        "ACL", "SETUSER", "bus", "on", ">pass", "~*", "&*", "+@all", "-eval", "-evalsha", "-script"
    )
    link = make_link(server=redis_server, login="bus:pass@")
    link.flows("before")
    link.said("script|EVAL")
    for number in range(20):
        link.node.send(f"without a script {number}")
        link.peer.send(f"with a script {number}")
    link.keeps_its_promise()
    link.node.stop(signal.SIGKILL)
    link.node.send("while it was dead")
    link.node.start()
    link.mark()
    link.kick()
    link.meanwhile()
    link.recovers()


def test_a_message_that_may_be_stored_and_not_published_arrives_everywhere(make_link, redis_server):
    redis_server.client().execute_command("ACL", "SETUSER", "bus", "on", ">pass", "~*", "&*", "+@all", "-publish")
    link = make_link(server=redis_server, login="bus:pass@", start=False)
    link.node.launch()
    wait_until("subscribed", lambda: redis_server.subscribers() == 3)
    link.node.send("stored, not published")
    link.said("NOPERM|permission")
    link.arrives("stored, not published")
    # The other side hears of it with the next message.
    link.peer.send("published")
    link.arrives("published")
    link.keeps_its_promise()
    assert not link.node.outbox("failed")


# Memory


def test_a_redis_without_memory_is_waited_for(make_link):
    link = make_link()
    link.flows("before")
    link.server.client().config_set("maxmemory", 1)
    link.meanwhile()
    link.said("OOM")
    assert link.waits("meanwhile")
    link.server.client().config_set("maxmemory", 0)
    link.flows("after")
    link.keeps_its_promise()


def test_a_stream_that_fills_the_memory_is_trimmed_by_a_quarter(make_link):
    link = make_link(config={"queue_bytes": 64 * 1024 * 1024})
    link.flows("before")
    client = link.server.client()
    for number in range(800):
        store(link.server, {"from": "eve", "text": f"{number} " + "x" * 4000, "ts": 1.0})
    link.arrives("799 " + "x" * 4000)
    length = client.xlen(STREAM)
    client.config_set("maxmemory", client.info("memory")["used_memory"] - 10_000)
    link.meanwhile()
    link.said("trim")
    # Nobody had to mend anything.
    link.is_published("meanwhile", patience=60)
    assert client.xlen(STREAM) <= length * 3 // 4 + 110
    client.config_set("maxmemory", 0)
    link.flows("after")
    link.keeps_its_promise()
