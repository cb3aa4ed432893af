"""What people see of the queue: on a terminal, in a pipe, and when the queue is damaged."""

import errno
import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
import unicodedata

import pytest

from bus import PATIENCE, program, wait_until

ESCAPE = "\x1b"


def on_terminal(node, *words, columns=100, environment=None):
    """Runs clawq with all three descriptors on a terminal of its own; gives what appeared there and the exit code."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen(
        [program("clawq"), *map(str, words), *map(str, node.common)],
        stdin=other, stdout=other, stderr=other, start_new_session=True,
        env={**node.environment, "TERM": "xterm-256color", **(environment or {})},
    )
    os.close(other)
    shown = b""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not select.select([main], [], [], 1)[0]:
            continue
        try:
            piece = os.read(main, 65536)
        except OSError as error:
            assert error.errno == errno.EIO  # the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(main)
    return shown.decode().replace("\r\n", "\n"), child.wait(timeout=PATIENCE)


def uncoloured(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def columns(text):
    """By Unicode's own tables: enough for the texts used here, in which each emoji is one scalar."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def column_of(line, word):
    return columns(line[: line.index(word)])


def fill(node, *messages):
    """messages: (sender, text, options…)"""
    for sender, text, *options in messages:
        node.send(text, *options, sender=sender)
    wait_until("all in the queue", lambda: node.status()["total"] == len(messages))


HOSTILE = [
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "\u202eevil\u2066isolated\u2069",
    "zero\u200bwidth\u2060and\ufeffmarks",
    "c1 \u009b31m \u0085 del \x7f",
    "tags \U000e0041\U000e0042",
    "lines\nand\r\nmore\u2028and\u2029end",
    "tab\tand\vvertical\x08back",
]


@pytest.fixture
def hostile(local_node):
    fill(local_node, *(("mallory", text) for text in HOSTILE))
    return local_node


def harmless(text):
    return not [
        c for c in text if c != "\n" and (unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp"))
    ]


# check, for an owner at a terminal, an agent's tool and a script


def test_check_lines_its_columns_up_over_wide_characters(local_node):
    fill(
        local_node, ("ada", "TEXT one"), ("日本語", "TEXT two"), ("bob", "TEXT three", "--to", "한국"),
        ("🦞", "TEXT four"), ("e\u0301mile", "TEXT five"),
    )
    lines = local_node.check().splitlines()[1:]
    assert len(lines) == 5
    assert len({column_of(line, "TEXT") for line in lines}) == 1
    assert "bob → 한국" in lines[2]


def test_check_aligns_numbers_to_the_right(local_node):
    fill(local_node, *(("ada", f"text {number}") for number in range(10)))
    lines = local_node.check().splitlines()[1:]
    assert len(lines) == 10
    assert lines[0].startswith(" 1  ") and lines[9].startswith("10  ")


def test_no_line_of_check_is_wider_than_80_columns_or_than_a_narrower_terminal(local_node):
    wide = "日本語のとても長い文章です" * 20
    fill(local_node, ("a" * 64, "x" * 5000, "--to", "b" * 64), ("日" * 21, wide), ("ada", "🦞" * 500), ("bob", "e\u0301" * 500))
    assert all(columns(line) <= 80 for line in local_node.check().splitlines())
    for width, most in ((200, 80), (60, 60)):
        shown, code = on_terminal(local_node, "check", columns=width)
        assert code == 0
        lines = uncoloured(shown).splitlines()[1:]
        assert len(lines) == 4
        assert all(columns(line) <= most for line in lines), lines
        assert all(line.endswith("…") for line in lines)


def test_check_shows_when_a_message_was_sent_by_its_ts(make_node, redis_server):
    node = make_node("ada", {"redis_url": redis_server.url})
    node.environment["TZ"] = "UTC"
    old = 1_700_000_000
    redis_server.publish({"from": "old", "text": "long ago", "ts": old + 0.25, "time": "1999-01-01"})
    redis_server.publish({"from": "odd", "text": "exponent", "ts": 1.7e9})
    redis_server.publish(b'{"from":"odd","text":"really an exponent","ts":17E8}')
    redis_server.publish({"from": "none", "text": "no time", "time": "1999-01-01"})
    redis_server.publish({"from": "wrong", "text": "no number", "ts": "1700000000"})
    redis_server.publish({"from": "huge", "text": "beyond", "ts": 1e300})
    redis_server.publish({"from": "minus", "text": "before", "ts": -5})
    redis_server.publish({"from": "now", "text": "today", "ts": time.time()})
    wait_until("eight", lambda: node.unread() == 8)
    lines = node.check().splitlines()[1:]
    assert all("2023-11-14 22:13  " in line for line in lines[:3])
    assert not any("1999" in line or "2023" in line for line in lines[3:])
    assert re.search(r"^8 +(\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d)  now", lines[7])
    assert len({column_of(line, word) for line, word in zip(lines, ("old", "odd", "odd", "none", "wrong", "huge", "minus", "now"))}) == 1


def test_on_a_terminal_check_has_colour_and_says_the_same(hostile):
    plain = hostile.check()
    shown, code = on_terminal(hostile, "check")
    assert code == 0
    assert ESCAPE in shown
    assert uncoloured(shown) == plain
    assert harmless(plain)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}])
