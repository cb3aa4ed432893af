"""clawq: what is shown, what is marked read, and when."""

import fcntl
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from bus import PATIENCE, program, wait_until


@pytest.fixture
def filled(local_node):
    """A node with three unread messages."""
    for number in range(3):
        local_node.send(f"text {number}")
    wait_until("three unread", lambda: local_node.unread() == 3)
    return local_node


TEXTS = ["text 0", "text 1", "text 2"]


def texts(messages):
    return [message["text"] for message in messages]


def test_get_gives_the_new_messages_and_marks_them_read(filled):
    assert texts(filled.get()) == TEXTS
    assert filled.get() == []
    status = filled.status()
    assert (status["total"], status["read"], status["unread"], status["lost"]) == (3, 3, 0, 0)


def test_check_and_peek_mark_nothing(filled):
    assert "3" in filled.check()
    assert texts(filled.get("--peek")) == TEXTS
    assert filled.status()["unread"] == 3
    assert texts(filled.get()) == TEXTS


def test_check_shows_the_count_and_at_most_ten_lines_of_eighty_columns(local_node):
    for number in range(30):
        local_node.send(f"{number} " + "long " * 100)
    wait_until("thirty unread", lambda: local_node.unread() == 30)
    lines = local_node.check().splitlines()
    assert "30" in lines[0]
    assert len(lines) <= 11
    assert all(len(line) <= 80 for line in lines)


def test_check_shows_no_control_characters(local_node):
    local_node.send("red \x1b[31m and a bell \x07 and\nanother line")
    wait_until("one unread", lambda: local_node.unread() == 1)
    assert not set(local_node.check()) & {"\x1b", "\x07"}


def test_a_batch_has_fifty_messages_and_says_how_many_more(local_node):
    for number in range(60):
        local_node.send(str(number))
    wait_until("sixty unread", lambda: local_node.unread() == 60)
    done = local_node.clawq("get")
    assert done.returncode == 0
    assert texts(json.loads(done.stdout)) == [str(number) for number in range(50)]
    assert b"10" in done.stderr
    assert texts(local_node.get()) == [str(number) for number in range(50, 60)]


def test_a_batch_has_at_most_32_KiB_but_at_least_one_message(local_node):
    for letter in "abcd":
        local_node.send(letter * 20000)
    local_node.send("e" * 100_000)
    wait_until("five unread", lambda: local_node.unread() == 5)
    sizes = []
    while batch := local_node.get():
        sizes.append([len(text) for text in texts(batch)])
    assert sizes == [[20000]] * 4 + [[100_000]]


def test_max_all_and_lines(local_node):
    for number in range(60):
        local_node.send(str(number))
    wait_until("sixty unread", lambda: local_node.unread() == 60)
    assert texts(local_node.get("--max", "2")) == ["0", "1"]
    lines = local_node.clawq("get", "--lines", "--max", "3").stdout.splitlines()
    assert texts(json.loads(line) for line in lines) == ["2", "3", "4"]
    assert texts(local_node.get("--all")) == [str(number) for number in range(5, 60)]


def test_a_full_disk_marks_nothing_read(filled):
    with open("/dev/full", "wb") as full:
        done = filled.clawq("get", stdout=full)
    assert done.returncode == 74
    assert done.stderr
    assert texts(filled.get()) == TEXTS


def test_a_closed_pipe_marks_nothing_read(filled):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = filled.clawq("get", stdout=writing)
    finally:
        os.close(writing)
    assert done.returncode == 74
    assert texts(filled.get()) == TEXTS


def test_a_pipe_closed_in_the_middle_marks_nothing_read(local_node):
    for letter in "abcdefghij":
        local_node.send(letter * 50_000)
    wait_until("ten unread", lambda: local_node.unread() == 10)
    words = [program("clawq"), "get", "--all", *map(str, local_node.common)]
    child = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=local_node.environment
    )
    child.stdout.read(1000)
    child.stdout.close()
    assert child.wait(timeout=30) == 74
    assert local_node.unread() == 10


def test_a_closed_standard_output_marks_nothing_and_harms_nothing(filled):
    # Descriptor 1 is free then: the queue file, opened next, must not be taken for it.
    words = " ".join(map(str, filled.common))
    done = filled.run_shell(f"{program('clawq')} get {words} >&-")
    assert done.returncode == 74
    assert texts(filled.get()) == TEXTS


def test_clear_marks_all_read(filled):
    assert filled.clawq("clear").returncode == 0
    assert filled.get() == []
    status = filled.status()
    assert (status["total"], status["read"], status["unread"]) == (3, 3, 0)


def test_read_marks_outlive_the_daemon(filled):
    assert texts(filled.get("--max", "1")) == TEXTS[:1]
    filled.restart()
    assert texts(filled.get()) == TEXTS[1:]


def test_the_reader_needs_no_daemon_but_says_that_there_is_none(filled):
    filled.stop()
    done = filled.clawq("get")
    assert done.returncode == 0
    assert texts(json.loads(done.stdout)) == TEXTS
    assert b"clawd" in done.stderr
    assert filled.status()["daemon"]["state"] == "stopped"


