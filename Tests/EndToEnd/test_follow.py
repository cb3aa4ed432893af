"""clawq wait and tail: woken by what comes, told when nothing can come, and ended as one ends such programs."""

import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from bus import PATIENCE, program, stays_away, wait_until


class Clawq:
    """A clawq that runs beside the test, with its output read as it comes."""

    def __init__(self, node, *words, stdout=subprocess.PIPE):
        self.child = subprocess.Popen(
            [program("clawq"), *map(str, words), *map(str, node.common)], stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=subprocess.PIPE, env=node.environment, cwd=node.folder,
        )
        self.out, self.err = [], []
        self.threads = [threading.Thread(target=self.read, args=(self.child.stderr, self.err))]
        if stdout == subprocess.PIPE:
            self.threads.append(threading.Thread(target=self.read, args=(self.child.stdout, self.out)))
        for thread in self.threads:
            thread.start()

    @staticmethod
    def read(stream, lines):
        for line in stream:
            lines.append(line.decode())

    def end(self, number=None):
        """Sends a signal, if one is given, and gives the exit code; negative where a signal ended it."""
        if number is not None:
            self.child.send_signal(number)
        code = self.child.wait(timeout=PATIENCE)
        for thread in self.threads:
            thread.join()
        return code

    def close(self):
        self.child.kill()
        self.end()

    @property
    def text(self):
        return "".join(self.out)

    def says(self, *words):
        """Waits until a line on stdout or stderr has all the words."""
        wait_until(f"a line with {words}", lambda: any(
            all(word in line for word in words) for line in self.out + self.err))

    def is_asleep(self):
        """Whether the process waits on its futex; some kernels tell only that it sleeps, which it does nowhere else."""
        process = pathlib.Path(f"/proc/{self.child.pid}")
        try:
            place = (process / "wchan").read_text()
            state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        return "futex" in place if place.strip("0") else state == "S"

    def fall_asleep(self):
        wait_until("clawq sleeps", lambda: self.child.poll() is not None or self.is_asleep())
        assert self.child.poll() is None, self.err
        return self

    def processor_seconds(self):
        words = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def follow():
    """follow(NODE, WORD...) starts a clawq beside the test and ends it afterwards."""
    started = []

    def start(node, *words, **more):
        clawq = Clawq(node, *words, **more)
        started.append(clawq)
        return clawq

    yield start
    for clawq in started:
        clawq.close()


def texts(output):
    return [message["text"] for message in json.loads(output)]


# wait


def test_wait_gives_at_once_what_is_unread(local_node, follow):
    local_node.send("one")
    wait_until("one unread", lambda: local_node.unread() == 1)
    waiter = follow(local_node, "wait", "--timeout", PATIENCE)
    assert waiter.end() == 0
    assert texts(waiter.text) == ["one"]
    assert local_node.get() == []


def test_wait_is_woken_by_a_message_and_marks_it_read(local_node, follow):
    waiter = follow(local_node, "wait", "--timeout", 3 * PATIENCE).fall_asleep()
    local_node.send("hello")
    assert waiter.end() == 0
    assert texts(waiter.text) == ["hello"]
    assert local_node.get() == []


def test_wait_peek_marks_nothing_and_lines_prints_lines(local_node, follow):
    waiter = follow(local_node, "wait", "--peek", "--lines", "--timeout", 3 * PATIENCE).fall_asleep()
    local_node.send("hello")
    assert waiter.end() == 0
    assert json.loads(waiter.text)["text"] == "hello"
    assert len(local_node.get()) == 1


@pytest.mark.parametrize("timeout", ["0", "0.3", "1"])
@pytest.mark.parametrize("words, printed, code", [([], "[]\n", 0), (["--lines"], "", 0), (["--exit-code"], "[]\n", 124)])
def test_wait_in_vain(local_node, timeout, words, printed, code):
    began = time.monotonic()
    done = local_node.clawq("wait", "--timeout", timeout, *words)
    assert time.monotonic() - began >= float(timeout)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (code, printed, b"")


@pytest.mark.parametrize("timeout", ["", "-1", "x", "1e3", ".5", "1 ", "86401", "99999999999999999999"])
def test_wait_refuses_a_time_that_is_none(make_node, timeout):
    assert make_node(start=False).clawq("wait", f"--timeout={timeout}").returncode == 64


def test_wait_sleeps_on_through_what_is_for_others(local_node, follow):
    waiter = follow(local_node, "wait", "--as", "ada", "--timeout", 3 * PATIENCE).fall_asleep()
    local_node.send("for bob", "--to", "bob", sender="carol")
    local_node.send("from ada", sender="ada")
    wait_until("two in the queue", lambda: local_node.status()["total"] == 2)
    assert stays_away(lambda: waiter.child.poll() is not None)
    local_node.send("for ada", "--to", "ada", sender="carol")
    assert waiter.end() == 0
    assert texts(waiter.text) == ["for ada"]


def test_waiting_uses_no_processor(local_node, follow):
    waiter = follow(local_node, "wait", "--timeout", PATIENCE).fall_asleep()
    before = waiter.processor_seconds()
    time.sleep(2)
    assert waiter.processor_seconds() - before <= 0.01


