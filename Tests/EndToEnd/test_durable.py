"""Where a queue begins, how it goes from one bus to another, how large a message may be, and a long way to catch up."""

import json
import pathlib
import re
import signal
import subprocess

import pytest

from bus import program, stays_away, wait_until
from faults_promise import META, STREAM, Promise, whole_queue

MEGABYTE = 1024 * 1024


def texts(node):
    return [entry.get("text") for entry in whole_queue(node)]


# The first start


@pytest.mark.parametrize("first_start, expected", [(None, 0), ("end", 0), ("all", 10), (3, 3), (10, 10), (1000, 10)])
def test_a_new_queue_begins_where_first_start_says(make_node, redis_server, first_start, expected):
    sender = make_node("ada", {"redis_url": redis_server.url})
    for number in range(10):
        sender.send(f"old {number}")
    sender.collect(10)
    config = {"redis_url": redis_server.url}
    if first_start is not None:
        config["first_start"] = first_start
    late = make_node("bob", config)
    sender.send("new")
    wait_until("the new one", lambda: texts(late)[-1:] == ["new"])
    assert texts(late) == [f"old {number}" for number in range(10 - expected, 10)] + ["new"]
    # It is the first start only once.
    late.stop()
    sender.send("while it was stopped")
    late.start()
    wait_until("that too", lambda: texts(late)[-1] == "while it was stopped")
    assert len(texts(late)) == expected + 2


@pytest.mark.parametrize("first_start", ["begin", 0, -1, 1_000_001, 2.5, True])
def test_a_first_start_that_is_none_is_refused(make_node, redis_server, first_start):
    node = make_node("ada", {"redis_url": redis_server.url, "first_start": first_start}, start=False)
    code, said = node.refuses()
    assert code == 78 and "first_start" in said


def test_a_queue_that_begins_on_an_empty_stream_misses_nothing_that_comes(make_node, redis_server):
    """Between its first connection and the first message it may be away."""
    late = make_node("bob", {"redis_url": redis_server.url})
    late.stop(signal.SIGKILL)
    sender = make_node("ada", {"redis_url": redis_server.url})
    sender.send("the very first")
    sender.collect(1)
    late.start()
    wait_until("it arrives", lambda: texts(late) == ["the very first"])


# From one bus to another


def test_from_local_to_redis_the_queue_stays_and_the_way_back_is_refused(make_node, redis_server):
    node = make_node("ada", {})
    for number in range(3):
        node.send(f"local {number}")
    node.collect(3)
    node.stop()
    node.send("sent while it was stopped")
    node.configure({"redis_url": redis_server.url})
    node.start()
    node.send("on Redis")
    expected = ["local 0", "local 1", "local 2", "sent while it was stopped", "on Redis"]
    wait_until("all of them", lambda: texts(node) == expected)
    node.stop()
    node.configure({})
    code, said = node.refuses()
    assert code == 78 and "redis_url" in said
    assert texts(node) == expected
    node.configure({"redis_url": "local"})
    node.start()
    node.send("local again")
    wait_until("the last", lambda: texts(node) == [*expected, "local again"])
    assert stays_away(lambda: len(texts(node)) != len(expected) + 1)


def test_another_database_is_another_bus_with_the_same_queue(make_node, make_redis):
    one, other = make_redis(), make_redis()
    stranger = make_node("bob", {"redis_url": other.url})
    stranger.send("before ada came")
    stranger.collect(1)
    node = make_node("ada", {"redis_url": one.url})
    node.send("on the first")
    node.collect(1)
    node.stop()
    node.configure({"redis_url": other.url})
    node.start()
    stranger.send("on the second")
    wait_until("it arrives", lambda: "on the second" in texts(node))
    assert texts(node) == ["on the first", "on the second"]


# Sizes


def largest(node):
    """The longest text that clawsend takes, found by trying."""
    low, high = 0, 20_000
    while low < high:
        middle = (low + high + 1) // 2
        done = node.clawsend("ada", "-", stdin=b"x" * middle)
        assert done.returncode in (0, 65), done
        low, high = (middle, high) if done.returncode == 0 else (low, middle - 1)
    return low


@pytest.mark.parametrize("bus", ["local", "redis", "redis without scripts"])
def test_a_message_of_exactly_the_limit_passes_everywhere_and_one_byte_more_is_refused(make_node, redis_server, bus):
    config = {"max_message_bytes": 10_000}
    if bus == "redis without scripts":
        rights = ("~*", "&*", "+@all", "-eval", "-evalsha")
        redis_server.client().execute_command("ACL", "SETUSER", "bus", "on", ">pass", *rights)
        config["redis_url"] = f"redis://bus:pass@127.0.0.1:{redis_server.port}"
    elif bus == "redis":
        config["redis_url"] = redis_server.url
    probe = make_node("probe", {"max_message_bytes": 10_000})
    longest = largest(probe)
    node = make_node("ada", config)
    others = [] if bus == "local" else [make_node("bob", config), make_node("cyd", config)]
    if others:
        others[1].stop()
    node.send("x" * longest)
    done = node.clawsend("ada", "-", stdin=b"x" * (longest + 1))
    assert done.returncode == 65 and b"10000" in done.stderr
    if others:
        others[1].start()
    for one in (node, *others):
        wait_until("it arrives", lambda: texts(one) == ["x" * longest])
    if bus == "redis":
        [(_, fields)] = redis_server.client().xrange(STREAM)
        assert len(fields[b"m"]) == 10_000