def test_each_consumer_has_its_own_mark(filled):
    assert texts(filled.get("--consumer", "one")) == TEXTS
    assert filled.get("--consumer", "one") == []
    assert texts(filled.get("--consumer", "two")) == TEXTS
    assert texts(filled.get()) == TEXTS


def test_a_new_consumer_is_told_which_are_known(filled):
    done = filled.clawq("get", "--consumer", "typo")
    assert b"default" in done.stderr
    assert b"default" not in filled.clawq("get", "--consumer", "typo").stderr


def test_as_passes_over_own_messages_and_those_for_others(local_node):
    local_node.send("for all", sender="bob")
    local_node.send("for ada", "--to", "Ada", sender="bob")
    local_node.send("for carol", "--to", "carol", sender="bob")
    local_node.send("from ada", sender="ADA")
    wait_until("four in the queue", lambda: local_node.status()["total"] == 4)
    assert texts(local_node.get("--as", "ada")) == ["for all", "for ada"]
    done = local_node.clawq("get", environment={"LOCAL_AGENT_NAME": "Carol"})
    assert texts(json.loads(done.stdout)) == ["for all", "for carol", "from ada"]
    assert len(local_node.get()) == 4


def test_what_was_overwritten_is_counted_where_it_happened(make_node, redis_server):
    node = make_node("ada", {"redis_url": redis_server.url, "max_message_bytes": 4096, "queue_bytes": 65536})
    for number in range(500):
        redis_server.publish({"from": "old", "text": f"{number:03} " + "x" * 300})
    wait_until("all in the queue", lambda: node.status()["total"] == 500)
    assert node.clawq("get", "--peek", "--exit-code").returncode == 3
    loss, *messages = node.get("--all")
    assert loss["reason"] == "overwritten"
    assert loss["lost"] + len(messages) == 500
    assert [int(text[:3]) for text in texts(messages)] == list(range(loss["lost"], 500))
    assert messages[0]["seq"] == loss["seq"] + loss["lost"]
    status = node.status()
    assert (status["unread"], status["lost"], status["read"]) == (0, loss["lost"], len(messages))


def test_exit_code_tells_nothing_new(filled):
    assert filled.clawq("get", "--exit-code").returncode == 0
    assert filled.clawq("get", "--exit-code").returncode == 1
    assert filled.clawq("get").returncode == 0


@pytest.mark.parametrize("command", ["check", "get", "status", "clear"])
def test_where_no_daemon_ever_ran_there_is_no_queue(make_node, command):
    node = make_node(start=False)
    done = node.clawq(command)
    assert done.returncode == 66
    assert str(node.state).encode() in done.stderr
    assert not node.state.exists()


def test_status_is_shown_in_words_too(filled):
    done = filled.clawq("status")
    assert done.returncode == 0
    assert b"total" in done.stdout and b"unread" in done.stdout


def test_status_has_every_key_that_programs_rely_on(filled):
    status = filled.status()
    assert status["telegram"] == {"state": "off", "depth": 0, "oldest_s": 0, "unknown": 0}
    for name, keys in {
        "daemon": {"state", "pid", "version"},
        "redis": {"state", "last_error"},
        "outbox": {"new", "stored", "failed", "oldest_s"},
    }.items():
        assert status[name].keys() >= keys


def test_a_known_consumer_is_named_as_it_was_given(filled):
    filled.get("--consumer", "Zoé 2")
    assert "zoé 2" in filled.clawq("get", "--consumer", "typo").stderr.decode()


def test_unknown_options_are_answered_for_a_program_that_takes_no_text(make_node):
    done = make_node(start=False).run_tail("clawq", "get", "-5")
    assert done.returncode == 64
    assert b"--help" in done.stderr and b"stdin" not in done.stderr


def test_ack_marks_read_up_to_a_number_and_never_back(filled):
    done = filled.clawq("ack", 2)
    assert (done.returncode, done.stdout) == (0, b"marked read up to 2\n")
    for number in (1, 2):
        done = filled.clawq("ack", number)
        assert (done.returncode, done.stdout) == (0, b"already read up to 2\n")
    assert texts(filled.get()) == TEXTS[2:]


def test_ack_refuses_a_number_that_was_not_given(filled):
    done = filled.clawq("ack", 4)
    assert done.returncode == 65
    assert b"3" in done.stderr and done.stdout == b""
    assert filled.unread() == 3


@pytest.mark.parametrize("number", ["0", "-1", "x", "01", "1.0", "99999999999999999999"])
def test_ack_refuses_what_is_no_number(make_node, number):
    assert make_node(start=False).run_tail("clawq", "ack", "--", number).returncode == 64


def test_ack_counts_as_lost_what_was_lost(make_node, redis_server):
    node = make_node("ada", {"redis_url": redis_server.url})
    for payload in ({"from": "bob", "text": "one"}, b"no message", {"from": "bob", "text": "three"}):
        redis_server.publish(payload)
    wait_until("all in the queue", lambda: node.status()["total"] == 3)
    assert node.clawq("ack", 2).returncode == 0
    status = node.status()
    assert (status["read"], status["unread"], status["lost"]) == (1, 1, 1)


