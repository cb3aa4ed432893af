"""The daemon under a service manager: what it tells it (sd_notify(3))."""

import signal
import socket

from bus import wait_until


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(0)
        self.heard = []

    def hears(self, text):
        try:
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            pass
        return any(part.startswith(text) for part in self.heard)


def test_it_says_that_it_is_ready_lives_reloads_and_stops(make_node, redis_server, folder):
    manager = Manager(folder / "notify")
    node = make_node("ada", {"redis_url": redis_server.url}, start=False)
    node.environment |= {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "200000"}
    node.start()
    wait_until("READY", lambda: manager.hears("READY=1"))
    wait_until("STATUS", lambda: manager.hears("STATUS=Redis: ready"))
    wait_until("the watchdog is fed", lambda: manager.hears("WATCHDOG=1"))
    node.send_signal(signal.SIGHUP)
    wait_until("RELOADING", lambda: manager.hears("RELOADING=1\nMONOTONIC_USEC="))
    node.stop()
    wait_until("STOPPING", lambda: manager.hears("STOPPING=1"))


def test_a_daemon_that_hangs_no_longer_feeds_the_watchdog(make_node, folder):
    manager = Manager(folder / "notify")
    node = make_node("ada", start=False)
    node.environment |= {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "200000"}
    node.start()
    wait_until("the watchdog is fed", lambda: manager.hears("WATCHDOG=1"))
    node.send_signal(signal.SIGSTOP)
    wait_until("it stands", lambda: open(f"/proc/{node.pid}/stat").read().split()[2] == "T")
    manager.hears("")
    manager.heard.clear()
    manager.socket.settimeout(1)
    try:
        manager.heard.append(manager.socket.recv(4096).decode())
    except TimeoutError:
        pass
    assert manager.heard == []
    node.send_signal(signal.SIGCONT)
