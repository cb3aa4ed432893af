"""clawd as a process: one per state folder, quick to end, quiet when idle, never a local bus by accident."""

import pathlib
import signal
import time

import pytest

from bus import wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_to_end_is_obeyed(node, number):
    assert node.stop(number) == 0
    assert node.status()["daemon"]["state"] == "stopped"


def test_a_signal_to_end_is_obeyed_while_redis_is_away(node, redis_server):
    redis_server.kill()
    wait_until("the loss of the connection is seen", lambda: node.status()["redis"]["state"] != "ready")
    assert node.stop() == 0


def test_hangup_reads_the_configuration_again_and_ends_nothing(node, redis_server):
    node.configure({"redis_url": redis_server.url, "channel": "elsewhere"})
    node.send_signal(signal.SIGHUP)
    wait_until("the change is told", lambda: "channel has changed" in node.log)
    node.configure("{")
    node.send_signal(signal.SIGHUP)
    wait_until("a spoilt file is told", lambda: "the one before stays in force" in node.log)
    node.configure({"redis_url": redis_server.url})
    assert node.is_running()
    node.send("still here")
    assert node.texts(1) == ["still here"]


def test_a_second_daemon_on_a_state_folder_is_refused(local_node, make_node):
    second = make_node("second", start=False)
    second.state = local_node.state
    code, said = second.refuses()
    assert code == 75, said
    assert str(local_node.state) in said
    local_node.send("the first goes on")
    assert local_node.texts(1) == ["the first goes on"]


def test_a_queue_once_joined_to_redis_is_no_local_bus_by_accident(node):
    node.stop()
    node.configure({})
    code, said = node.refuses()
    assert code == 78, said
    assert "local" in said
    node.configure({"redis_url": "local"})
    node.start()
    node.send("on purpose")
    assert node.texts(1) == ["on purpose"]


def test_a_local_bus_that_joins_a_redis_keeps_its_queue(local_node, redis_server):
    local_node.send("alone")
    wait_until("received", lambda: local_node.unread() == 1)
    local_node.stop()
    local_node.configure({"redis_url": redis_server.url})
    local_node.start()
    local_node.send("together")
    assert [(message["seq"], message["text"]) for message in local_node.collect(2)] == [(1, "alone"), (2, "together")]
    local_node.stop()
    local_node.configure({})
    assert local_node.refuses()[0] == 78


def test_the_reader_and_the_sender_work_meanwhile(node):
    node.send("one")
    wait_until("received", lambda: node.unread() == 1)
    node.stop()
    node.configure({})
    assert [message["text"] for message in node.get()] == ["one"]
    node.send("two")


def test_an_idle_daemon_sleeps(node):
    process = pathlib.Path(f"/proc/{node.pid}")

    def wakings():
        lines = (process / "status").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    def ticks():
        # proc(5): utime and stime are the fields 14 and 15; the name, in brackets, is the second.
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def sleeps():
        before = wakings(), ticks()
        time.sleep(5)
        return wakings() - before[0] <= 1 and ticks() - before[1] <= 1

    # Tried more than once, for the timer of 30 s and the answers to what it asks may fall into the five.
    wait_until("it sleeps for five seconds", sleeps)


def test_the_log_goes_to_standard_error_and_nothing_to_the_home_folder(node):
    assert node.log
    assert list(node.home.rglob("*")) == []


def test_status_names_the_daemon(node):
    daemon = node.status()["daemon"]
    assert daemon["pid"] == node.pid
    assert daemon["version"]


def test_the_environment_says_where_the_state_is(make_node):
    node = make_node(start=False)
    node.names_state = False
    node.state = node.folder / "elsewhere"
    node.environment["OPENCLAW_BUS_STATE_DIR"] = str(node.state)
    node.start()
    node.send("found")
    assert node.texts(1) == ["found"]
    assert (node.state / "queue.ring").exists()


def test_without_a_word_the_state_is_in_the_home_folder(make_node):
    node = make_node(start=False)
    node.names_state = False
    node.state = node.home / ".local" / "state" / "openclaw-bus"
    node.start()
    node.send("found")
    assert node.texts(1) == ["found"]
    assert (node.state / "queue.ring").exists()


def test_a_queue_cut_short_under_the_daemon_ends_it_with_a_word(node):
    with open(node.state / "queue.ring", "r+b") as file:
        file.truncate(0)
    node.clawsend("ada", "hello")
    assert node.wait() == 65
    assert "cut short" in node.log


def test_a_queue_taken_away_is_not_called_a_stopped_daemon(node):
    (node.state / "queue.ring").unlink()
    done = node.clawsend("ada", "hello")
    assert done.returncode == 0
    assert b"cannot be read" in done.stderr and b"not running" not in done.stderr
