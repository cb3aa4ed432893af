"""Fixtures: each test has servers, daemons and folders of its own, so that tests run side by side and in any order."""

import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import bus
import faults
import faults_certificates
import faults_namespace
import faults_proxy


def pytest_terminal_summary(terminalreporter):
    """What a test has to tell though it passed, by `record_property("counts", …)`: pytest keeps output to itself."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "counts":
                    terminalreporter.section(report.nodeid.rpartition("::")[2])
                    terminalreporter.write_line(value)


@pytest.fixture
def folder():
    """A new folder with a short path (a unix socket's may have 107 bytes), removed afterwards."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="bus."))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def processes():
    """What the other fixtures started: ended by process id, and their logs shown if the test fails."""
    started = []
    yield started
    for process in reversed(started):
        process.kill()
        print(f"--- {process.log_path}\n{process.log[-20000:]}")


@pytest.fixture
def make_redis(folder, processes):
    """make_redis(OPTION...) starts a redis-server of its own with these options."""
    numbers = itertools.count()

    def make(*options):
        server = bus.RedisServer(folder / f"redis{next(numbers)}", *options)
        processes.append(server)
        return server.start()

    return make


@pytest.fixture
def redis_server(make_redis):
    return make_redis()


@pytest.fixture
def make_node(folder, processes):
    """make_node(NAME, CONFIG, start=True) makes one server's part of the bus, and starts its daemon."""

    def make(name="ada", config=None, start=True):
        node = bus.Node(name, folder / name, config)
        processes.append(node)
        return node.start() if start else node

    return make


@pytest.fixture
def node(make_node, redis_server):
    """A node on a real Redis."""
    return make_node("ada", {"redis_url": redis_server.url})


@pytest.fixture
def local_node(make_node):
    """A node with no configuration at all: the bus of one machine."""
    return make_node("ada")


@pytest.fixture
def small_disk(folder):
    """A file system of 4 MiB. Mounting needs root, or sudo that asks nothing."""
    place = folder / "disk"
    place.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size=4m,mode=700,uid={os.geteuid()},gid={os.getegid()}"
    subprocess.run([*as_root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    yield place
    subprocess.run([*as_root, "umount", "-l", place], check=True)


# What faults are made with


@pytest.fixture(scope="session")
def certificates():
    """Good and bad certificates, made once for all tests of a worker."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="bus."))
    yield faults_certificates.Certificates(path)
    shutil.rmtree(path)


@pytest.fixture
def make_tls_redis(folder, processes, certificates):
    """make_tls_redis(KIND, OPTION...) starts a redis-server with a certificate of this kind."""
    numbers = itertools.count()

    def make(kind="good", *options, asks_client=False):
        server = bus.TLSRedisServer(
            folder / f"tls{next(numbers)}", certificates.server(kind), certificates.root, *options,
            asks_client=asks_client,
        )
        if kind == "weak-key":
            server.openssl_settings = certificates.lenient()
        processes.append(server)
        return server.start()

    return make


@pytest.fixture
def proxies():
    """What make_proxy and make_scripted started."""
    started = []
    yield started
    for proxy in started:
        proxy.stop()


@pytest.fixture
def make_proxy(proxies):
    """make_proxy(TARGET) puts a proxy before a port or a unix socket."""

    def make(target, **more):
        proxies.append(faults_proxy.FaultProxy(target, **more))
        return proxies[-1]

    return make


@pytest.fixture
def make_scripted(proxies):
    """make_scripted(TARGET) puts a Redis that answers what the test says before a real one."""

    def make(target, **more):
        proxies.append(faults_proxy.ScriptedRedis(target, **more))
        return proxies[-1]

    return make


@pytest.fixture
def black_hole():
    """A network in which packets can be made to vanish."""
    if not faults_namespace.is_possible():
        pytest.skip("unshare -rn does not work here")
    network = faults_namespace.BlackHole()
    yield network
    network.stop()


@pytest.fixture
def names(folder):
    """A hosts file of the test's own."""
    if not faults_namespace.is_possible():
        pytest.skip("unshare -rm does not work here")
    return faults_namespace.Names(folder)


# A server that is killed has what it said it had.
LASTING = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def make_link(make_redis, make_tls_redis, make_node, make_proxy, make_scripted, certificates):
    """make_link(...) makes a daemon that is connected to a Redis of its own through a proxy; see its parameters."""
    numbers = itertools.count()

    def make(tls=False, scripted=False, options=(), login="", server=None, name=None, start=True, config=(), peer=True):
        options = (*LASTING, *options)
        server = server or (make_tls_redis("good", *options) if tls else make_redis(*options))
        proxy = (make_scripted if scripted else make_proxy)(server.tls_port if tls else server.port)
        settings = {"redis_url": f"{'rediss' if tls else 'redis'}://{login}127.0.0.1:{proxy.port}"}
        if tls:
            settings["redis_ca_file"] = str(certificates.root)
        if not start:
            # It may connect for the first time after the other side has sent.
            settings["first_start"] = "all"
        name = name or f"n{next(numbers)}"
        node = make_node(name, {**settings, **dict(config)}, start)
        other = make_node(f"{name}-peer", {"redis_url": f"unix://{server.socket}", **dict(config)}) if peer else None
        return faults.Link(node, server, proxy, tls, other)

    return make