def damage(node, text):
    """Changes one byte of a message in the queue file."""
    path = node.state / "queue.ring"
    with open(path, "r+b") as file:
        file.seek(file.read().index(text.encode()))
        file.write(b"X")


def test_clear_gets_past_damage(filled):
    damage(filled, "text 1")
    assert texts(filled.get()) == TEXTS[:1]
    assert filled.clawq("get").returncode == 65
    done = filled.clawq("clear")
    assert done.returncode == 0
    assert b"damaged" in done.stderr
    assert filled.get() == []
    filled.send("after")
    assert filled.texts(1) == ["after"]


# Several processes with one name, and processes killed anywhere


def test_of_several_that_get_at_once_under_one_name_none_passes_anything_by(local_node):
    count = 400
    batches = [[] for _ in range(8)]
    ended = threading.Event()
    marks = []

    def get(batch):
        while True:
            last = ended.is_set()
            batch.append([message["seq"] for message in local_node.get("--max", "7")])
            if last and not batch[-1]:
                return

    def watch():
        while not ended.is_set():
            status = local_node.status()
            marks.append(status["total"] - status["unread"])

    threads = [threading.Thread(target=get, args=(batch,)) for batch in batches] + [threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    sender = subprocess.run(
        ["/bin/sh", "-c", f"for i in $(seq {count}); do {program('clawsend')} bob $i {' '.join(map(str, local_node.common))}; done"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=local_node.environment, timeout=4 * PATIENCE,
    )
    assert sender.returncode == 0
    wait_until("all in the queue", lambda: local_node.status()["total"] == count)
    ended.set()
    for thread in threads:
        thread.join()
    given = [number for batch in batches for numbers in batch for number in numbers]
    assert set(given) == set(range(1, count + 1))
    for batch in batches:
        # To each of the readers the messages come in order, and none twice: what one process marked stays so.
        numbers = [number for got in batch for number in got]
        assert numbers == sorted(set(numbers))
    assert marks == sorted(marks)
    status = local_node.status()
    assert (status["total"], status["read"], status["unread"], status["lost"]) == (count, count, 0, 0)


def test_a_get_killed_anywhere_loses_nothing(make_node, redis_server):
    """Every sequence number is delivered, passed over or reported lost by some get that was not killed, or before it was."""
    seed = int(os.environ.get("OPENCLAW_BUS_TEST_SEED", random.randrange(2**32)))
    chance = random.Random(seed)
    node = make_node("ada", {"redis_url": redis_server.url})
    count, written = 0, {}
    for _ in range(300):
        kind = chance.choice(["ours", "ours", "theirs", "no message"])
        count += 1
        written[count] = kind
        if kind == "no message":
            redis_server.publish(b"no message")
        else:
            to = "ada" if kind == "ours" else "carol"
            redis_server.publish({"from": "bob", "to": to, "text": f"{count} " + "x" * chance.randrange(6000)})
    wait_until("all in the queue", lambda: node.status()["total"] == count)
    accounted, killed, cut = {}, 0, 0
    words = [program("clawq"), "get", "--lines", "--as", "ada", *map(str, node.common)]
    deadline = time.monotonic() + 4 * PATIENCE
    while True:
        assert time.monotonic() < deadline, f"seed {seed}"
        reading, writing = os.pipe()
        # Small, so that a batch may have to wait in the middle for its reader.
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        child = subprocess.Popen(
            [*words, "--max", str(chance.randrange(1, 6))], stdin=subprocess.DEVNULL, stdout=writing,
            stderr=subprocess.DEVNULL, env=node.environment,
        )
        os.close(writing)
        with open(reading, "rb", buffering=0) as output:
            end = chance.choice(["at any time", "in the middle", "in the middle", "by itself"])
            got = b""
            if end == "at any time":
                time.sleep(chance.random() * 0.004)
            elif end == "in the middle":
                got = output.read(chance.randrange(1, 2000))
            if end != "by itself":
                child.send_signal(signal.SIGKILL)
            got += output.readall()
            code = child.wait(timeout=PATIENCE)
        killed += code != 0
        # A killed process may have written its last line in part; it has then marked nothing.
        lines = got.splitlines()[: got.count(b"\n")]
        cut += not got.endswith(b"\n") and got != b""
        for entry in map(json.loads, lines):
            for number in range(entry["seq"], entry["seq"] + entry.get("lost", 1)):
                accounted[number] = "no message" if "lost" in entry else "ours"
        if code == 0 and not lines:
            break
    ours = {number: kind for number, kind in written.items() if kind != "theirs"}
    assert accounted == ours, f"seed {seed}, {killed} killed"
    assert killed > 0 and cut > 0, f"seed {seed}"
    status = json.loads(node.clawq("status", "--json", "--as", "ada").stdout)
    assert (status["total"], status["unread"]) == (count, 0), f"seed {seed}"