@pytest.mark.parametrize("command", ["check", "status", "verify", "dump"])
def test_no_escape_byte_on_a_terminal_that_wants_none(hostile, command, environment):
    shown, code = on_terminal(hostile, command, environment=environment)
    assert code == 0
    assert harmless(shown)


def test_an_empty_no_color_counts_as_unset(hostile):
    shown, _ = on_terminal(hostile, "check", environment={"NO_COLOR": ""})
    assert ESCAPE in shown


@pytest.mark.parametrize("words", [["check"], ["status"], ["verify"], ["dump"], ["dump", "--header"], ["check", "--nonsense"]])
def test_a_pipe_gets_no_escape_byte_whatever_the_terminal(hostile, words):
    done = hostile.clawq(*words, environment={"TERM": "xterm-256color", "COLORTERM": "truecolor"})
    assert harmless((done.stdout + done.stderr).decode())


def test_warnings_and_failures_are_coloured_on_a_terminal_alone(local_node):
    local_node.stop()
    assert b"warning" in local_node.clawq("check").stderr
    shown, _ = on_terminal(local_node, "check")
    assert f"clawq: {ESCAPE}[33mwarning: " in shown
    shown, code = on_terminal(local_node, "nonsense")
    assert code == 64
    assert f"clawq: {ESCAPE}[31m" in shown
    # stdout on a terminal says nothing about stderr, and the other way round.
    assert ESCAPE.encode() not in local_node.clawq("check").stderr


def test_hostile_texts_are_harmless_on_a_terminal_and_escaped_in_json(hostile):
    for command in ("check", "dump", "status", "verify"):
        shown, code = on_terminal(hostile, command)
        assert code == 0
        assert harmless(uncoloured(shown)), command
    for words in (["get", "--peek"], ["get", "--peek", "--lines"], ["dump", "--json"]):
        shown = hostile.clawq(*words).stdout.decode()
        assert not [c for c in shown if unicodedata.category(c) == "Cc" and c != "\n"], words
    assert [message["text"] for message in hostile.get("--peek")] == HOSTILE
    records = [json.loads(line) for line in hostile.clawq("dump", "--json").stdout.splitlines()]
    assert [json.loads(r["payload"])["text"] for r in records if r["kind"] == "message"] == HOSTILE


def test_a_megabyte_of_combining_marks_and_escaped_nuls_do_no_harm(make_node, redis_server):
    node = make_node("ada", {"redis_url": redis_server.url, "max_message_bytes": 4 << 20, "queue_bytes": 64 << 20})
    pile = "a" + "\u0301" * 500_000
    redis_server.publish({"from": "pile", "text": pile})
    redis_server.publish({"from": pile, "text": "from a pile"})
    redis_server.publish(b'{"from":"nul","text":"a\\u0000b\\u001b[2Jc\\ud800d\\udc00\\u009b"}')
    redis_server.publish(b'{"from":"' + b"\\\\" * 500_000 + b'","text":"' + b"\\u0301" * 200_000 + b'"}')
    wait_until("four", lambda: node.unread() == 4)
    lines = node.check().splitlines()
    assert len(lines) == 5
    assert all(len(line) <= 80 for line in lines)
    assert "a\\x00b\\x1b[2Jc\ufffdd\ufffd\\x9b" in lines[3]
    assert node.get("--peek")[0]["text"] == pile
    shown, code = on_terminal(node, "dump")
    assert code == 0 and harmless(uncoloured(shown))


