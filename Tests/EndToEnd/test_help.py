"""Each program explains itself, and runs where nothing of Swift is installed."""

import pathlib
import re
import struct
import subprocess

import pytest

from bus import program

ALL = ["clawd", "clawq", "clawsend"]


@pytest.mark.parametrize("name", ALL)
def test_help_shows_the_usage_and_the_exit_codes(make_node, name):
    done = make_node(start=False).run_tail(name, "--help")
    assert done.returncode == 0
    assert done.stderr == b""
    text = done.stdout.decode()
    assert name in text
    assert "--state-dir" in text and "--config" in text
    for code in ("64", "77", "78"):
        assert code in text


@pytest.mark.parametrize("name", ALL)
def test_version_is_one_line(make_node, name):
    done = make_node(start=False).run_tail(name, "--version")
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 1
    assert any(byte in b"0123456789" for byte in done.stdout)


@pytest.mark.parametrize(
    "words",
    [
        ["clawd", "--no-such-flag"],
        ["clawd", "run", "-x"],
        ["clawq", "get", "--no-such-flag"],
        ["clawq", "--no-such-flag", "get"],
        ["clawsend", "ada", "text", "--no-such-flag"],
        ["clawsend", "ada", "-5 degrees"],
    ],
    ids=" ".join,
)
def test_an_unknown_flag_is_a_usage_error_that_shows_the_way_out(make_node, words):
    node = make_node(start=False)
    done = node.run_tail(*words)
    assert done.returncode == 64
    unknown = next(word for word in words if word.startswith("-"))
    assert unknown.encode() in done.stderr
    assert b"--" in done.stderr.replace(unknown.encode(), b"")
    if words[0] == "clawsend":
        assert b"stdin" in done.stderr or b"standard input" in done.stderr
    assert not node.state.exists()


@pytest.mark.parametrize("words", [["clawq"], ["clawq", "fetch"], ["clawd", "walk"], ["clawsend"]], ids=" ".join)
def test_an_unknown_or_missing_command_is_a_usage_error(make_node, words):
    done = make_node(start=False).run_tail(*words)
    assert done.returncode == 64
    assert done.stderr


@pytest.mark.parametrize("words", [["clawq", "get", "--max"], ["clawq", "get", "--max", "0x"], ["clawq", "get", "--max", "-1"]])
def test_a_flag_with_a_bad_value_is_a_usage_error(make_node, words):
    assert make_node(start=False).run_tail(*words).returncode == 64


def interpreter(path):
    """The dynamic linker an ELF program asks for; None for a static one."""
    data = pathlib.Path(path).read_bytes()
    assert data[:5] == b"\x7fELF\x02"
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", data, offset + index * size)
        if kind == 3:
            return data[start : start + length]
    return None


@pytest.mark.parametrize("name", ["clawq", "clawsend"])
def test_the_small_tools_are_static(name):
    assert interpreter(program(name)) is None


def test_the_daemon_needs_no_swift_at_run_time():
    assert interpreter(program("clawd")) is not None
    dynamic = subprocess.run(["readelf", "-d", "-W", program("clawd")], capture_output=True, check=True, text=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic)
    assert "libc.so.6" in needed
    # OpenSSL too: its mends come with the system's updates.
    system = r"(libc|libm|libssl|libcrypto|libanl|libstdc\+\+|libgcc_s|ld-linux-[a-z0-9-]+)\.so\.[0-9]+"
    assert [name for name in needed if not re.fullmatch(system, name)] == []
