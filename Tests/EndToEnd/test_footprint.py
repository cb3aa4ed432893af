"""clawq is what agents run all day: what it touches stays little, and does not grow with what was read long ago."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile

from bus import program, wait_until

PIPE_BYTES = 4096


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


@contextlib.contextmanager
def in_small_pages():
    """clawq as a file of whose pages each is a page: of other files the kernel may keep, and map, many at once, whoever
    looks at one of them."""
    place = "/dev/shm"
    assert not os.statvfs(place).f_flag & os.ST_NOEXEC, "programs cannot be run from /dev/shm here"
    with tempfile.TemporaryDirectory(dir=place, prefix="bus.") as folder:
        yield shutil.copy(program("clawq"), folder)


@contextlib.contextmanager
def held_at_its_output(node, clawq, *words):
    """Starts clawq and gives its process id while it waits to write: its pipe is full."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.write(writer, b"x" * PIPE_BYTES)
    child = subprocess.Popen(
        [clawq, *map(str, (*words, *node.common))], stdin=subprocess.DEVNULL, stdout=writer,
        env=node.environment,
    )
    os.close(writer)
    try:
        # Its last file is open and it sleeps: nothing else makes it wait.
        wait_until("clawq waits for its reader", lambda: state_of(child.pid) == "S")
        yield child.pid
    finally:
        with open(reader, "rb") as pipe:
            pipe.read()
        assert child.wait(10) == 0


def resident_kilobytes(pid, name=None):
    """What is in memory of the process, or of the file `name` alone; exact, unlike the kernel's running count."""
    found = 0
    counts = name is None
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-", line):
                counts = name is None or line.rstrip().endswith("/" + name)
            elif counts and line.startswith("Rss:"):
                found += int(line.split()[1])
    return found


def test_check_touches_little_memory(local_node):
    # The aim is 2.5 MB, which `bench/run check` measures. How many pages the kernel maps around one that is looked at
    # depends on how it keeps the file (2.4 to 2.8 MB were seen of one and the same program), so that this only guards
    # against much more: a start that builds what it does not need was at 5 MB.
    for number in range(5):
        local_node.send(f"hello {number}")
    wait_until("five unread", lambda: local_node.unread() == 5)
    local_node.check()
    with in_small_pages() as clawq, held_at_its_output(local_node, clawq, "check") as pid:
        assert resident_kilobytes(pid) * 1024 <= 3_300_000


def test_check_looks_at_none_of_what_was_read(local_node):
    local_node.send("the first")
    wait_until("one unread", lambda: local_node.unread() == 1)
    local_node.get()
    local_node.send("unread")
    wait_until("one unread", lambda: local_node.unread() == 1)
    with held_at_its_output(local_node, program("clawq"), "check") as pid:
        before = resident_kilobytes(pid, "queue.ring")
    for _ in range(40):
        local_node.send("x" * 200_000)
    wait_until("all there", lambda: local_node.unread() == 41)
    local_node.get("--all")
    local_node.send("unread")
    wait_until("one unread", lambda: local_node.unread() == 1)
    with held_at_its_output(local_node, program("clawq"), "check") as pid:
        after = resident_kilobytes(pid, "queue.ring")
    # 8 MB were read meanwhile. The kernel maps up to 64 KiB around a page that is looked at, for each of a few places.
    assert after <= before + 256
