"""Every error that a Redis answers, with the reaction it deserves: wait, drop and come again, or leave it alone."""

import dataclasses
import re
import signal
import threading
import typing

import pytest
import redis

from bus import CHANNEL, stays_away, wait_until
from faults import CONNECTED, HELD, LATER, TOO_FEW_RIGHTS


def admin(*words):
    return lambda link: link.server.client().execute_command(*words)


def steps(*functions):
    def all_of(link):
        for function in functions:
            function(link)

    return all_of


# Errors of a real server that is alive and cannot now: the connections stay, messages are heard, what is sent waits.


def saving_fails(link):
    # A folder where the file belongs: it cannot be renamed into its place, not even by root.
    (link.server.folder / "dump.rdb").mkdir()
    link.server.client().bgsave()
    wait_until("the save failed", lambda: link.server.client().info("persistence")["rdb_last_bgsave_status"] == "err")


def saving_works(link):
    (link.server.folder / "dump.rdb").rmdir()
    link.server.client().bgsave()
    wait_until("saved", lambda: link.server.client().info("persistence")["rdb_last_bgsave_status"] == "ok")


def script_runs(link):
    def loop():
        with pytest.raises(redis.ResponseError):
            link.server.client().eval("while true do end", 0)

    def is_busy():
        try:
            link.server.client().ping()
            return False
        except redis.ResponseError as error:
            return "BUSY" in str(error)

    threading.Thread(target=loop, daemon=True).start()
    wait_until("a script holds the server up", is_busy)


@dataclasses.dataclass(frozen=True)
class Held:
    """A state of the server in which it refuses for a while."""

    error: str
    provoke: typing.Callable
    mend: typing.Callable
    options: tuple = ()
    # Whether the refusal is met by the first probe of a new connection, and not by what is sent.
    met_by_probe: bool = True
    # Whether messages of others can be heard meanwhile.
    hears: bool = True


