"""What befalls the stream itself: it is trimmed, deleted, emptied, set back. Nothing is silent, nothing comes twice."""

import signal

import pytest

from bus import wait_until
from faults_promise import META, STREAM, Promise
from faults_proxy import CLOSE
from faults_stream import come_back, is_quiet, leave, send_on_the_other_side, told

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
    # It is a new epoch; but the stream has its entry at which each of them stands, and all behind it: nothing is lost.
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
    ada, bob = nodes = [
        make_node(name, {"redis_url": f"redis://127.0.0.1:{proxy.port}"})
        for name, proxy in zip(("ada", "bob"), proxies)
    ]
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
