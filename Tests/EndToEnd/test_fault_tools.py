"""The tools of the fault tests do what they say: else a test of a fault could pass because there was none."""

import socket
import ssl
import subprocess
import threading

import pytest

from bus import wait_until
from faults_namespace import BlackHole
from faults_proxy import CLOSE, RESET, STALL, take_command


class Echo:
    """A server that sends back what it gets, and what it got of each connection."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.got = []
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        try:
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.echo, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def echo(self, connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    self.got.append(data)
                    connection.sendall(data)
            except OSError:
                pass

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def echo():
    with Echo() as server:
        yield server


def dial(port, patience=10):
    connection = socket.create_connection(("127.0.0.1", port), timeout=patience)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def receive(connection, count):
    got = b""
    while len(got) < count:
        data = connection.recv(count - len(got))
        if not data:
            break
        got += data
    return got


def silent(connection, seconds=0.3):
    connection.settimeout(seconds)
    try:
        return connection.recv(1) is None
    except TimeoutError:
        return True
    finally:
        connection.settimeout(10)


def test_a_proxy_passes_everything_and_counts_the_attempts(echo, make_proxy):
    proxy = make_proxy(echo.port)
    data = bytes(range(256)) * 4096
    for _ in range(2):
        with dial(proxy.port) as connection:
            threading.Thread(target=connection.sendall, args=(data,)).start()
            assert receive(connection, len(data)) == data
    assert len(proxy.attempts) == 2
    wait_until("both are closed", lambda: not proxy.live())


def test_a_proxy_breaks_the_stream_into_single_bytes(echo, make_proxy):
    proxy = make_proxy(echo.port)
    proxy.set(up="drip", down="drip")
    with dial(proxy.port) as connection:
        data = bytes(range(200))
        connection.sendall(data)
        assert receive(connection, len(data)) == data
    # Two bytes may well meet before they are read.
    assert len(echo.got) > 20


def test_a_proxy_keeps_a_way_silent_and_opens_it_again(echo, make_proxy):
    proxy = make_proxy(echo.port)
    with dial(proxy.port) as connection:
        connection.sendall(b"a")
        assert receive(connection, 1) == b"a"
        proxy.set(down="drop")
        connection.sendall(b"lost")
        assert silent(connection)
        proxy.set(down="hold")
        connection.sendall(b"kept")
        assert silent(connection)
        proxy.set(down="pass")
        assert receive(connection, 4) == b"kept"


def test_a_silent_proxy_hides_that_the_server_has_ended(make_proxy, make_redis):
    server = make_redis()
    proxy = make_proxy(server.port)
    with dial(proxy.port) as connection:
        connection.sendall(b"PING\r\n")
        assert receive(connection, 7) == b"+PONG\r\n"
        proxy.set(down="drop")
        server.kill()
        assert silent(connection)


@pytest.mark.parametrize("how", [CLOSE, RESET])
def test_a_proxy_ends_connections_at_once_or_after_some_bytes(echo, make_proxy, how):
    proxy = make_proxy(echo.port)

    def ends(connection):
        try:
            return CLOSE if connection.recv(1) == b"" else "data"
        except ConnectionResetError:
            return RESET

    with dial(proxy.port) as connection:
        connection.sendall(b"a")
        receive(connection, 1)
        proxy.cut(how)
        assert ends(connection) == how
    with dial(proxy.port) as connection:
        connection.sendall(b"a")
        receive(connection, 1)
        proxy.cut(how, after=3)
        connection.sendall(b"bcdefg")
        if how == CLOSE:
            assert receive(connection, 6) == b"bcd"
        wait_until("closed", lambda: not proxy.live())


def test_a_proxy_refuses_stalls_and_closes_at_the_door(echo, make_proxy):
    proxy = make_proxy(echo.port)
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        dial(proxy.port)
    proxy.allow()
    proxy.set(accept=STALL)
    with dial(proxy.port) as connection:
        connection.sendall(b"a")
        assert silent(connection)
    proxy.set(accept=CLOSE)
    with dial(proxy.port) as connection:
        assert connection.recv(1) == b""
    proxy.set(accept=RESET)
    # Before connecting is over, or after.
    with pytest.raises(ConnectionResetError), dial(proxy.port) as connection:
        connection.recv(1)


def test_commands_are_cut_out_of_a_stream_byte_by_byte():
    stream = b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\n"
    buffer, taken = bytearray(), []
    for byte in stream:
        buffer.append(byte)
        if command := take_command(buffer):
            taken.append(command)
    assert [words for words, _ in taken] == [[b"PING"], [b"ECHO", b"a\r\n"]]
    assert b"".join(raw for _, raw in taken) == stream


def test_a_scripted_redis_answers_what_the_test_says_and_else_as_a_real_one(redis_server, make_scripted):
    scripted = make_scripted(redis_server.port)
    with dial(scripted.port) as connection:

        def ask(*words):
            command = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
            connection.sendall(command)

        def asked(reply, *words):
            ask(*words)
            assert receive(connection, len(reply)) == reply

        asked(b"+OK\r\n", b"SET", b"a", b"1")
        scripted.answer("GET", b"-LOADING not yet\r\n", times=1)
        asked(b"-LOADING not yet\r\n", b"GET", b"a")
        asked(b"$1\r\n1\r\n", b"GET", b"a")
        assert scripted.count("GET") == 2
        scripted.answer("GET", b":7\r\n", times=1, served=True)
        asked(b":7\r\n$1\r\n1\r\n", b"GET", b"a")
        scripted.answer("GET")
        ask(b"GET", b"a")
        assert silent(connection)
        scripted.answer("GET", b":8\r\n", then=CLOSE)
        asked(b":8\r\n", b"GET", b"a")
        assert connection.recv(1) == b""
    scripted.behave()
    scripted.greet(b"-ERR max number of clients reached\r\n")
    with dial(scripted.port) as connection:
        assert receive(connection, 100) == b"-ERR max number of clients reached\r\n"
    scripted.behave()
    with dial(scripted.port) as connection:
        connection.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert receive(connection, 7) == b"+PONG\r\n"
        assert scripted.say(b"+unasked\r\n", to_subscriber=False) == 1
        assert receive(connection, 10) == b"+unasked\r\n"


# What OpenSSL says of each bad kind. Three of them are fit by its own rules, and are ours to refuse.
VERDICTS = {
    "good": None,
    "expired": "certificate has expired",
    "not-yet-valid": "certificate is not yet valid",
    "self-signed": "self-signed certificate",
    "untrusted": "unable to get local issuer certificate",
    "wrong-host": "Hostname mismatch",
    "cn-only": "Hostname mismatch",
    "weak-key": "EE certificate key too weak",
    "authority": None,
}


@pytest.mark.parametrize("kind", VERDICTS)
def test_a_redis_shows_a_certificate_of_each_kind(make_tls_redis, certificates, kind):
    server = make_tls_redis(kind)
    context = ssl.create_default_context(cafile=certificates.root)
    context.set_ciphers("DEFAULT:@SECLEVEL=2")
    context.hostname_checks_common_name = False
    with dial(server.tls_port) as plain:
        if VERDICTS[kind] is None:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                connection.sendall(b"PING\r\n")
                assert receive(connection, 7) == b"+PONG\r\n"
                extensions = subprocess.run(
                    ["openssl", "x509", "-in", server.certificate, "-noout", "-ext", "basicConstraints"],
                    capture_output=True, text=True, check=True,
                ).stdout
                assert ("CA:TRUE" in extensions) == (kind == "authority")
        else:
            with pytest.raises(ssl.SSLCertVerificationError, match=VERDICTS[kind]):
                context.wrap_socket(plain, server_hostname="localhost")


def test_a_redis_asks_for_a_client_certificate_and_changes_its_own(make_tls_redis, certificates):
    server = make_tls_redis("expired", asks_client=True)
    context = ssl.create_default_context(cafile=certificates.root)
    with dial(server.tls_port) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="localhost")
    server.serve(certificates.server("good"))

    def ping():
        with dial(server.tls_port) as plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(b"PING\r\n")
            return receive(connection, 7)

    # In TLS 1.3 the client's part is over before the server finds that something is missing.
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ping()
    context.load_cert_chain(*certificates.client())
    assert ping() == b"+PONG\r\n"


def test_packets_vanish_and_come_again(black_hole, make_redis):
    server = make_redis()
    server.kill()
    server.wrapper = black_hole.far
    server.options = ["--bind", "127.0.0.1", BlackHole.far_address, "--protected-mode", "no"]
    server.start()

    def ping():
        script = (
            f"import socket; s = socket.create_connection(('{BlackHole.far_address}', {server.port}), 1);"
            "s.sendall(b'PING\\r\\n'); s.settimeout(1); print(s.recv(7))"
        )
        done = subprocess.run([*black_hole.near, "python3", "-c", script], capture_output=True, text=True)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    assert "PONG" in ping()
    black_hole.swallow()
    assert "timed out" in ping()
    black_hole.release()
    assert "PONG" in ping()


def test_a_hosts_file_of_ones_own(names):
    assert names.look_up("bus.test") == []
    names.write("127.0.0.2 bus.test", "127.0.0.1 bus.test")
    assert sorted(names.look_up("bus.test")) == ["127.0.0.1", "127.0.0.2"]
