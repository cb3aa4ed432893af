"""Fixtures: each test has servers, daemons and folders of its own, so that tests run side by side and in any order."""

import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import bus


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