def test_losses_are_shown_where_they_happened(make_node, redis_server):
    node = make_node("ada", {"redis_url": redis_server.url, "max_message_bytes": 4096, "queue_bytes": 65536})
    for number in range(500):
        redis_server.publish({"from": "old", "text": f"{number:03} " + "x" * 300})
    wait_until("all in the queue", lambda: node.status()["total"] == 500)
    lines = node.check().splitlines()
    lost = node.status()["lost"]
    assert re.search(rf"^ *1 +{lost} lost: overwritten", lines[1])
    shown, _ = on_terminal(node, "check")
    assert f"{ESCAPE}[31m{lost} lost: overwritten" in shown


# status


def test_status_says_what_each_part_does(local_node):
    fill(local_node, ("ada", "one"), ("bob", "two"))
    local_node.get("--max", "1")
    text = local_node.clawq("status").stdout.decode()
    labels = [line[:10].strip() for line in text.splitlines()]
    assert [label for label in labels if label] == ["messages", "reader", "queue", "daemon", "redis", "telegram", "outbox"]
    assert "2 in total: 1 read, 1 unread, 0 lost" in text
    assert "numbers 1 to 2" in text and "16 MiB" in text and str(local_node.state) in text
    assert f"pid {local_node.pid}" in text and "heartbeat" in text
    local_node.stop()
    assert "stopped since" in local_node.clawq("status").stdout.decode()


def test_status_tells_programs_about_the_queue(local_node):
    fill(local_node, ("ada", "one"), ("bob", "two"))
    queue = local_node.status()["queue"]
    assert (queue["oldest_seq"], queue["newest_seq"], queue["capacity"]) == (1, 2, 16 << 20)
    assert 0 < queue["bytes"] < 4096
    assert queue["damaged"] is False


# verify and dump


def dump(node, *words):
    done = node.clawq("dump", "--json", *words)
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines()]


HEADER_BYTES = 65536


def flip(node, position):
    """Changes a byte of the ring, in a copy that takes the place of the queue file, as a bad disk would have it."""
    flip_in_file(node, HEADER_BYTES + position % (16 << 20))


def flip_in_file(node, offset, mask=0x40):
    queue = node.state / "queue.ring"
    copy = node.state / "copy"
    shutil.copyfile(queue, copy)
    os.chmod(copy, 0o600)
    with open(copy, "r+b") as file:
        file.seek(offset)
        byte, = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ mask]))
    os.rename(copy, queue)


@pytest.fixture
def ten(local_node):
    """A stopped node with ten messages."""
    fill(local_node, *(("ada", f"text {number}") for number in range(10)))
    local_node.stop()
    return local_node


def position_of(node, sequence):
    return next(r for r in dump(node) if r.get("seq") == sequence and r["kind"] == "message")["position"]


def test_a_whole_queue_is_verified_with_one_line(ten):
    done = ten.clawq("verify")
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 1 and done.stdout.startswith(b"ok: ")
    assert b"10 messages" in done.stdout and b"numbers 1 to 10" in done.stdout
    found = json.loads(ten.clawq("verify", "--json").stdout)
    assert (found["ok"], found["messages"], found["first_seq"], found["last_seq"]) == (True, 10, 1, 10)
    assert found["damage"] == [] and [cursor["name"] for cursor in found["cursors"]] == ["default"]


@pytest.mark.parametrize("offset", [0, 4, 8, 16, 24, 56, 64, 80])
def test_a_changed_bit_is_found_and_everything_else_is_still_there(ten, offset):
    """Length, checksum, number, kind, span, time of arrival, payload."""
    flip(ten, position_of(ten, 5) + offset)
    done = ten.clawq("verify")
    assert done.returncode == 65
    assert b"not ok" in done.stdout and b"number 5 cannot be read" in done.stdout
    assert b"clawd" in done.stderr
    found = json.loads(ten.clawq("verify", "--json").stdout)
    assert (found["ok"], found["messages"]) == (False, 9)
    stretch, = found["damage"]
    assert (stretch["before_seq"], stretch["after_seq"]) == (4, 6)
    records = dump(ten)
    assert [r["seq"] for r in records if r.get("kind") == "message"] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    bad, = (r for r in records if "damage" in r)
    assert (bad["position"], bad["end"]) == (stretch["position"], stretch["end"])
    assert len([line for line in ten.clawq("dump").stdout.splitlines() if line.startswith(b"bad: ")]) == 1