HELD_ROWS = [
    Held("OOM", admin("CONFIG", "SET", "maxmemory", "1"), admin("CONFIG", "SET", "maxmemory", "0")),
    Held(
        "NOREPLICAS",
        admin("CONFIG", "SET", "min-replicas-to-write", "1"),
        admin("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    Held("MISCONF", saving_fails, saving_works, options=("--save", "3600 1000000")),
    Held(
        "MASTERDOWN",
        steps(admin("CONFIG", "SET", "replica-serve-stale-data", "no"), admin("REPLICAOF", "127.0.0.1", "1")),
        admin("REPLICAOF", "NO", "ONE"),
    ),
    Held(
        "BUSY", script_runs, admin("SCRIPT", "KILL"), options=("--busy-reply-threshold", "20"), met_by_probe=False,
        hears=False,
    ),
]


@pytest.mark.parametrize("transport", ["plain", "tls"])
@pytest.mark.parametrize("row", HELD_ROWS, ids=lambda row: row.error)
def test_a_redis_that_refuses_for_a_while_is_waited_for(make_link, row, transport):
    link = make_link(tls=transport == "tls", options=row.options)
    link.flows("before")
    row.provoke(link)
    link.mark()
    if row.met_by_probe:
        link.kick()
    else:
        link.meanwhile()
    link.said(HELD.format(row.error))
    assert link.redis()["state"] == "waiting"
    assert row.error in link.redis()["last_error"]
    if row.met_by_probe:
        link.meanwhile()
    assert link.waits("meanwhile")
    attempts = len(link.proxy.attempts)
    if row.hears:
        link.server.publish({"from": "old", "text": "heard meanwhile"})
        link.arrives("heard meanwhile")
    row.mend(link)
    wait_until("ready", link.node.is_ready, pause=0.1)
    link.is_published("meanwhile")
    link.flows("after")
    link.keeps_its_promise()
    # The connections stood all the while, and it was said once.
    assert len(link.proxy.attempts) == attempts
    assert link.times(HELD.format(row.error)) == 1, link.news
    assert row.error in link.redis()["last_error"]


def test_a_redis_that_is_loading_is_subscribed_to_and_waited_for(make_link):
    # It comes back with what it saved.
    link = make_link(options=("--loading-process-events-interval-bytes", "1024", "--appendonly", "no"))
    link.flows("before")
    client = link.server.client()
    # The server looks up from its loading every 1,024 bytes: after each of these keys.
    client.config_set("rdbcompression", "no")
    client.eval("for i = 1, 300 do redis.call('SET', 'key' .. i, string.rep('x', 1100)) end", 0)
    client.save()
    link.proxy.refuse()
    link.server.kill()
    # Nine seconds of loading, which are cut short below.
    link.server.options += ("--key-load-delay", "30000")
    link.mark()
    link.server.start()
    link.witness.listen()
    link.proxy.allow()
    link.said(HELD.format("LOADING"))
    assert link.redis()["state"] == "waiting"
    link.meanwhile()
    assert link.waits("meanwhile")
    link.server.publish({"from": "old", "text": "heard meanwhile"})
    link.arrives("heard meanwhile")
    attempts = len(link.proxy.attempts)
    client.config_set("key-load-delay", 0)
    wait_until("ready", link.node.is_ready, pause=0.1)
    link.is_published("meanwhile")
    link.flows("after")
    link.keeps_its_promise()
    assert len(link.proxy.attempts) == attempts


# The same errors and their kin, as the answer to a message that is sent.

REFUSALS = {
    "LOADING": "Redis is loading the dataset in memory",
    "MASTERDOWN": "Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "BUSY": "Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "TRYAGAIN": "Multiple keys request during rehashing of slot",
    "CLUSTERDOWN": "The cluster is down",
    "OOM": "command not allowed when used memory > 'maxmemory'.",
    "NOREPLICAS": "Not enough good replicas to write.",
    "MISCONF": "Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
}
# The commands with which a daemon proves the path, and those with which it sends.
WORKING = ("EVAL", "EVALSHA", "PUBLISH", "PING", "XADD")


@pytest.mark.parametrize("word", REFUSALS)
def test_what_is_refused_for_a_while_is_held_and_sent_on_the_same_connection(make_link, word):
    link = make_link(scripted=True)
    link.flows("before")
    link.mark()
    for command in WORKING:
        link.proxy.answer(command, f"-{word} {REFUSALS[word]}\r\n".encode())
    for text in ("one", "two", "three"):
        link.node.send(text)
    link.said(HELD.format(word))
    assert link.waits("one")
    # It has not given up, and does not hammer either: a second, then longer.
    tried = sum(link.proxy.count(command) for command in WORKING)
    assert link.redis()["state"] == "waiting"
    link.server.publish({"from": "old", "text": "heard meanwhile"})
    link.arrives("heard meanwhile")
    assert sum(link.proxy.count(command) for command in WORKING) <= tried + 10
    link.proxy.behave()
    link.is_published("one", "two", "three")
    link.flows("after")
    link.keeps_its_promise()
    assert len(link.proxy.attempts) == 2
    assert link.times(HELD.format(word)) == 1, link.news


# A replica in the place of the master: both connections are dropped, until there is a master again.


@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_a_demoted_master_is_left(make_link, transport):
    link = make_link(tls=transport == "tls")
    link.flows("before")
    link.mark()
    link.server.client().replicaof("127.0.0.1", 1)
    attempts = len(link.proxy.attempts)
    link.kick()
    link.said("Redis: .*READONLY.*; trying again")
    link.meanwhile()
    wait_until("it looks for the master more than once", lambda: len(link.proxy.attempts) >= attempts + 4)
    # A plain PUBLISH would be taken here, and reach nobody.
    assert link.waits("meanwhile")
    assert CONNECTED not in link.news
    link.server.client().execute_command("REPLICAOF", "NO", "ONE")
    link.recovers()
    assert "READONLY" in link.redis()["last_error"]


def test_a_publisher_that_is_refused_as_read_only_drops_both_connections(make_link):
    link = make_link(scripted=True)
    link.flows("before")
    link.mark()
    for command in WORKING:
        link.proxy.answer(command, b"-READONLY You can't write against a read only replica.\r\n")
    link.meanwhile()
    link.said("Redis: .*READONLY.*; trying again")
    wait_until("both are new", lambda: len(link.proxy.attempts) >= 4)
    link.proxy.behave()
    link.recovers()


# Too many clients, an old server, no right to this or that


def test_an_error_before_any_command_is_taken_for_what_it_is(make_link):
    link = make_link()
    link.flows("before")
    link.mark()
    keeper = link.server.client(single_connection_client=True)
    # All but those of the daemon: the keeper, the witness, the other side.
    others = sum(client["addr"].startswith("/") for client in keeper.client_list())
    keeper.config_set("maxclients", others + 1)
    for client in keeper.client_list():
        if not client["addr"].startswith("/"):
            keeper.client_kill_filter(_id=client["id"])
    link.said("Redis: .*max number of clients.*; trying again")
    link.meanwhile()
    keeper.config_set("maxclients", 1000)
    keeper.close()
    link.recovers()


@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_a_server_without_hello_is_spoken_to_in_the_old_protocol(make_link, transport):
    link = make_link(tls=transport == "tls", options=("--rename-command", "HELLO", ""))
    link.flows("before")
    link.mark()
    link.kick()
    link.meanwhile()
    link.said("Redis closed the connection")
    link.recovers()


@pytest.mark.parametrize(
    "rights",
    [
        ("resetchannels", f"&{CHANNEL}"), ("-eval", "-evalsha"), ("-hincrby",),
        ("resetchannels", f"&{CHANNEL}", "-eval", "-evalsha", "-ping"),
    ],
    ids=["no probe channel", "no EVAL", "no command of the script", "nothing"],
)
def test_a_user_with_too_few_rights_to_probe_is_served_all_the_same(make_link, redis_server, rights):
    redis_server.client().execute_command("ACL", "SETUSER", "bus", "on", ">pass", "~*", "&*", "+@all", *rights)
    link = make_link(server=redis_server, login="bus:pass@")
    link.flows("with few rights")
    link.said(TOO_FEW_RIGHTS)
    link.kick()
    link.meanwhile()
    link.is_published("meanwhile")
    wait_until("ready", link.node.is_ready, pause=0.1)
    link.flows("after")
    link.keeps_its_promise()
    # Said once for each way of probing that is refused, also when it connects again.
    told = [line.partition("Redis does not")[2] for line in link.news.splitlines() if TOO_FEW_RIGHTS in line]
    assert len(told) == len(set(told)) <= 2, told


@pytest.mark.parametrize(
    "rights", [("resetkeys",), ("-xadd",), ("-hset",), ("-eval", "-evalsha", "-xadd")],
    ids=["no keys", "no XADD", "no HSET", "neither scripts nor XADD"],
)
def test_a_user_who_may_not_store_hears_all_the_same_and_publishes_nothing(make_link, redis_server, rights):
    redis_server.client().execute_command("ACL", "SETUSER", "bus", "on", ">pass", "~*", "&*", "+@all", *rights)
    link = make_link(server=redis_server, login="bus:pass@", start=False)
    link.node.launch()
    wait_until("subscribed", lambda: redis_server.subscribers() == 3)
    link.meanwhile()
    told = "NOPERM|no permission|can't run this command"
    wait_until("the status says so", lambda: re.search(told, link.redis()["last_error"] or ""))
    # Also when all that others sent was read.
    link.arrives("meanwhile, on the other side")
    assert stays_away(lambda: link.redis()["state"] != "waiting", seconds=2), link.news
    redis_server.publish({"from": "old", "text": "heard"})
    link.arrives("heard")
    # What is not stored is not announced either.
    assert link.waits("meanwhile")
    redis_server.client().execute_command("ACL", "SETUSER", "bus", "~*", "+@all")
    link.node.send_signal(signal.SIGHUP)
    link.is_published("meanwhile", patience=90)
    link.keeps_its_promise()


# Faults that only a person mends, here or there: told, and left alone for long.

LOGIN_ROWS = {
    "the password was changed": (("CONFIG", "SET", "requirepass", "other"), "NOAUTH|WRONGPASS|credentials"),
    "the user was removed": (("ACL", "DELUSER", "bus"), "WRONGPASS|credentials"),
    "the user was switched off": (("ACL", "SETUSER", "bus", "off"), "WRONGPASS|credentials"),
    "the user's password was changed": (("ACL", "SETUSER", "bus", "resetpass", ">other"), "WRONGPASS|credentials"),
    "the channel was taken from the user": (("ACL", "SETUSER", "bus", "resetchannels"), "NOPERM|permit"),
    "SUBSCRIBE was taken from the user": (("ACL", "SETUSER", "bus", "-subscribe"), "NOPERM|permit"),
    "all commands were taken from the user": (("ACL", "SETUSER", "bus", "-@all"), "NOPERM|permit"),
}


@pytest.mark.parametrize("row", LOGIN_ROWS)
def test_rights_that_are_taken_away_are_told_and_left_alone(make_link, redis_server, row):
    command, told = LOGIN_ROWS[row]
    redis_server.client().execute_command("ACL", "SETUSER", "bus", "on", ">secret-pass", "~*", "&*", "+@all")
    own = command[0] == "ACL"
    link = make_link(server=redis_server, login="bus:secret-pass@" if own else "")
    link.flows("before")
    link.mark()
    redis_server.client().execute_command(*command)
    redis_server.password = None if own else "other"
    link.kick()
    link.said(f"Redis: .*({told}).*{LATER}")
    wait_until("status", lambda: link.redis()["state"] == "waiting")
    attempts = len(link.proxy.attempts)
    link.meanwhile()
    assert stays_away(lambda: len(link.proxy.attempts) > attempts, seconds=2)
    assert len(link.node.outbox("new")) == 1
    assert "secret-pass" not in link.node.log + str(link.redis())
    # Given back, and told to try at once.
    if own:
        redis_server.client().execute_command("ACL", "SETUSER", "bus", "on", ">secret-pass", "~*", "&*", "+@all")
    else:
        redis_server.client().config_set("requirepass", "")
        redis_server.password = None
    link.mark()
    link.node.send_signal(signal.SIGHUP)
    link.recovers()


@pytest.mark.parametrize("command", ["HELLO", "SUBSCRIBE", "EVAL"])
def test_a_quota_that_is_used_up_is_not_used_further(make_link, command):
    link = make_link(scripted=True)
    link.flows("before")
    link.mark()
    error = b"-ERR max requests limit exceeded. Limit: 500000, Usage: 500000. See https://upstash.com/docs/redis\r\n"
    link.proxy.answer(command, error)
    link.proxy.cut()
    link.said(f"Redis: .*max requests limit.*{LATER}")
    attempts = len(link.proxy.attempts)
    link.meanwhile()
    assert stays_away(lambda: len(link.proxy.attempts) > attempts, seconds=3)
    assert len(link.node.outbox("new")) == 1
    link.proxy.behave()
    link.mark()
    link.node.send_signal(signal.SIGHUP)
    link.recovers()
