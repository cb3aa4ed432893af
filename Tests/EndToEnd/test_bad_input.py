"""Whatever comes from outside: a clear error with the right exit code, the daemon stays up, nothing else is lost."""

import json
import os
import pathlib

import pytest

import bus
from bus import wait_until

GARBAGE = {
    "empty": b"",
    "text": b"hello",
    "binary": bytes(range(256)),
    "array": b'[{"from": "a", "text": "b"}]',
    "number": b"42",
    "null": b"null",
    "string": b'"from"',
    "no from": b'{"text": "b"}',
    "no text": b'{"from": "a"}',
    "from is a number": b'{"from": 1, "text": "b"}',
    "text is null": b'{"from": "a", "text": null}',
    "text is an object": b'{"from": "a", "text": {"from": "a", "text": "b"}}',
    "cut off": b'{"from": "a", "text": "b"',
    "something after it": b'{"from": "a", "text": "b"} x',
    "a trailing comma": b'{"from": "a", "text": "b",}',
    "single quotes": b"{'from': 'a', 'text': 'b'}",
    "a comment": b'{"from": "a", /* hm */ "text": "b"}',
    "a raw newline": b'{"from": "a", "text": "b\nc"}',
    "a bad escape": b'{"from": "a", "text": "\\x41"}',
    "a leading zero": b'{"from": "a", "text": "b", "ts": 01}',
    "not a number": b'{"from": "a", "text": "b", "ts": NaN}',
    "not UTF-8": b'{"from": "a", "text": "\xff"}',
    "deep arrays": b'{"from": "a", "text": "b", "x": ' + b"[" * 50_000,
    "deep objects": b'{"a":' * 30_000,
    "a byte order mark": b'\xef\xbb\xbf{"from": "a", "text": "b"}',
}