@pytest.mark.parametrize("away", [False, True], ids=["live", "by catching up"])
def test_a_message_too_large_for_a_receiver_is_a_counted_loss_where_it_stood(make_node, redis_server, away):
    ada = make_node("ada", {"redis_url": redis_server.url})
    bob = make_node("bob", {"redis_url": redis_server.url, "max_message_bytes": 2000})
    if away:
        bob.stop()
    ada.send("before")
    ada.send("x" * 100_000)
    ada.send("after")
    if away:
        bob.start()
    wait_until("it is passed", lambda: len(whole_queue(bob)) == 3)
    before, loss, after = whole_queue(bob)
    assert (before["text"], loss["reason"], loss["lost"], after["text"]) == ("before", "too_large", 1, "after")
    # It stays so, whatever the daemon reads again.
    bob.restart()
    ada.send("last")
    wait_until("the last", lambda: texts(bob)[-1] == "last")
    assert len(whole_queue(bob)) == 4


def test_a_message_that_this_redis_never_takes_ends_in_failed_and_blocks_nothing(make_node, redis_server):
    redis_server.client().config_set("proto-max-bulk-len", MEGABYTE)
    sizes = {"max_message_bytes": 2 * MEGABYTE, "queue_bytes": 64 * MEGABYTE}
    node = make_node("ada", {"redis_url": redis_server.url, **sizes})
    promise = Promise(redis_server, node)
    node.send("before")
    with_failure = node.clawsend("ada", "-", stdin=b"x" * (MEGABYTE + MEGABYTE // 2))
    assert with_failure.returncode == 0
    identifier = with_failure.stdout.decode().strip()
    node.send("after")
    promise.kept()
    failed = node.outbox("failed")
    assert any(identifier in file.name for file in failed), failed
    assert any(b"large" in file.read_bytes()[:2000] or b"bulk" in file.read_bytes()[:2000] for file in failed)
    assert node.status()["outbox"]["failed"] == 1
    assert texts(node) == ["before", "after"]


# A long way to catch up

HISTORY = """
local epoch = redis.call('HGET', KEYS[2], 'epoch')
local number = tonumber(redis.call('HGET', KEYS[2], 'seq') or '0')
for i = 1, tonumber(ARGV[1]) do
  number = number + 1
  local id = string.format('01M85BHE%018d', i)
  local text = '{"from":"eve","text":"' .. i .. ' ' .. ARGV[2] .. '","ts":1.5,"id":"' .. id .. '"}'
  redis.call('XADD', KEYS[1], '*', 'm', text, 'e', epoch, 's', string.format('%.0f', number))
end
redis.call('HSET', KEYS[2], 'seq', string.format('%.0f', number))
"""
COUNT = 100_000


def own_memory(node):
    """Bytes of memory that are the daemon's alone: without the queue file, which it maps."""
    status = pathlib.Path(f"/proc/{node.pid}/status").read_text()
    [kilobytes] = re.findall(r"RssAnon:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


def all_came_once(node, count):
    """Reads the whole queue: it is too much for one answer in memory to be compared by eye."""
    done = subprocess.run(
        [program("clawq"), "get", "--from", "1", "--all", "--unfiltered", "--lines", *map(str, node.common)],
        capture_output=True, env=node.environment, timeout=120, check=True,
    )
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    losses = [entry for entry in entries if "lost" in entry]
    assert not losses, losses[:5]
    numbers = [int(entry["text"].split(" ")[0]) for entry in entries if entry["from"] == "eve"]
    assert numbers == list(range(1, count + 1)), f"{len(numbers)}, {len(set(numbers))} of them different"
    return [entry["text"] for entry in entries if entry["from"] != "eve"]


def test_a_hundred_thousand_messages_are_caught_up_with_once_though_killed_on_the_way(make_link):
    link = make_link(config={"queue_bytes": 128 * MEGABYTE, "stream_max_length": 1_000_000}, peer=False)
    link.flows("before")
    link.node.stop()
    link.server.client().eval(HISTORY, 2, STREAM, META, COUNT, "x" * 100)
    assert link.server.client().xlen(STREAM) >= COUNT

    def passed():
        return sum(connection.down.passed for connection in link.proxy.live())

    for megabytes in (3, 8):
        link.mark()
        link.node.launch()
        wait_until("it is on the way", lambda: passed() > megabytes * MEGABYTE, pause=0.001)
        link.proxy.set(down="hold")
        wait_until("it has written what came", lambda: link.node.status()["total"] > megabytes * 1000)
        # The loop answers meanwhile, and tells how far it is.
        redis = link.node.status()["redis"]
        assert redis["state"] == "catching_up", redis
        assert 0 < redis["catch_up"]["done"] < redis["catch_up"]["total"], redis
        text = link.node.clawq("status").stdout.decode()
        assert re.search("catching up: [0-9,]+ of about [0-9,]+", text), text
        link.said("catching up")
        link.node.send("while it catches up")
        assert own_memory(link.node) < 64 * MEGABYTE
        link.node.stop(signal.SIGKILL)
        link.proxy.cut()
        link.proxy.set(down="pass")
    link.node.launch()
    wait_until("all is there", lambda: link.node.is_ready() and not link.node.outbox("new"), patience=120)
    wait_until("what was sent meanwhile too", lambda: link.node.status()["total"] >= COUNT + 4)
    others = all_came_once(link.node, COUNT)
    assert others == ["before: sent", "before: heard", "while it catches up", "while it catches up"]
