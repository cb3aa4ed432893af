"""`clawd init` and `clawd config`: from nothing to a bus, and what is in force."""

import json
import os
import pty
import select
import stat

import pytest

from bus import PATIENCE, program, wait_until

SECRET = "sesame-p4ss"


@pytest.fixture
def fresh(make_node):
    """A user without a configuration."""
    return make_node("ada", start=False)


def init(node, text, *options, environment=None):
    return node.run("clawd", "init", *options, stdin=text.encode(), environment=environment)


def stored(node):
    return node.home / ".openclaw-bus-config.json"


def locked(make_redis):
    server = make_redis("--requirepass", SECRET)
    server.password = SECRET
    return server, f"redis://:{SECRET}@127.0.0.1:{server.port}"


def hushed(done):
    assert SECRET.encode() not in done.stdout + done.stderr, done
    return done


def test_from_a_pasted_line_to_a_working_bus(fresh, make_redis):
    server, url = locked(make_redis)
    done = hushed(init(fresh, f'  redis-cli -u "{url}"\n'))
    assert done.returncode == 0, done
    assert b"answers in" in done.stdout and b"holds 0 messages" in done.stdout
    assert json.loads(stored(fresh).read_text()) == {"redis_url": url}
    assert stat.S_IMODE(stored(fresh).stat().st_mode) == 0o600
    fresh.start()
    fresh.send("hello")
    wait_until("the message is in Redis", lambda: server.client().xlen("{openclaw-chat}:stream") == 1)


def test_a_redis_that_does_not_answer_leaves_all_as_it_was(fresh, redis_server):
    stored(fresh).write_text('{"channel": "mine"}')
    redis_server.stop()
    done = init(fresh, redis_server.url)
    assert done.returncode == 69, done
    assert b"nothing was stored" in done.stderr and b"refused" in done.stderr and b"--unchecked" in done.stderr
    assert stored(fresh).read_text() == '{"channel": "mine"}'
    assert init(fresh, redis_server.url, "--unchecked").returncode == 0
    assert json.loads(stored(fresh).read_text()) == {"redis_url": redis_server.url, "channel": "mine"}


def test_a_wrong_password_is_said_and_never_shown(fresh, make_redis):
    server, url = locked(make_redis)
    done = init(fresh, url.replace(SECRET, "wr0ng-w0rd"))
    assert done.returncode == 69, done
    assert b"credentials" in done.stderr
    assert b"wr0ng-w0rd" not in done.stdout + done.stderr
    assert not stored(fresh).exists()


def test_a_server_that_speaks_tls_gets_rediss(fresh, make_tls_redis, certificates):
    server = make_tls_redis("good")
    config = fresh.folder / "config.json"
    config.write_text(json.dumps({"redis_ca_file": str(certificates.root)}))
    done = init(fresh, f"redis://127.0.0.1:{server.tls_port}")
    assert done.returncode == 0, done
    assert b"stored as rediss://" in done.stderr
    assert json.loads(config.read_text()) == {
        "redis_url": f"rediss://127.0.0.1:{server.tls_port}", "redis_ca_file": str(certificates.root),
    }


@pytest.mark.parametrize(
    ("pasted", "why"),
    [
        ("https://eu1-x.upstash.io", b"REST"),
        ("localhost", b"no redis://"),
        ("", b"nothing was given"),
        (f"redis://:{SECRET}@h:port", b"a port"),
    ],
)
def test_what_is_no_redis_url_is_refused_with_what_to_do(fresh, pasted, why):
    done = hushed(init(fresh, pasted))
    assert done.returncode == 65, done
    assert why in done.stderr
    assert not stored(fresh).exists()


def test_the_variable_is_taken_where_nothing_is_given(fresh, redis_server):
    done = init(fresh, "", environment={"UPSTASH_REDIS_URL": redis_server.url})
    assert done.returncode == 0, done
    assert json.loads(stored(fresh).read_text()) == {"redis_url": redis_server.url}


def test_the_old_service_gives_its_url_and_is_to_be_stopped(fresh, redis_server):
    units = fresh.home / ".config" / "systemd" / "user"
    units.mkdir(parents=True)
    unit = units / "openclaw-bus-subscriber.service"
    unit.write_text(f'[Service]\nEnvironment="UPSTASH_REDIS_URL={redis_server.url}"\nExecStart=/usr/bin/python3 x\n')
    done = init(fresh, "")
    assert done.returncode == 0, done
    assert b"disable --now openclaw-bus-subscriber" in done.stderr
    assert json.loads(stored(fresh).read_text()) == {"redis_url": redis_server.url}