@pytest.mark.parametrize("payload", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_no_message_is_a_counted_loss(node, redis_server, payload):
    redis_server.publish({"from": "old", "text": "before"})
    redis_server.publish(payload)
    redis_server.publish({"from": "old", "text": "after"})
    before, loss, after = node.collect(3)
    assert (before["text"], after["text"]) == ("before", "after")
    assert (loss["lost"], loss["reason"]) == (1, "invalid")
    assert after["seq"] == loss["seq"] + 1 == before["seq"] + 2
    assert node.is_running()
    assert node.log


def test_a_message_that_is_too_large_is_a_counted_loss(node, redis_server):
    for size in (300_000, 4_000_000):
        redis_server.publish({"from": "old", "text": "x" * size})
    redis_server.publish({"from": "old", "text": "after"})
    got = []

    def complete():
        got.extend(node.get())
        return "text" in got[-1] if got else False

    wait_until("the message after", complete)
    *losses, after = got
    assert after["text"] == "after"
    assert sum(loss["lost"] for loss in losses) == 2
    assert {loss["reason"] for loss in losses} == {"too_large"}


def test_an_oversized_message_costs_its_neighbours_nothing(node, redis_server):
    """5,000,000 bytes are more than any setting allows: skipped, counted in place, and the connection stays."""
    small = [{"from": "old", "text": f"{index}"} for index in range(60)]
    client = redis_server.client()
    pipeline = client.pipeline(transaction=False)
    for index, message in enumerate(small):
        if index in (20, 40):
            pipeline.publish(bus.CHANNEL, b"x" * 5_000_000)
        pipeline.publish(bus.CHANNEL, json.dumps(message))
    ids = {line["id"] for line in client.client_list(_type="pubsub")}
    pipeline.execute()
    got = node.collect(62)
    assert [message.get("text", message.get("reason")) for message in got] == (
        [f"{index}" for index in range(20)] + ["too_large"]
        + [f"{index}" for index in range(20, 40)] + ["too_large"]
        + [f"{index}" for index in range(40, 60)]
    )
    assert [message["seq"] for message in got] == list(range(got[0]["seq"], got[0]["seq"] + 62))
    assert [message["lost"] for message in got if "lost" in message] == [1, 1]
    assert node.status()["lost"] == 2
    assert {line["id"] for line in client.client_list(_type="pubsub")} == ids
    assert node.log.count("connected to Redis") == 1
    assert "5000000 bytes" in node.log


def test_odd_numbers_and_huge_members_are_no_harm(node, redis_server):
    for stamp in (b"1e999999", b"-0.0", b"123456789012345678901234567890", b"1e-400", b'"later"', b"{}"):
        redis_server.publish(b'{"from": "old", "text": "odd", "ts": ' + stamp + b"}")
    assert node.texts(6) == ["odd"] * 6


@pytest.mark.parametrize("content", [b"", b"garbage", b'{"from": "a"}', b"\0" * 4096, b"[" * 50_000], ids=lambda content: repr(content[:12]))
def test_a_file_in_the_outbox_that_is_no_message_is_put_aside(local_node, content):
    local_node.stop()
    local_node.send("first")
    local_node.send("spoilt")
    local_node.send("last")
    spoilt = local_node.outbox("new")[1]
    spoilt.write_bytes(content)
    local_node.start()
    assert local_node.texts(2) == ["first", "last"]
    wait_until("it stands in failed", lambda: local_node.outbox("failed"))
    status = local_node.status()
    assert status["outbox"]["new"] == 0
    assert status["outbox"]["failed"] == 1
    assert any(file.name.startswith(spoilt.name) for file in local_node.outbox("failed"))


def test_strangers_in_the_outbox_do_not_stop_it(local_node, folder):
    new = local_node.state / "outbox" / "new"
    secret = folder / "secret"
    secret.write_text('{"from": "a", "text": "not ours"}')
    (new / "stranger").write_text("garbage")
    (new / "folder").mkdir()
    (new / "link").symlink_to(secret)
    os.mkfifo(new / "pipe")
    (new / "00000000000000000001-").write_text("garbage")
    (new / "ü\n\x1b[31m").write_text("garbage")
    local_node.send("after all that")
    assert local_node.texts(1) == ["after all that"]
    assert local_node.is_running()
    assert local_node.get() == []


FOREIGN = {
    "text": lambda content: b"not a queue at all\n" * 5000,
    "zeros": lambda content: bytes(len(content)),
    "another magic": lambda content: bytes(byte ^ 0xFF for byte in content[:64]) + content[64:],
    "cut in half": lambda content: content[: len(content) // 2],
    "a few bytes": lambda content: content[:10],
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_or_truncated_queue_file_is_refused_and_not_touched(local_node, change):
    local_node.send("text")
    local_node.collect(1)
    local_node.stop()
    queue = local_node.state / "queue.ring"
    foreign = change(queue.read_bytes())
    queue.write_bytes(foreign)
    for command in ("get", "check", "status", "clear"):
        done = local_node.clawq(command)
        assert done.returncode == 65, done
        assert b"queue.ring" in done.stderr
    code, said = local_node.refuses()
    assert code == 65, said
    assert "queue.ring" in said
    assert queue.read_bytes() == foreign


MALFORMED = {
    "cut off": '{"redis_url": "redis://127.0.0.1',
    "empty": "",
    "an array": "[]",
    "binary": "\x00\x01\x02",
    "a number for a URL": '{"redis_url": 5}',
    "another scheme": '{"redis_url": "ftp://127.0.0.1"}',
    "no host": '{"redis_url": "redis://"}',
    "a port too high": '{"redis_url": "redis://127.0.0.1:70000"}',
    "a negative size": '{"queue_bytes": -1}',
    "a size that overflows": '{"queue_bytes": 99999999999999999999999999}',
    "a word for a number": '{"max_message_bytes": "many"}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("config", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_configuration_is_refused(make_node, config):
    node = make_node(config=config, start=False)
    code, said = node.refuses()
    assert code == 78, said
    assert str(node.config_path) in said
    assert not (node.state / "queue.ring").exists()


def test_a_configuration_that_cannot_be_read_is_refused(make_node):
    node = make_node(start=False)
    node.config_path.mkdir()
    code, said = node.refuses()
    assert code == 78, said


def test_an_unknown_key_is_a_warning_that_names_the_nearest(make_node, redis_server):
    node = make_node(config={"redis_url": redis_server.url, "chanel": "x"})
    assert "chanel" in node.log and "channel" in node.log.replace("chanel", "")


def refused_by_all(node, code):
    for command in ("check", "get", "status", "clear"):
        assert node.clawq(command).returncode == code, command
    assert node.clawsend("ada", "text").returncode == code
    ended, said = node.refuses()
    assert ended == code, said
    assert str(node.state) in said


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_state_folder_that_others_may_write_is_refused(local_node, mode):
    local_node.stop()
    local_node.state.chmod(mode)
    refused_by_all(local_node, 77)


def test_a_state_folder_that_is_a_link_is_refused(local_node):
    local_node.stop()
    moved = local_node.state.rename(local_node.folder / "moved")
    local_node.state.symlink_to(moved)
    refused_by_all(local_node, 77)


def test_a_state_folder_of_another_user_is_refused(local_node):
    local_node.stop()
    if os.geteuid() == 0:
        os.chown(local_node.state, 65534, 65534)
    else:
        # Only root can give a folder away; whoever is not root finds one of another user's here.
        local_node.state = pathlib.Path("/usr")
    refused_by_all(local_node, 77)


def test_the_state_folder_is_private(local_node):
    local_node.send("secret")
    local_node.collect(1)
    for path in [local_node.state, *local_node.state.rglob("*")]:
        assert path.lstat().st_mode & 0o077 == 0, path


def test_a_queue_that_does_not_fit_the_disk_is_refused(make_node, small_disk):
    node = make_node(start=False)
    node.state = small_disk / "state"
    code, said = node.refuses()
    assert code == 74, said
    assert "space" in said.lower()


def test_a_disk_that_fills_up_stops_nothing_for_good(make_node, redis_server, small_disk):
    node = make_node(
        config={"redis_url": redis_server.url, "queue_bytes": 1 << 20, "max_message_bytes": 65536}, start=False
    )
    node.state = small_disk / "state"
    node.start()
    node.send("before")
    assert node.texts(1) == ["before"]
    fill(small_disk / "filler")
    done = node.clawsend("ada", "-", stdin=b"x" * 10_000)
    assert done.returncode in (74, 75), done
    assert b"space" in done.stderr.lower()
    # What comes from Redis goes into pages that are there already.
    redis_server.publish({"from": "old", "text": "meanwhile"})
    assert node.texts(1) == ["meanwhile"]
    (small_disk / "filler").unlink()
    node.send("after")
    assert node.texts(1) == ["after"]
    assert node.is_running()


def fill(path: pathlib.Path):
    """Takes all the space there is."""
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