def test_two_bad_stretches_are_two(ten):
    flip(ten, position_of(ten, 3) + 70)
    flip(ten, position_of(ten, 8) + 70)
    found = json.loads(ten.clawq("verify", "--json").stdout)
    assert [(d["before_seq"], d["after_seq"]) for d in found["damage"]] == [(2, 4), (7, 9)]
    assert found["messages"] == 8


def test_a_record_without_its_length_at_its_end_is_named_and_still_read(ten):
    following = position_of(ten, 6)
    flip(ten, following - 8)
    done = ten.clawq("verify")
    assert done.returncode == 65
    assert b"number 5" in done.stdout and b"cannot be read" not in done.stdout
    assert json.loads(ten.clawq("verify", "--json").stdout)["messages"] == 10


@pytest.mark.parametrize("sequence", [1, 10])
def test_damage_at_either_end_is_found(ten, sequence):
    flip(ten, position_of(ten, sequence) + 70)
    assert ten.clawq("verify").returncode == 65
    assert len([r for r in dump(ten) if r.get("kind") == "message"]) == 9
    status = ten.clawq("status", "--json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["daemon"]["state"] == "stopped"


def test_status_works_on_a_queue_that_is_damaged_in_the_middle(ten):
    flip(ten, position_of(ten, 5) + 70)
    done = ten.clawq("status")
    assert done.returncode == 0
    assert b"daemon    stopped" in done.stdout
    assert b"4 in total: 0 read, 4 unread, 0 lost" in done.stdout
    assert b"number 4" in done.stderr and b"clawd" in done.stderr
    status = ten.status()
    assert (status["total"], status["unread"], status["queue"]["damaged"]) == (4, 4, True)
    assert ten.clawq("check").stdout.decode().startswith("4 new messages")


def test_a_damaged_header_is_refused_but_can_be_looked_at(ten):
    flip_in_file(ten, 16)
    for command in ("verify", "dump", "status"):
        done = ten.clawq(command)
        assert done.returncode == 65
        assert b"damaged" in done.stderr
    done = ten.clawq("dump", "--header")
    assert done.returncode == 0
    assert b"capacity" in done.stdout
    assert json.loads(ten.clawq("dump", "--header", "--json").stdout)["capacity"] == (16 << 20) ^ 0x40


def test_a_queue_cut_short_and_a_file_of_something_else_are_refused(ten):
    queue = ten.state / "queue.ring"
    content = queue.read_bytes()
    for bad in (b"", b"OCBQ", b"something else " * 10000, content[:70000]):
        queue.write_bytes(bad)
        for words in (["verify"], ["dump"], ["status"]):
            done = ten.clawq(*words)
            assert done.returncode == 65, (words, len(bad), done)
        assert ten.clawq("dump", "--header").returncode == 0


def test_bad_read_marks_are_named(ten):
    ten.get("--consumer", "good")
    cursors = ten.state / "cursors"
    (cursors / "garbage").write_bytes(b"\x00" * 128)
    ahead = bytearray((cursors / "good").read_bytes())
    struct.pack_into("<Q", ahead, 64, 1000)
    (cursors / "ahead").write_bytes(ahead)
    done = ten.clawq("verify")
    assert done.returncode == 65
    assert b"ahead" in done.stderr and b"garbage" in done.stderr and b"good" not in done.stderr
    marks = {mark["name"]: mark for mark in json.loads(ten.clawq("verify", "--json").stdout)["cursors"]}
    assert {name: mark["ok"] for name, mark in marks.items()} == {
        "default": True, "good": True, "garbage": False, "ahead": False,
    }
    assert "1000" in marks["ahead"]["what"]


def test_a_foreign_name_among_the_read_marks_is_shown_harmless(ten):
    (ten.state / "cursors" / "\x1b[31mred\u202e").write_bytes(b"nothing")
    done = ten.clawq("verify")
    assert done.returncode == 65
    assert harmless((done.stdout + done.stderr).decode())


def test_verify_beside_a_running_writer_finds_no_fault(make_node, redis_server):
    node = make_node("ada", {"redis_url": redis_server.url, "max_message_bytes": 4096, "queue_bytes": 65536})
    client = redis_server.client()
    payload = json.dumps({"from": "fast", "text": "x" * 500})
    for _ in range(40):
        pipe = client.pipeline(transaction=False)
        for _ in range(200):
            pipe.publish("openclaw-chat", payload)
        pipe.execute()
        done = node.clawq("verify")
        assert done.returncode == 0, done
        assert node.clawq("dump", "--json", "--last", "3").returncode == 0


def test_dump_shows_what_was_asked_for(ten):
    messages = lambda *words: [r["seq"] for r in dump(ten, *words) if r["kind"] == "message"]
    assert messages() == list(range(1, 11))
    assert messages("--from", "8") == [8, 9, 10]
    assert messages("--last", "2") == [9, 10]
    assert messages("--last", "1000") == list(range(1, 11))
    assert messages("--from", "3", "--max", "2") == [3, 4]
    assert messages("--last", "4", "--max", "1") == [7]
    assert messages("--from", "1000") == []
    assert ten.clawq("dump", "--from", "1", "--last", "1").returncode == 64
    assert ten.clawq("dump", "--header", "--last", "1").returncode == 64
    assert ten.clawq("dump", "--last", "0").returncode == 64


def test_dump_tells_everything_about_a_record(local_node):
    before = time.time()
    fill(local_node, ("ada", "hello", "--to", "bob"))
    record = next(r for r in dump(local_node) if r["kind"] == "message")
    assert {"position", "seq", "kind", "span", "reason", "bus_seq", "stream_id", "received_at", "length", "payload"} <= record.keys()
    assert (record["seq"], record["span"], record["reason"]) == (1, 1, None)
    assert before - 60 < record["received_at"] < time.time() + 60
    assert len(record["payload"].encode()) == record["length"]
    assert json.loads(record["payload"])["text"] == "hello"
    line = next(line for line in local_node.clawq("dump").stdout.decode().splitlines() if " message " in line)
    assert "hello" in line and " ok " in line and f" {record['position']} " in line


def test_dump_shows_losses_with_their_reason(make_node, redis_server):
    node = make_node("ada", {"redis_url": redis_server.url, "max_message_bytes": 1024})
    redis_server.publish({"from": "old", "text": "x" * 5000})
    wait_until("the loss", lambda: node.status()["total"] == 1)
    record = next(r for r in dump(node) if r["kind"] == "loss")
    assert (record["seq"], record["span"], record["reason"]) == (1, 1, "too_large")


def payload_bytes_replaced(node, sequence, old, new):
    """Changes a record's payload so that its checksum still holds: what another writer could have put there."""
    queue = node.state / "queue.ring"
    content = bytearray(queue.read_bytes())
    position = position_of(node, sequence)
    start = HEADER_BYTES + position
    length, = struct.unpack_from("<I", content, start)
    payload = bytes(content[start + 64 : start + 64 + length]).replace(old, new)
    assert len(old) == len(new) and new in payload
    content[start + 64 : start + 64 + length] = payload
    words = struct.pack("<QQ", position, length) + content[start + 8 : start + 64]
    struct.pack_into("<I", content, start + 4, crc32c(words + payload))
    queue.write_bytes(content)
    return payload


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_bytes_that_are_no_text_do_not_break_the_json_of_dump(ten):
    payload = payload_bytes_replaced(ten, 5, b"text 4", b"\xff\xc3\x1b\x00\xed\xa0")
    record = next(r for r in dump(ten) if r["seq"] == 5)
    assert bytes.fromhex(record["payload_hex"]) == payload
    assert "\ufffd" in record["payload"]
    assert harmless(ten.clawq("dump").stdout.decode())
    assert "payload_hex" not in next(r for r in dump(ten) if r["seq"] == 4)
    # The record is whole, but no message: readers report it lost.
    assert ten.clawq("verify").returncode == 0
    assert "1 lost: invalid" in ten.check()


def test_dump_into_a_full_disk_fails(ten):
    with open("/dev/full", "wb") as full:
        assert ten.clawq("dump", stdout=full).returncode == 74
        assert ten.clawq("verify", stdout=full).returncode == 74


@pytest.mark.parametrize("command", ["verify", "dump"])
def test_looking_changes_nothing_and_needs_a_queue(make_node, ten, command):
    queue = ten.state / "queue.ring"
    before = (queue.read_bytes(), sorted(p.name for p in ten.state.rglob("*")))
    assert ten.clawq(command).returncode == 0
    assert before == (queue.read_bytes(), sorted(p.name for p in ten.state.rglob("*")))
    empty = make_node("nobody", start=False)
    assert empty.clawq(command).returncode == 66
    assert not empty.state.exists()
