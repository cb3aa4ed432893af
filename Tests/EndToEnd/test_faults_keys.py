"""The keys of the bus are spoilt, or the rights to them are missing: it is said, it waits, and nothing is lost by it."""

import signal

import pytest

from bus import wait_until
from faults_promise import META, STREAM
from faults_stream import is_quiet, told

RIGHTS = (
    "on >pass resetchannels &openclaw-chat &{openclaw-chat}:probe ~{openclaw-chat}:* +hello +ping +select +client|setname "
    "+subscribe +publish +eval +evalsha +hset +hincrby +hmget +xadd +xrange +xrevrange +xlen +xtrim"
)


@pytest.mark.parametrize("key", [STREAM, META], ids=["stream", "meta"])
@pytest.mark.parametrize("kind", ["string", "list"])
def test_a_key_of_the_bus_that_something_else_uses_is_waited_for(make_link, key, kind):
    link = make_link()
    link.flows("before")
    link.mark()
    client = link.server.client()
    client.rename(key, "aside")
    if kind == "string":
        client.set(key, "x")
    else:
        client.rpush(key, "x")
    link.meanwhile()
    line = link.said("WRONGTYPE")
    assert "script:" not in line and "error: Redis refuses a message" in line
    assert link.waits("meanwhile")
    is_quiet(link)
    client.rename("aside", key)
    link.node.send_signal(signal.SIGHUP)
    link.peer.send_signal(signal.SIGHUP)
    link.flows("after")
    link.keeps_its_promise()


@pytest.mark.parametrize("number", ["abc", "-1", "", "0", "1e3", "9223372036854775808", "9007199254740992"])
def test_a_number_in_the_meta_hash_that_is_none_is_made_good_by_the_stream(make_link, number):
    link = make_link()
    link.flows("before")
    link.server.client().hset(META, "seq", number)
    link.meanwhile()
    link.flows("after")
    link.keeps_its_promise()
    assert not any(isinstance(entry, tuple) for entry in told(link.node))


@pytest.mark.parametrize("epoch", ["", "zz", "A" * 32, "b" * 5000, "a:b", "b" * 32])
def test_an_epoch_in_the_meta_hash_that_is_not_ours_loses_nothing(make_link, epoch):
    link = make_link()
    link.flows("before")
    link.server.client().hset(META, "epoch", epoch)
    link.meanwhile()
    link.flows("after")
    link.keeps_its_promise()
    is_quiet(link)


def test_ids_that_have_come_to_their_end_are_told(make_link):
    link = make_link()
    link.flows("before")
    link.mark()
    link.server.client().execute_command("XSETID", STREAM, f"{2**64 - 1}-{2**64 - 1}")
    link.meanwhile()
    link.said("exhausted")
    assert link.waits("meanwhile")
    is_quiet(link)


@pytest.mark.parametrize("right", ["xadd", "hset", "hmget", "xrange"])
def test_a_right_that_is_missing_is_told_and_given_later_takes_effect_by_a_reload(make_link, redis_server, right):
    administrator = redis_server.client()
    administrator.execute_command("ACL", "SETUSER", "bus", *RIGHTS.split(), f"-{right}")
    link = make_link(server=redis_server, login="bus:pass@", start=False)
    link.node.launch()
    wait_until("subscribed", lambda: redis_server.subscribers() == 3)
    link.node.send("sent without the right")
    link.peer.send("from the other side")
    # What may not be read is heard all the same, and who may not read may send.
    link.said("cannot be fetched.*NOPERM" if right == "xrange" else "refuses a message: .*README")
    assert "script:" not in link.news
    if right == "xrange":
        link.is_published("sent without the right")
    administrator.execute_command("ACL", "SETUSER", "bus", f"+{right}")
    link.node.send_signal(signal.SIGHUP)
    link.flows("after")
    link.keeps_its_promise()
    wait_until("status says that it is over", link.node.is_ready)
