"""What the end-to-end tests drive: the three programs, as a user starts them, and a real redis-server."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import redis
import redis.backoff
import redis.retry

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("BUS_PROGRAMS", ROOT / ".build" / "release"))
CHANNEL = "openclaw-chat"
ONCE = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
PATIENCE = 30  # seconds: a bound on waiting, never a promise about speed


def program(name):
    path = PROGRAMS / name
    assert path.exists(), f"{path} is missing: build it with `swift build -c release`"
    return str(path)


def wait_until(what, predicate, patience=PATIENCE, pause=0.02):
    """Waits for a true answer and gives it, asking every `pause` seconds; fails, saying what was waited for, after
    `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        answer = predicate()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {patience} s in vain: {what}"
        time.sleep(pause)


def stays_away(predicate, seconds=0.5):
    """True if the predicate stays false for a moment; for what must not happen there is no better proof from outside."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if predicate():
            return False
        time.sleep(0.02)
    return True


class Process:
    """A child process with all its output in one file, ended by its process id."""

    def __init__(self, log):
        self.log_path = log
        self.child = None
        # Words before its own, of a program that becomes it: to run it in other namespaces.
        self.wrapper = []

    def spawn(self, arguments, environment):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                [str(word) for word in (*self.wrapper, *arguments)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=self.log_path.parent,
            )

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def pid(self):
        return self.child.pid

    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def send_signal(self, number):
        self.child.send_signal(number)

    def wait(self, patience=PATIENCE):
        return self.child.wait(timeout=patience)

    def stop(self, number=signal.SIGTERM):
        """Asks the process to end, and gives its exit code; negative where a signal ended it."""
        if not self.is_running():
            return None
        self.send_signal(number)
        try:
            return self.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise

    def kill(self):
        if self.is_running():
            self.child.kill()
            self.child.wait()


class RedisServer(Process):
    """A private redis-server on a loopback port and a unix socket, without persistence."""

    def __init__(self, folder, *options):
        folder.mkdir()
        super().__init__(folder / "redis.log")
        self.folder = folder
        self.options = options
        self.socket = folder / "redis.sock"
        self.port = None
        self.password = None

    def start(self):
        binary = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
        assert binary, "redis-server is missing: run tools/setup"
        # The port is found by binding: the server ends at once if another has it. A restart keeps its port.
        for port in [self.port] if self.port else random.sample(range(20000, 32000), 20):
            self.spawn(
                [
                    binary, "--port", port, "--bind", "127.0.0.1", "--unixsocket", self.socket, "--save", "",
                    "--appendonly", "no", "--dir", self.folder, *self.options,
                ],
                {"PATH": os.environ["PATH"]},
            )
            wait_until("redis-server answers", lambda: not self.is_running() or self.answers())
            if self.is_running():
                self.port = port
                return self
        raise AssertionError(f"redis-server does not start:\n{self.log}")

    def answers(self):
        # By the socket in our own folder: on the port, a stranger's server might answer.
        try:
            # One try each time: whoever waits for it asks again.
            redis.Redis(unix_socket_path=str(self.socket), retry=ONCE).ping()
            return True
        except redis.AuthenticationError:
            return True
        except redis.BusyLoadingError:
            return True
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def client(self, **more):
        # By the socket: it is reached from every namespace, and by no fault of the tests.
        return redis.Redis(unix_socket_path=str(self.socket), password=self.password, **more)

    def publish(self, payload):
        """Publishes raw bytes, or an object as the Python version did; gives the number of receivers."""
        if not isinstance(payload, bytes):
            payload = json.dumps(payload, ensure_ascii=False).encode()
        return self.client().publish(CHANNEL, payload)

    def subscribers(self):
        return self.client().pubsub_numsub(CHANNEL)[0][1]


class TLSRedisServer(RedisServer):
    """The same with a port for TLS beside the plain one."""

    tls_port = None

    def __init__(self, folder, certificate, authority, *options, asks_client=False):
        super().__init__(folder, *options)
        self.certificate, self.key = certificate
        self.authority = authority
        self.asks_client = asks_client
        # A file of settings for OpenSSL, for what it would refuse to serve.
        self.openssl_settings = None

    def spawn(self, arguments, environment):
        # As the plain port, it is found by trying, and kept by a restart.
        if self.port is None:
            self.tls_port = random.randrange(20000, 32000)
        if self.openssl_settings:
            environment = {**environment, "OPENSSL_CONF": str(self.openssl_settings)}
        super().spawn(
            [
                *arguments, "--tls-port", self.tls_port, "--tls-cert-file", self.certificate, "--tls-key-file", self.key,
                "--tls-ca-cert-file", self.authority, "--tls-auth-clients", "yes" if self.asks_client else "no",
            ],
            environment,
        )

    def serve(self, certificate):
        """Shows this certificate from the next connection on."""
        self.certificate, self.key = certificate
        self.client().config_set("tls-cert-file", str(self.certificate), "tls-key-file", str(self.key))

    @property
    def tls_url(self):
        return f"rediss://127.0.0.1:{self.tls_port}"


class Node(Process):
    """One server's part of the bus: a state folder, a configuration, a daemon, and the tools that use them."""

    def __init__(self, name, folder, config=None):
        folder.mkdir()
        super().__init__(folder / "clawd.log")
        self.name = name
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.state = folder / "state"
        self.names_state = True
        self.config_path = folder / "config.json"
        # Id and text of what `send` sent, in its order.
        self.sent = []
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8"}
        if config is not None:
            self.configure(config)

    def configure(self, config):
        self.config_path.write_text(config if isinstance(config, str) else json.dumps(config))

    @property
    def common(self):
        """The options that every program gets; without a configuration none is named."""
        options = ["--state-dir", self.state] if self.names_state else []
        return options + ["--config", self.config_path] if self.config_path.exists() else options

    # The daemon

    def start(self):
        """Starts clawd and waits until it is of use: connected to Redis, or a local bus."""
        self.launch()
        wait_until("clawd is ready", self.is_ready)
        return self

    def launch(self, *options):
        self.spawn([program("clawd"), *self.common, *options], self.environment)
        return self

    def is_ready(self):
        assert self.is_running(), f"clawd ended with {self.child.returncode}:\n{self.log}"
        status = self.status_or_none()
        # The process id tells the status of this daemon from what an earlier one left behind.
        return (
            status is not None
            and status["daemon"]["state"] == "running"
            and status["daemon"]["pid"] == self.pid
            and status["redis"]["state"] in ("ready", "off")
        )

    def restart(self):
        self.stop()
        return self.start()

    def refuses(self):
        """Starts a clawd that must end by itself; gives its exit code and what it said."""
        before = len(self.log)
        self.launch()
        return self.wait(), self.log[before:]

    # The tools

    def run(self, name, *words, stdin=b"", environment=None, **more):
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.run(
            [program(name), *(word if isinstance(word, bytes) else str(word) for word in (*words, *self.common))],
            input=stdin, timeout=PATIENCE, cwd=self.folder, env={**self.environment, **(environment or {})}, **more,
        )

    def run_tail(self, name, *words):
        """As `run`, with the common options first: for words that come after `--`."""
        words = [word if isinstance(word, bytes) else str(word) for word in words]
        return subprocess.run(
            [program(name), *map(str, self.common), *words], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=PATIENCE, cwd=self.folder, env=self.environment,
        )

    def run_shell(self, line):
        return subprocess.run(
            ["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE,
            cwd=self.folder, env=self.environment,
        )

    def clawq(self, *words, **more):
        return self.run("clawq", *words, **more)

    def clawsend(self, *words, **more):
        return self.run("clawsend", *words, **more)

    def send(self, text, *options, sender=None):
        """Sends through standard input, so that any text will do; gives the message's id."""
        stdin = (text if isinstance(text, bytes) else text.encode()) + b"\n"
        done = self.clawsend(*options, sender or self.name, "-", stdin=stdin)
        assert done.returncode == 0, done
        identifier = done.stdout.decode().strip()
        self.sent.append((identifier, text))
        return identifier

    def get(self, *options):
        done = self.clawq("get", *options)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    def check(self, *options):
        done = self.clawq("check", *options)
        assert done.returncode == 0, done
        return done.stdout.decode()

    def status_or_none(self):
        done = self.clawq("status", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def status(self):
        status = self.status_or_none()
        assert status is not None, self.clawq("status", "--json")
        assert status["read"] == status["total"] - status["unread"] - status["lost"], status
        return status

    def unread(self):
        return self.status()["unread"]

    def collect(self, count, *options, patience=PATIENCE):
        """Gets, and marks read, until `count` messages and losses have come; gives them in order."""
        got = []

        def enough():
            got.extend(self.get("--all", *options))
            return len(got) >= count

        wait_until(f"{count} messages", enough, patience)
        return got

    def texts(self, count, *options, patience=PATIENCE):
        return [message.get("text") for message in self.collect(count, *options, patience=patience)]

    def outbox(self, part):
        folder = self.state / "outbox" / part
        return sorted(folder.iterdir()) if folder.exists() else []
