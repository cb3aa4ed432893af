"""Ways to a Redis: passwords, users, databases, unix sockets, old servers; and secrets that stay secret."""

import urllib.parse

import pytest

from bus import CHANNEL, wait_until

SECRET = "p@ss/w:rd%?#geheim"
QUOTED = urllib.parse.quote(SECRET, safe="")


@pytest.fixture
def locked_redis(make_redis):
    server = make_redis("--requirepass", SECRET)
    server.password = SECRET
    return server


def works(node, redis_server):
    redis_server.client().publish(CHANNEL, b'{"from": "old", "text": "hello"}')
    assert node.texts(1) == ["hello"]


def test_a_password(make_node, locked_redis):
    works(make_node(config={"redis_url": f"redis://:{QUOTED}@127.0.0.1:{locked_redis.port}"}), locked_redis)


def test_a_user_and_a_password(make_node, redis_server):
    redis_server.client().execute_command("ACL", "SETUSER", "bus", "on", f">{SECRET}", "&*", "~*", "+@all")
    works(make_node(config={"redis_url": f"redis://bus:{QUOTED}@127.0.0.1:{redis_server.port}"}), redis_server)


def test_a_database_and_a_client_name(make_node, redis_server):
    works(make_node(config={"redis_url": f"{redis_server.url}/3"}), redis_server)
    clients = [client for client in redis_server.client().client_list() if client["name"]]
    assert clients
    assert {client["db"] for client in clients} == {"3"}


def test_a_unix_socket(make_node, redis_server):
    works(make_node(config={"redis_url": f"unix://{redis_server.socket}"}), redis_server)


def test_a_name_instead_of_an_address(make_node, redis_server):
    works(make_node(config={"redis_url": f"redis://localhost:{redis_server.port}"}), redis_server)


def test_a_server_that_does_not_know_hello(make_node, make_redis):
    server = make_redis("--rename-command", "HELLO", "")
    works(make_node(config={"redis_url": server.url}), server)


def test_a_server_with_a_password_that_does_not_know_hello(make_node, make_redis):
    server = make_redis("--rename-command", "HELLO", "", "--requirepass", SECRET)
    server.password = SECRET
    works(make_node(config={"redis_url": f"redis://:{QUOTED}@127.0.0.1:{server.port}"}), server)


def test_the_environment_wins_over_the_file(make_node, redis_server):
    node = make_node(config={"redis_url": "redis://127.0.0.1:1"}, start=False)
    node.environment["UPSTASH_REDIS_URL"] = redis_server.url
    node.start()
    works(node, redis_server)


def test_the_file_of_the_python_version_is_found_in_the_home_folder(make_node, redis_server):
    node = make_node(start=False)
    file = node.home / ".openclaw-bus-config.json"
    file.write_text(f'{{"redis_url": "{redis_server.url}", "telegram_group_id": "-100123"}}')
    node.start()
    works(node, redis_server)


def refused(status):
    return status is not None and status["redis"]["state"] == "waiting" and status["redis"]["last_error"]


@pytest.mark.parametrize("login", [f":wrong-{QUOTED}@", f"nobody:wrong-{QUOTED}@", ""], ids=["password", "user", "none"])
def test_a_refused_login_is_told_and_tried_again(make_node, locked_redis, login):
    url = f"redis://{login}127.0.0.1:{locked_redis.port}"
    node = make_node(config={"redis_url": url}, start=False).launch()
    wait_until("the refusal is in the status", lambda: refused(node.status_or_none()))
    node.send("kept meanwhile")
    assert node.is_running()
    # Mended on the server's side, it works without a restart.
    locked_redis.client().config_set("requirepass", "")
    if not login:
        locked_redis.password = None
        wait_until("connected", node.is_ready, patience=120)
        assert node.texts(1) == ["kept meanwhile"]


@pytest.mark.parametrize("right", [True, False], ids=["accepted", "refused"])
def test_secrets_are_nowhere_to_be_seen(make_node, locked_redis, right):
    login = QUOTED if right else "wrong-" + QUOTED
    url = f"redis://:{login}@127.0.0.1:{locked_redis.port}"
    node = make_node(config={"redis_url": url, "telegram_bot_token": "123456:geheim"}, start=False).launch()
    wait_until("it has tried", lambda: node.is_ready() or refused(node.status_or_none()))
    said = [node.log.encode(), open(f"/proc/{node.pid}/cmdline", "rb").read()]
    for words in (["status"], ["status", "--json"], ["check"], ["get"]):
        done = node.clawq(*words)
        said += [done.stdout, done.stderr]
    said += [path.read_bytes() for path in node.state.rglob("*") if path.is_file()]
    for text in said:
        assert b"geheim" not in text
        assert QUOTED.encode() not in text


def test_a_malformed_url_is_refused_without_repeating_its_secret(make_node):
    node = make_node(config={"redis_url": "redis://user:geheim@127.0.0.1:99999"}, start=False)
    code, said = node.refuses()
    assert code == 78
    assert "geheim" not in said
    assert "redis_url" in said
