"""The faults of the chaos. A lane is a shuffled list of faults that strike one after the other; lanes go side by side.

A fault that finds nothing to strike (no connection to cut, a server that is away) is tried again until it does: only
what has struck is counted.
"""

import signal
import time

import redis

from bus import ONCE, wait_until
from faults_proxy import CLOSE, RESET

# Longer than the 10 s in which an answer must come: rare, because everything waits for it.
OVERDUE = 11.5


class Lane:
    # Kind of fault: the method that provokes it. It answers whether it has struck.
    kinds = {}

    def __init__(self, chaos, chance, each):
        self.chaos = chaos
        self.chance = chance
        self.struck = 0
        self.deck = [kind for kind in self.kinds for _ in range(each)]
        chance.shuffle(self.deck)
        self.name = "server"

    def blow(self, count):
        """The next faults of this lane."""
        for kind in self.deck[self.struck : self.struck + count]:
            self.pause()
            end = time.monotonic() + 30
            while not self.kinds[kind](self):
                assert time.monotonic() < end, f"nothing to strike for {kind!r} in 30 s"
                time.sleep(0.05)
            self.chaos.note(f"  {self.name}: {kind}")
            self.chaos.count(kind)
            self.struck += 1

    def pause(self):
        """Faults come at any moment; most of them while something is there to be broken."""
        if self.chance.random() < 0.8:
            end = time.monotonic() + 3
            while time.monotonic() < end and not self.is_at_work():
                time.sleep(0.02)
        time.sleep(self.chance.random() ** 2 * 0.8)

    def is_at_work(self):
        raise NotImplementedError

    def moment(self):
        """How long something lasts: mostly short."""
        return 0.1 + 1.2 * self.chance.random() ** 2


class ServerFaults(Lane):
    def __init__(self, chaos, chance, server, each):
        self.server = server
        super().__init__(chaos, chance, each)
        self.overdue = 1

    def is_at_work(self):
        return any(node.is_running() and node.is_ready() for node in self.chaos.nodes)

    def restart(self, number):
        self.server.stop(number)
        time.sleep(self.moment() / 2)
        self.server.start()
        wait_until("the server has read its file", self.is_up)
        return True

    def is_up(self):
        try:
            return self.client().ping()
        except (redis.BusyLoadingError, redis.ConnectionError):
            return False

    def client(self):
        return redis.Redis(unix_socket_path=str(self.server.socket), retry=ONCE)

    def end(self):
        return self.restart(signal.SIGTERM)

    def kill(self):
        return self.restart(signal.SIGKILL)

    def freeze(self):
        duration = self.moment()
        if self.overdue:
            self.overdue, duration = self.overdue - 1, OVERDUE
        self.server.send_signal(signal.SIGSTOP)
        time.sleep(duration)
        self.server.send_signal(signal.SIGCONT)
        return True

    def flush_scripts(self):
        return self.client().script_flush()

    kinds = {
        "server ended by SIGTERM and started": end,
        "server ended by SIGKILL and started": kill,
        "server frozen": freeze,
        "SCRIPT FLUSH": flush_scripts,
    }


class DaemonFaults(Lane):
    def __init__(self, chaos, chance, node, proxy, each):
        self.node = node
        self.proxy = proxy
        super().__init__(chaos, chance, each)
        self.name = node.name
        self.overdue = 1

    def is_at_work(self):
        status = self.node.status_or_none()
        return status is not None and status["redis"]["state"] == "ready"

    # The daemon

    def kill(self):
        return self.start_again(signal.SIGKILL)

    def end(self):
        return self.start_again(signal.SIGTERM)

    def start_again(self, number):
        self.node.stop(number)
        # Mostly at once, and sometimes long enough for many messages to be waiting.
        time.sleep(self.chance.choice((0, 0, 0.3, 2.5)) * self.chance.random())
        self.node.launch()
        wait_until(f"{self.node.name} runs", self.is_started, patience=20)
        return True

    def is_started(self):
        assert self.node.is_running(), f"clawd ended with {self.node.child.returncode}:\n{self.node.log[-3000:]}"
        status = self.node.status_or_none()
        return status is not None and status["daemon"]["pid"] == self.node.pid

    def freeze(self):
        self.node.send_signal(signal.SIGSTOP)
        time.sleep(self.moment())
        self.node.send_signal(signal.SIGCONT)
        return True

    # Its connections, at the server

    def disconnect(self):
        """CLIENT KILL of the subscription, of the commands, or of both."""
        ports = {connection.port for connection in self.proxy.live()}
        wanted = self.chance.choice(((True,), (False,), (True, False)))
        killed = 0
        try:
            client = redis.Redis(unix_socket_path=str(self.chaos.server.socket), retry=ONCE, socket_timeout=20)
            for one in client.client_list():
                its_port = one["addr"].rpartition(":")[2]
                if its_port.isdigit() and int(its_port) in ports and (one["sub"] != "0") in wanted:
                    killed += client.client_kill_filter(_id=one["id"])
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        return killed > 0

    # Its connections, on the way

    def cut(self, how):
        live = self.proxy.live()
        if not live:
            return False
        chosen = self.chance.choice((live, live[:1], live[-1:]))
        self.proxy.cut(how, only=lambda connection: connection in chosen)
        return True

    def close(self):
        return self.cut(CLOSE)

    def reset(self):
        return self.cut(RESET)

    def cut_inside(self):
        """After so many bytes of either way: within a frame, a record of TLS, or a handshake."""
        live = self.proxy.live()
        if not live:
            return False
        how, up, after = self.chance.choice((CLOSE, RESET)), self.chance.random() < 0.5, self.chance.randrange(1, 3000)
        self.proxy.cut(how, after=after, up=up, only=lambda connection: connection in live)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            if not all(connection.is_open for connection in live):
                return True
            time.sleep(0.01)
        return False

    def stall(self, up, down):
        duration = self.moment()
        if self.overdue:
            self.overdue, duration = self.overdue - 1, OVERDUE
        # What was held is lost for ever in half of the cases: a command that was carried out and never answered, too.
        lose = self.chance.random() < 0.5
        if not self.proxy.live():
            return False
        self.proxy.set(up=up, down=down)
        time.sleep(duration)
        if lose:
            self.proxy.cut(self.chance.choice((CLOSE, RESET)))
        self.proxy.set(up="pass", down="pass")
        return True

    def stall_both(self):
        return self.stall("hold", "hold")

    def stall_one(self):
        return self.stall(*self.chance.choice((("hold", "pass"), ("pass", "hold"))))

    def shut(self):
        """Nobody listens for a moment, and nobody is connected."""
        self.proxy.refuse()
        self.proxy.cut(self.chance.choice((CLOSE, RESET)))
        time.sleep(self.moment())
        self.proxy.allow()
        return True

    kinds = {
        "kill -9 of a daemon": kill,
        "a daemon ended by SIGTERM and started": end,
        "a daemon frozen": freeze,
        "CLIENT KILL": disconnect,
        "connection closed": close,
        "connection reset": reset,
        "connection cut inside a frame": cut_inside,
        "both ways stalled": stall_both,
        "one way stalled": stall_one,
        "door shut": shut,
    }
