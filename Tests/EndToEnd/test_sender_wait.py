"""clawsend --wait: what it waits for, what it says where that does not come, and what it must never claim."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from bus import PATIENCE, program, wait_until


def start_waiting(node, *words, timeout=PATIENCE):
    """Starts a `clawsend --wait`, and gives it when its message is in the outbox; `finish` ends it."""
    before = len(node.outbox("new"))
    child = subprocess.Popen(
        [program("clawsend"), *map(str, node.common), "--wait", f"--timeout={timeout}", *words, "ada", "text"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=node.environment,
    )
    wait_until("it is in the outbox", lambda: len(node.outbox("new")) > before or child.poll() is not None)
    assert child.poll() is None, child.communicate()
    return child


def finish(child):
    out, errors = child.communicate(timeout=PATIENCE)
    return child.returncode, out.decode(), errors.decode()


@pytest.mark.parametrize("wait", ["--wait", "--wait=stored", "--wait=mirrored"])
def test_it_ends_well_when_the_message_has_arrived(node, wait):
    done = node.clawsend(wait, "ada", "text")
    assert done.returncode == 0 and done.stderr == b"", done
    assert node.outbox("new") == [] and node.outbox("failed") == []
    [message] = node.collect(1)
    assert message["id"] == done.stdout.decode().strip()


def test_on_a_local_bus_it_is_in_the_queue_when_it_ends(local_node):
    for number in range(20):
        done = local_node.clawsend("--wait", "ada", str(number))
        assert done.returncode == 0, done
        assert [message["text"] for message in local_node.get()] == [str(number)]


def test_many_at_once_all_end(local_node):
    command = [program("clawsend"), *map(str, local_node.common), "--wait", "ada"]
    numbers = "\n".join(map(str, range(200)))
    done = subprocess.run(
        ["xargs", "-n", "1", "-P", "8", *command], input=numbers.encode(), capture_output=True,
        env=local_node.environment, timeout=120,
    )
    assert done.returncode == 0 and done.stderr == b"", done
    ids = done.stdout.decode().split()
    # What was waited for is there: nobody has to wait once more.
    assert sorted(message["id"] for message in local_node.get("--all")) == sorted(ids)


def test_json_has_the_message_and_its_state_at_the_end(local_node):
    done = local_node.clawsend("--wait", "--json", "ada", "--to", "bob", 'a "text"')
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told.pop("state") == "stored"
    [message] = local_node.collect(1)
    del message["seq"]
    assert told == message


def test_without_clawd_it_says_so_at_once_and_at_the_end_and_the_message_stays(local_node):
    local_node.stop()
    done = local_node.clawsend("--wait", "--timeout", "0.3", "ada", "later")
    assert done.returncode == 124
    accepted, ended = done.stderr.decode().splitlines()
    assert "accepted" in accepted and "clawd run" in accepted
    identity = done.stdout.decode().strip()
    assert identity in ended and "clawd is not running" in ended and "do not send it again" in ended
    local_node.start()
    [message] = local_node.collect(1)
    assert (message["id"], message["text"]) == (identity, "later")


def test_a_timeout_of_0_looks_once(local_node):
    local_node.stop()
    done = local_node.clawsend("--wait", "--timeout=0", "--json", "ada", "later")
    assert done.returncode == 124
    assert json.loads(done.stdout)["state"] == "waiting"


def test_without_redis_it_says_so_however_young_the_outage_is(node, redis_server):
    redis_server.stop()
    wait_until("clawd has noticed", lambda: node.status()["redis"]["state"] != "ready")
    done = node.clawsend("--wait", "--timeout", "0.3", "ada", "later")
    assert done.returncode == 124
    assert b"Redis is unusable" in done.stderr and b"do not send it again" in done.stderr
    waiting = start_waiting(node)
    redis_server.start()
    code, _, _ = finish(waiting)
    assert code == 0
    assert len(node.collect(2)) == 2


def test_a_clawd_that_stands_still_is_waited_for(local_node):
    local_node.send_signal(signal.SIGSTOP)
    done = local_node.clawsend("--wait", "--timeout", "0.3", "ada", "later")
    assert done.returncode == 124 and b"clawd" in done.stderr
    waiting = start_waiting(local_node)
    local_node.send_signal(signal.SIGCONT)
    assert finish(waiting)[0] == 0
    assert len(local_node.get()) == 2


def test_it_goes_on_over_the_death_and_the_restart_of_clawd(local_node):
    local_node.send_signal(signal.SIGSTOP)
    waiting = start_waiting(local_node)
    local_node.kill()
    late = start_waiting(local_node, "--json")
    local_node.start()
    code, out, _ = finish(waiting)
    assert code == 0
    code, told, _ = finish(late)
    assert code == 0 and json.loads(told)["state"] == "stored"
    assert [message["id"] for message in local_node.get()] == [out.strip(), json.loads(told)["id"]]


def too_large_for_its_clawd(node):
    """Words that send, as a sender does whose own limit is larger than its daemon's."""
    other = node.folder / "other.json"
    other.write_text('{"max_message_bytes": 100000}')
    return ["--config", str(other), "--state-dir", str(node.state), "--wait", "ada", "x" * 5000]