def test_running_it_again_keeps_every_other_key_and_the_comments_aside(fresh, redis_server):
    old = "{\n  // ours\n  redis_url: 'redis://gone',\n  channel: 'mine',\n}\n"
    stored(fresh).write_text(old)
    done = init(fresh, redis_server.url)
    assert done.returncode == 0, done
    assert json.loads(stored(fresh).read_text()) == {"redis_url": redis_server.url, "channel": "mine"}
    kept = fresh.home / ".openclaw-bus-config.json.before-init"
    assert kept.read_text() == old
    assert str(kept).encode() in done.stderr


def test_a_file_that_is_no_json_is_left_alone(fresh, redis_server):
    stored(fresh).write_text("redis_url = x\n")
    done = init(fresh, redis_server.url)
    assert done.returncode == 78, done
    assert b"line 1" in done.stderr
    assert stored(fresh).read_text() == "redis_url = x\n"


def test_at_a_terminal_it_asks_without_showing_and_asks_again(fresh, make_redis):
    server, url = locked(make_redis)
    child, terminal = pty.fork()
    if child == 0:
        os.execve(program("clawd"), ["clawd", "init"], {**fresh.environment, "TERM": "dumb"})
    seen = b""

    def read_until(words):
        nonlocal seen
        while words not in seen:
            ready, _, _ = select.select([terminal], [], [], PATIENCE)
            assert ready, f"waited {PATIENCE} s in vain for {words}: {seen}"
            seen += os.read(terminal, 4096)

    read_until(b"it is not shown")
    os.write(terminal, b"https://x.upstash.io\n")
    read_until(b"REST")
    seen = seen.replace(b"it is not shown", b"", 1)
    read_until(b"it is not shown")
    os.write(terminal, url.encode() + b"\n")
    read_until(b"next:")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, seen
    assert SECRET.encode() not in seen
    assert json.loads(stored(fresh).read_text()) == {"redis_url": url}


def test_local_is_stored_without_asking_anyone(fresh):
    assert init(fresh, "local\n").returncode == 0
    assert json.loads(stored(fresh).read_text()) == {"redis_url": "local"}


def test_a_running_daemon_is_named(make_node):
    node = make_node("ada")
    done = init(node, "local")
    assert done.returncode == 0, done
    assert b"clawd is running with what it read before" in done.stderr


def test_config_shows_each_setting_its_place_and_redis_now(fresh, make_redis):
    server, url = locked(make_redis)
    stored(fresh).write_text(json.dumps({"redis_url": url, "channel": "mine"}))
    environment = {"LOCAL_AGENT_NAME": "ada"}
    done = hushed(fresh.run("clawd", "config", environment=environment))
    assert done.returncode == 0, done
    lines = done.stdout.decode().splitlines()
    rows = {line.split()[0]: line for line in lines}
    assert f"redis://***@127.0.0.1:{server.port}/0" in rows["redis_url"] and str(stored(fresh)) in rows["redis_url"]
    assert "ada" in rows["local_agent_name"] and "LOCAL_AGENT_NAME" in rows["local_agent_name"]
    assert "default" in rows["queue_bytes"]
    assert lines[-1].startswith("Redis at 127.0.0.1") and "answers in" in lines[-1]
    report = json.loads(hushed(fresh.run("clawd", "config", "--json", environment=environment)).stdout)
    settings = {setting["name"]: setting for setting in report["settings"]}
    assert settings["channel"] == {"name": "channel", "value": "mine", "source": "file", "place": str(stored(fresh))}
    assert settings["stream_max_length"]["source"] == "default"
    assert report["redis"]["state"] == "ready"


def test_config_says_that_redis_is_gone_and_still_ends_well(fresh, redis_server):
    redis_server.stop()
    environment = {"UPSTASH_REDIS_URL": redis_server.url}
    done = fresh.run("clawd", "config", environment=environment)
    assert done.returncode == 0, done
    assert b"refused" in done.stdout.splitlines()[-1]
    report = json.loads(fresh.run("clawd", "config", "--json", environment=environment).stdout)
    assert report["redis"]["state"] == "failed" and "refused" in report["redis"]["error"]
    assert json.loads(fresh.run("clawd", "config", "--json").stdout)["redis"] == {"state": "off"}