def test_wait_without_a_daemon_ends_at_once(local_node):
    local_node.stop()
    began = time.monotonic()
    done = local_node.clawq("wait", "--timeout", 600)
    assert done.returncode == 69
    assert time.monotonic() - began < PATIENCE / 2
    assert done.stdout == b""
    assert b"clawd" in done.stderr


def test_wait_without_a_daemon_gives_what_is_unread(local_node):
    local_node.send("left over")
    wait_until("one unread", lambda: local_node.unread() == 1)
    local_node.stop()
    done = local_node.clawq("wait", "--timeout", 600)
    assert done.returncode == 0
    assert texts(done.stdout) == ["left over"]
    assert b"clawd" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_wait_ends_when_its_daemon_does(local_node, follow, number):
    waiter = follow(local_node, "wait", "--timeout", 600).fall_asleep()
    local_node.send_signal(number)
    local_node.wait()
    assert waiter.end() == 69
    assert waiter.text == ""
    assert "clawd" in "".join(waiter.err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_wait_and_marks_nothing(local_node, follow, number):
    waiter = follow(local_node, "wait", "--timeout", 600).fall_asleep()
    assert waiter.end(number) == -number
    assert waiter.text == ""
    local_node.send("later")
    wait_until("one unread", lambda: local_node.unread() == 1)


def test_wait_on_a_closed_pipe_marks_nothing(local_node, follow):
    reading, writing = os.pipe()
    waiter = follow(local_node, "wait", "--timeout", 3 * PATIENCE, stdout=writing).fall_asleep()
    os.close(writing)
    os.close(reading)
    local_node.send("hello")
    assert waiter.end() == 74
    assert local_node.unread() == 1


def test_no_wake_up_is_lost(local_node, follow):
    # Each message is sent when a waiter may be anywhere between its start and its sleep.
    for number in range(60):
        waiter = follow(local_node, "wait", "--timeout", 600)
        time.sleep(number % 12 / 2000)
        local_node.send(str(number))
        sent = time.monotonic()
        assert waiter.end() == 0
        assert texts(waiter.text) == [str(number)]
        # One that was not woken looks after five seconds all the same, to see whether its daemon is still there.
        assert time.monotonic() - sent < 4


def test_wait_goes_on_in_a_queue_created_anew(local_node, follow):
    local_node.send("old")
    assert local_node.texts(1) == ["old"]
    waiter = follow(local_node, "wait", "--timeout", 600).fall_asleep()
    # As by a daemon that finds nothing in the file that it can trust: the name is free for a moment.
    (local_node.state / "queue.ring").rename(local_node.state / "aside")
    local_node.restart()
    assert waiter.end() == 0
    loss, *messages = json.loads(waiter.text)
    assert (loss["lost"], loss["reason"]) == (0, "new_queue")
    assert messages == []
    local_node.send("new")
    assert local_node.texts(1) == ["new"]


def test_wait_says_when_the_queue_does_not_come_back(local_node, follow):
    waiter = follow(local_node, "wait", "--timeout", 8).fall_asleep()
    (local_node.state / "queue.ring").rename(local_node.state / "aside")
    assert waiter.end() == 66
    assert "queue.ring" in "".join(waiter.err)


# tail


def test_tail_shows_the_last_messages_and_then_each_that_comes(local_node, follow):
    for number in range(15):
        local_node.send(f"text {number}.")
    wait_until("fifteen unread", lambda: local_node.unread() == 15)
    tail = follow(local_node, "tail")
    tail.says("text 14.")
    assert [line.split("text ")[1] for line in tail.out] == [f"{number}.\n" for number in range(5, 15)]
    tail.fall_asleep()
    local_node.send("as it comes")
    tail.says("as it comes")
    assert len(tail.out) == 11
    assert local_node.unread() == 16


def test_tail_last_and_json(local_node, follow):
    for number in range(3):
        local_node.send(f"text {number}")
    wait_until("three unread", lambda: local_node.unread() == 3)
    tail = follow(local_node, "tail", "--json", "--last", 2)
    tail.says("text 2")
    assert [json.loads(line) for line in tail.out] == local_node.get("--peek")[1:]
    none = follow(local_node, "tail", "--last", 0).fall_asleep()
    local_node.send("new")
    none.says("new")
    assert len(none.out) == 1


def test_tail_of_an_agent_shows_what_is_for_it(local_node, follow):
    local_node.send("for ada", "--to", "ada", sender="bob")
    for number in range(20):
        local_node.send(f"{number}", "--to", "carol", sender="bob")
    wait_until("all in the queue", lambda: local_node.status()["total"] == 21)
    tail = follow(local_node, "tail", "--as", "ada", "--last", 1)
    tail.says("for ada")
    assert len(tail.out) == 1
    assert not (local_node.state / "cursors" / "ada").exists()


def test_tail_makes_control_characters_harmless_for_people_and_keeps_them_for_programs(local_node, follow):
    local_node.send("red \x1b[31m and a bell \x07 and\nanother line")
    wait_until("one unread", lambda: local_node.unread() == 1)
    tail = follow(local_node, "tail")
    tail.says("red")
    assert len(tail.out) == 1 and not set(tail.text) & {"\x1b", "\x07"}
    tail = follow(local_node, "tail", "--json")
    tail.says("red")
    assert not set(tail.text) & {"\x1b", "\x07"}
    assert json.loads(tail.text)["text"] == "red \x1b[31m and a bell \x07 and\nanother line"


def test_tail_is_left_with_an_interrupt(local_node, follow):
    tail = follow(local_node, "tail").fall_asleep()
    assert tail.end(signal.SIGINT) == 0
    assert tail.err == []


def test_tail_ends_when_nobody_reads_it(local_node):
    for number in range(3):
        local_node.send(f"text {number}")
    wait_until("three unread", lambda: local_node.unread() == 3)
    words = " ".join(map(str, local_node.common))
    done = local_node.run_shell(f"{{ {program('clawq')} tail {words}; echo \"exit $?\" >&2; }} | head -n 1")
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b"exit 0\n"


def test_tail_ends_while_it_sleeps_when_nobody_reads_it(local_node, follow):
    reading, writing = os.pipe()
    tail = follow(local_node, "tail", stdout=writing).fall_asleep()
    os.close(writing)
    os.close(reading)
    # No message comes that it could fail to write.
    assert tail.end() == 0
    assert tail.err == []


def test_tail_writes_all_of_a_lot(local_node, follow):
    for number in range(40):
        local_node.send(f"{number} " + "x" * 50_000)
    wait_until("forty unread", lambda: local_node.unread() == 40)
    tail = follow(local_node, "tail", "--json", "--last", 40)
    wait_until("forty lines", lambda: len(tail.out) == 40)
    assert [json.loads(line)["text"].split()[0] for line in tail.out] == [str(number) for number in range(40)]


def test_tail_on_a_full_disk_is_an_error(local_node, follow):
    local_node.send("hello")
    wait_until("one unread", lambda: local_node.unread() == 1)
    with open("/dev/full", "wb") as full:
        assert follow(local_node, "tail", stdout=full).end() == 74


def test_tail_tells_once_that_the_daemon_is_gone_and_once_that_it_is_back(local_node, follow):
    tail = follow(local_node, "tail").fall_asleep()
    local_node.kill()
    tail.says("clawd is not running")
    assert stays_away(lambda: len(tail.err) > 1, 2.5)
    local_node.start()
    local_node.send("back")
    tail.says("back")
    tail.says("clawd runs again")
    assert len(tail.err) == 2 and len(tail.out) == 1


def test_tail_shows_losses_where_they_happened(make_node, redis_server, follow):
    node = make_node("ada", {"redis_url": redis_server.url})
    tail = follow(node, "tail").fall_asleep()
    redis_server.publish({"from": "bob", "text": "before"})
    redis_server.publish(b"no message")
    redis_server.publish({"from": "bob", "text": "after"})
    tail.says("after")
    assert len(tail.out) == 3
    assert "before" in tail.out[0] and "lost" in tail.out[1] and "invalid" in tail.out[1]


def test_tail_follows_to_a_queue_created_anew(local_node, follow):
    local_node.send("old")
    tail = follow(local_node, "tail")
    tail.says("old")
    local_node.stop()
    (local_node.state / "queue.ring").unlink()
    local_node.start()
    local_node.send("new")
    tail.says("new")
    assert len(tail.out) == 3
    assert "new_queue" in tail.out[1] or "new queue" in tail.out[1]
    assert tail.child.poll() is None


@pytest.mark.parametrize("size", [1 << 21, 1 << 23])
def test_wait_and_tail_follow_to_a_queue_of_another_size(make_node, follow, size):
    config = {"max_message_bytes": 65536}
    node = make_node("ada", {**config, "queue_bytes": 1 << 22})
    node.send("one")
    assert node.texts(1) == ["one"]
    tail = follow(node, "tail", "--json")
    tail.says("one")
    waiter = follow(node, "wait", "--timeout", 600).fall_asleep()
    node.configure({**config, "queue_bytes": size})
    node.restart()
    assert abs((node.state / "queue.ring").stat().st_size - size) <= 1 << 17
    node.send("two")
    # Nothing is lost, nothing is told twice, and the numbers go on.
    tail.says("two")
    assert [json.loads(line)["seq"] for line in tail.out] == [1, 2]
    assert waiter.end() == 0
    assert [(message["seq"], message["text"]) for message in json.loads(waiter.text)] == [(2, "two")]


def test_tail_ends_where_its_folder_is_removed(local_node, follow):
    tail = follow(local_node, "tail").fall_asleep()
    local_node.stop()
    for path in sorted(local_node.state.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    local_node.state.rmdir()
    assert tail.end() == 66


# Where there is nothing to follow


@pytest.mark.parametrize("words", [["wait"], ["tail"], ["ack", "1"]], ids=" ".join)
def test_where_no_daemon_ever_ran_there_is_nothing_to_follow(make_node, words):
    node = make_node(start=False)
    done = node.clawq(*words)
    assert done.returncode == 66
    assert str(node.state).encode() in done.stderr
    assert not node.state.exists()