def send_too_large(node, *options):
    words = [*options, *too_large_for_its_clawd(node)]
    return subprocess.run([program("clawsend"), *words], capture_output=True, env=node.environment, timeout=PATIENCE)


def test_what_can_never_be_sent_is_refused_with_the_reason(make_node):
    node = make_node("ada", {"max_message_bytes": 1024})
    done = send_too_large(node)
    assert done.returncode == 65
    identity = done.stdout.decode().strip()
    said = done.stderr.decode()
    assert identity in said and "larger than 1024 bytes" in said and "never" in said
    failed, reason = node.outbox("failed")
    assert str(failed) in said and failed.name.endswith(identity) and reason.name == failed.name + ".reason"
    done = send_too_large(node, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["state"], told["reason"]) == (65, "failed", "larger than 1024 bytes")
    assert node.status()["outbox"]["failed"] == 2
    assert node.get() == []


def test_a_message_that_fails_while_it_is_waited_for_is_never_called_stored(make_node):
    node = make_node("ada", {"max_message_bytes": 1024})
    for _ in range(30):
        done = send_too_large(node)
        assert done.returncode == 65, done


def replace(outbox):
    outbox.rename(outbox.with_name("old"))
    (outbox / "new").mkdir(parents=True)


REMOVALS = {
    "removed": shutil.rmtree,
    "moved away": lambda outbox: outbox.rename(outbox.with_name("elsewhere")),
    "replaced": replace,
}


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS.keys())
def test_where_the_outbox_is_removed_it_claims_nothing(local_node, remove):
    local_node.stop()
    plain, told = start_waiting(local_node), start_waiting(local_node, "--json")
    remove(local_node.state / "outbox")
    code, out, said = finish(plain)
    assert code == 74, said
    assert out.strip() in said and "not known" in said
    code, out, said = finish(told)
    assert (code, json.loads(out)["state"]) == (74, "unknown"), said


def test_a_script_that_stops_at_errors_can_use_it(local_node):
    send = f"{program('clawsend')} {' '.join(map(str, local_node.common))}"
    done = local_node.run_shell(f"set -e; id=$({send} --wait ada one); test -n \"$id\"; echo sent $id")
    assert done.returncode == 0 and done.stdout.startswith(b"sent "), done
    local_node.stop()
    done = local_node.run_shell(
        f"set -e; code=0; id=$({send} --wait --timeout 0 ada two) || code=$?; echo $code ${{#id}}"
    )
    assert done.stdout == b"124 26\n", done


@pytest.mark.parametrize(
    "words",
    [
        ["--wait=", "ada", "x"], ["--wait=sent", "ada", "x"], ["--wait", "stored", "ada", "x"],
        ["ada", "x", "--wait", "mirrored"], ["--wait", "--wait", "ada", "x"], ["--timeout", "5", "ada", "x"],
        ["--wait", "--timeout", "ada", "x"], ["--wait", "--timeout=-1", "ada", "x"],
        ["--wait", "--timeout=86401", "ada", "x"],
    ],
    ids=" ".join,
)
def test_what_is_meant_otherwise_is_a_usage_error_and_sends_nothing(local_node, words):
    done = local_node.clawsend(*words)
    assert done.returncode == 64 and b"--" in done.stderr
    assert local_node.get() == []


def test_an_output_that_nobody_reads_is_no_reason_to_send_again(local_node):
    read, write = os.pipe()
    os.close(read)
    done = local_node.clawsend("--wait", "--json", "ada", "once", stdout=write)
    os.close(write)
    assert done.returncode == 74 and b"do not send it again" in done.stderr
    assert local_node.texts(1) == ["once"]


def test_status_shows_how_long_the_oldest_of_each_part_has_waited(make_node):
    node = make_node("ada", {"max_message_bytes": 1024})
    send_too_large(node)
    node.stop()
    node.send("one")
    node.send("two")
    os.utime(node.outbox("new")[0], (1, 1))
    os.utime(node.outbox("failed")[0], (2, 2))
    outbox = node.status()["outbox"]
    assert (outbox["new"], outbox["stored"], outbox["failed"], outbox["stored_oldest_s"]) == (2, 0, 1, 0)
    assert outbox["oldest_s"] > outbox["failed_oldest_s"] > 1_000_000_000
    shown = node.clawq("status").stdout.decode()
    assert "2 waiting (the oldest sent" in shown and "1 failed (the oldest sent" in shown
