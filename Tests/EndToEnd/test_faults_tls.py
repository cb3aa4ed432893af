"""TLS: whom the daemon trusts, whom it refuses and how it says so, and that it tells a stranger nothing."""

import signal
import subprocess

import pytest

from bus import stays_away, wait_until
from faults import CANNOT, LATER, Link


def told(node, pattern):
    link = Link.__new__(Link)
    link.node, link.mark_at = node, 0
    return link.said(pattern)


def spoken_to(server):
    """Whether any command of the daemon reached this server."""
    return "cmdstat_hello" in server.client().info("commandstats")


# One row for each bad kind: what the log says, besides that the connection failed.
REFUSED = {
    "expired": "expired on .* UTC",
    "not-yet-valid": "not valid before .* UTC",
    "self-signed": "self-signed",
    "untrusted": "signed by .*stranger.*redis_ca_file",
    "wrong-host": "elsewhere.example",
    "cn-only": "common name .*localhost",
    "authority": "CA:TRUE",
    "weak-key": "too weak.*1024",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_bad_certificate_is_named_and_left_alone_and_told_nothing(
    make_tls_redis, make_proxy, make_node, certificates, kind
):
    server = make_tls_redis(kind)
    proxy = make_proxy(server.tls_port)
    # By a name too: the common name is one, and must not count.
    url = f"rediss://:geheim@{'localhost' if kind == 'cn-only' else '127.0.0.1'}:{proxy.port}"
    node = make_node(config={"redis_url": url, "redis_ca_file": str(certificates.root)}, start=False).launch()
    line = told(node, f"Redis: cannot connect: .*{REFUSED[kind]}.*{LATER}")
    wait_until("the status says so", lambda: (node.status_or_none() or {}).get("redis", {}).get("last_error"))
    assert node.status()["redis"]["state"] == "waiting"
    attempts = len(proxy.attempts)
    assert stays_away(lambda: len(proxy.attempts) > attempts, seconds=2), "tried again at once"
    assert not spoken_to(server)
    assert "geheim" not in node.log
    # Each kind is named as itself.
    others = [other for other in REFUSED if other != kind and kind not in ("self-signed", "cn-only")]
    assert not any(REFUSED[other].split(".*")[0] in line for other in others if other != "untrusted"), line
    # With another certificate it is as good as any.
    node.stop()
    server.serve(certificates.server("good"))
    node.start()
    Link(node, server).flows("good")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("how", ["redis_ca_file", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_good_certificate_is_trusted_by_whom_one_names(make_tls_redis, make_node, certificates, folder, host, how):
    server = make_tls_redis()
    node = make_node(config={"redis_url": f"rediss://{host}:{server.tls_port}"}, start=False)
    if how == "redis_ca_file":
        node.configure({"redis_url": f"rediss://{host}:{server.tls_port}", how: str(certificates.root)})
    elif how == "SSL_CERT_FILE":
        node.environment[how] = str(certificates.root)
    else:
        trusted = folder / "trusted"
        trusted.mkdir()
        (trusted / "root.pem").write_bytes(certificates.root.read_bytes())
        subprocess.run(["openssl", "rehash", trusted], check=True, capture_output=True)
        node.environment[how] = str(trusted)
    node.start()
    Link(node, server).flows("trusted")
    assert server.client().client_list()


def test_nobody_is_trusted_for_being_there(make_tls_redis, make_node, folder):
    """An authority of our own is not among the system's."""
    server = make_tls_redis()
    node = make_node(config={"redis_url": f"rediss://127.0.0.1:{server.tls_port}"}, start=False).launch()
    told(node, "Redis: cannot connect: .*redis_ca_file.*; trying again")
    assert not spoken_to(server)


def test_a_server_that_wants_to_know_us_is_shown_our_certificate(make_tls_redis, make_node, certificates):
    server = make_tls_redis(asks_client=True)
    certificate, key = certificates.client()
    config = {"redis_url": f"rediss://127.0.0.1:{server.tls_port}", "redis_ca_file": str(certificates.root)}
    node = make_node(config=config, start=False).launch()
    told(node, "redis_cert_file.*; trying again")
    assert not spoken_to(server)
    node.stop()
    node.configure({**config, "redis_cert_file": str(certificate), "redis_key_file": str(key)})
    node.start()
    Link(node, server).flows("known")


@pytest.mark.parametrize(
    "setting, spoil",
    [
        ("redis_ca_file", "missing"), ("redis_ca_file", "garbage"), ("redis_cert_file", "missing"),
        ("redis_cert_file", "garbage"), ("redis_key_file", "missing"), ("redis_key_file", "garbage"),
        ("redis_key_file", "another's"), ("redis_key_file", "alone"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_at_the_start(make_node, certificates, folder, setting, spoil):
    certificate, key = certificates.client()
    files = {
        "redis_ca_file": str(certificates.root), "redis_cert_file": str(certificate), "redis_key_file": str(key)
    }
    if spoil == "missing":
        files[setting] = str(folder / "nowhere.pem")
    elif spoil == "garbage":
        files[setting] = str(folder / "garbage.pem")
        (folder / "garbage.pem").write_text("this is no certificate\n")
    elif spoil == "another's":
        files[setting] = str(certificates.server("good")[1])
    else:
        del files["redis_cert_file"]
    node = make_node(config={"redis_url": "rediss://127.0.0.1:1", **files}, start=False)
    code, said = node.refuses()
    assert code == 78, said
    assert setting in said


def test_tls_to_a_plain_port_is_told(make_redis, make_node):
    node = make_node(config={"redis_url": f"rediss://127.0.0.1:{make_redis().port}"}, start=False).launch()
    told(node, "Redis: cannot connect: .*TLS.*; trying again")


def test_tls_to_another_kind_of_server_is_told(make_redis, make_scripted, make_node):
    other = make_scripted(make_redis().port)
    other.greet(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    node = make_node(config={"redis_url": f"rediss://127.0.0.1:{other.port}"}, start=False).launch()
    told(node, "Redis: cannot connect: .*does not speak TLS.*; trying again")


def test_plain_to_a_tls_port_is_told(make_tls_redis, make_node):
    server = make_tls_redis()
    node = make_node(config={"redis_url": f"redis://127.0.0.1:{server.tls_port}"}, start=False).launch()
    told(node, "Redis: .*rediss://.*; trying again")


def test_an_old_version_of_tls_is_refused(make_tls_redis, make_node, certificates):
    server = make_tls_redis("good", "--tls-protocols", "TLSv1.1")
    config = {"redis_url": f"rediss://127.0.0.1:{server.tls_port}", "redis_ca_file": str(certificates.root)}
    node = make_node(config=config, start=False).launch()
    told(node, CANNOT)
    assert not spoken_to(server)


def test_tls_1_2_is_good_enough(make_tls_redis, make_node, certificates):
    server = make_tls_redis("good", "--tls-protocols", "TLSv1.2")
    config = {"redis_url": f"rediss://127.0.0.1:{server.tls_port}", "redis_ca_file": str(certificates.root)}
    Link(make_node(config=config), server).flows("TLS 1.2")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_large_message_goes_both_ways_through_many_records(make_link, version):
    link = make_link(tls=True, options=("--tls-protocols", version))
    text = "ä" * 100_000
    link.node.send(text)
    link.arrives(text)
    link.server.publish({"from": "old", "text": text + "!"})
    link.arrives(text + "!")


def test_hang_up_reads_the_files_again_and_tries_at_once(make_tls_redis, make_node, certificates, folder):
    server = make_tls_redis()
    trusted = folder / "trusted.pem"
    trusted.write_bytes(certificates.authority("another").read_bytes())
    config = {"redis_url": f"rediss://127.0.0.1:{server.tls_port}", "redis_ca_file": str(trusted)}
    node = make_node(config=config, start=False).launch()
    told(node, "which is not in redis_ca_file")
    # A file that cannot be used changes nothing.
    trusted.write_text("not a certificate")
    node.send_signal(signal.SIGHUP)
    told(node, "the one before stays in force: cannot use redis_ca_file")
    trusted.write_bytes(certificates.root.read_bytes())
    node.send_signal(signal.SIGHUP)
    told(node, "connected to Redis")
    Link(node, server).flows("mended")