def test_the_skill_is_put_where_openclaw_looks_with_programs_that_it_finds(fresh):
    done = fresh.run("clawd", "skill", "install")
    assert done.returncode == 66, done
    assert b".openclaw" in done.stderr
    (fresh.home / ".openclaw").mkdir()
    done = fresh.run("clawd", "skill", "install")
    assert done.returncode == 0, done
    skill = fresh.home / ".openclaw" / "skills" / "openclaw-bus" / "SKILL.md"
    assert done.stdout.decode().strip() == str(skill)
    text = skill.read_text()
    assert text.startswith("---\nname: openclaw-bus\n")
    # The release programs are where no gateway looks.
    programs = os.path.dirname(os.path.realpath(program("clawd")))
    assert f"    {programs}/clawq get --as NAME" in text and f"`{programs}/clawq status`" in text
    assert f"    {programs}/clawsend NAME - <<" in text
    assert "requires" not in text
    again = fresh.run("clawd", "skill", "install")
    assert again.returncode == 0 and b"nothing to do" in again.stderr


def test_a_skill_of_somebody_else_is_not_replaced_unless_asked(fresh):
    workspace = fresh.folder / "workspace"
    skill = workspace / "skills" / "openclaw-bus" / "SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("---\nname: other\n---\n")
    done = fresh.run("clawd", "skill", "install", "--workspace", workspace)
    assert done.returncode == 65, done
    assert skill.read_text() == "---\nname: other\n---\n"
    assert fresh.run("clawd", "skill", "install", "--workspace", workspace, "--force").returncode == 0
    skill.write_text(skill.read_text() + "older\n")
    again = fresh.run("clawd", "skill", "install", "--workspace", "workspace")
    assert again.returncode == 0 and again.stdout.decode().strip() == os.path.realpath(skill)
    assert not skill.read_text().endswith("older\n")
    assert fresh.run("clawd", "skill", "remove").returncode == 64


@pytest.mark.parametrize("by_variable", [True, False])
def test_a_file_that_is_named_is_made_where_it_is_named(fresh, redis_server, by_variable):
    path = fresh.folder / "elsewhere.json"
    if by_variable:
        done = init(fresh, redis_server.url, environment={"OPENCLAW_BUS_CONFIG": str(path)})
    else:
        done = init(fresh, redis_server.url, "--config", path)
    assert done.returncode == 0, done
    assert json.loads(path.read_text()) == {"redis_url": redis_server.url}
    assert not stored(fresh).exists()


def test_the_url_of_the_file_is_taken_and_tried_again_where_nothing_is_given(fresh, redis_server):
    text = "{\"telegram_group_id\": -100, \"redis_url\": \"" + redis_server.url + "\"}"
    stored(fresh).write_text(text)
    done = init(fresh, "")
    assert done.returncode == 0, done
    assert b"answers in" in done.stdout
    assert stored(fresh).read_text() == text


@pytest.mark.parametrize("options", [(), ("--unchecked",)])
def test_a_file_with_another_fault_is_left_as_it_is(fresh, options):
    stored(fresh).write_text("{queue_bytes: 5}")
    done = init(fresh, "local", *options)
    assert done.returncode == 78, done
    assert b"queue_bytes" in done.stderr
    assert stored(fresh).read_text() == "{queue_bytes: 5}"
    assert os.listdir(fresh.home) == [stored(fresh).name]


def test_config_refuses_an_empty_state_folder(fresh):
    fresh.names_state = False
    assert fresh.run("clawd", "config", "--state-dir=").returncode == 64


@pytest.mark.parametrize("linked", [False, True])
def test_a_running_daemon_notices_that_its_configuration_was_replaced(make_node, linked):
    node = make_node("ada", {"channel": "one"}, start=False)
    if linked:
        kept = node.folder / "kept"
        kept.mkdir()
        node.config_path.rename(kept / "real.json")
        node.config_path.symlink_to(kept / "real.json")
    node.start()
    assert "read again" not in node.log
    done = node.run("clawd", "init", stdin=b"local")
    assert done.returncode == 0, done
    wait_until("it is read", lambda: "configuration read again" in node.log)
    assert "redis_url has changed" in node.log
    other = node.folder / "other.json"
    other.write_text("{")
    os.replace(other, node.config_path)
    wait_until("what cannot be used is said", lambda: "the one before stays in force" in node.log)
    other.write_text('{"redis_url": "local"}')
    os.replace(other, node.config_path)
    wait_until("it is read", lambda: node.log.count("configuration read again") == 2)
    node.send("it works on")
    assert node.texts(1) == ["it works on"]
