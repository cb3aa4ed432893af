"""Links that are dead without a word. What only time shows is shown side by side: each row has servers and daemons of
its own, and all of them wait at once."""

import concurrent.futures
import dataclasses
import signal
import time
import typing

from bus import wait_until
from faults import BROKE, CANNOT, DEAD, UNANSWERED, Link
from faults_promise import Promise
from faults_namespace import BlackHole
from faults_proxy import PASS, STALL

# An idle daemon probes after 60 s of silence and up to 15 s more, and waits 10 s for what it asked; the rest is leeway.
IDLE = 85 + 35
# What was sent has 10 s to be answered.
SPOKEN = 10 + 20
# A fault that only a person mends is looked at again after 60 s and up to 30 s more.
SLOW = 90 + 30


def freeze(link):
    link.server.send_signal(signal.SIGSTOP)


def thaw(link):
    link.server.send_signal(signal.SIGCONT)


def silence(link):
    link.proxy.set(down="drop")


def deafen(link):
    link.proxy.set(up="drop")


def silence_subscription(link):
    """Everything is answered, and nothing is heard: what PONG does not show."""
    link.proxy.set(down="drop", only=link.subscription())


def pass_again(link):
    link.proxy.set(up="pass", down="pass")


def freeze_and_cut(link):
    freeze(link)
    link.proxy.cut()


def stall(link):
    link.proxy.set(accept=STALL)
    link.proxy.cut()


def open_door(link):
    link.proxy.set(accept=PASS)


def demote(link):
    link.server.client().replicaof("127.0.0.1", 1)


def promote(link):
    link.server.client().execute_command("REPLICAOF", "NO", "ONE")


def ignore(command):
    def provoke(link):
        link.proxy.answer(command)
        link.proxy.cut()

    return provoke


def behave(link):
    link.proxy.behave()


def nothing(link):
    pass


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    provoke: typing.Callable
    says: str
    mend: typing.Callable
    # Whether a message is sent into the silence; else the daemon must find out by itself.
    speaks: bool = False
    within: float = SPOKEN
    tls: bool = False
    scripted: bool = False
    # How long it may take to come back.
    back: float = 60


ROWS = [
    Row("frozen server, idle", freeze, UNANSWERED.format("EVAL"), thaw, within=IDLE),
    Row("frozen server, idle, TLS", freeze, UNANSWERED.format("EVAL"), thaw, within=IDLE, tls=True),
    Row("frozen server", freeze, UNANSWERED.format("EVALSHA"), thaw, speaks=True),
    Row("frozen server, TLS", freeze, UNANSWERED.format("EVALSHA"), thaw, speaks=True, tls=True),
    Row("frozen server when it connects", freeze_and_cut, UNANSWERED.format("HELLO"), thaw),
    Row("frozen server when it connects, TLS", freeze_and_cut, CANNOT, thaw, tls=True),
    Row("one-way silence, idle", silence, UNANSWERED.format("EVAL"), pass_again, within=IDLE),
    Row("one-way silence", silence, UNANSWERED.format("EVALSHA"), pass_again, speaks=True),
    Row("one-way silence, TLS", silence, UNANSWERED.format("EVALSHA"), pass_again, speaks=True, tls=True),
    Row("one-way deafness", deafen, UNANSWERED.format("EVALSHA"), pass_again, speaks=True),
    Row("answers and no messages, idle", silence_subscription, DEAD, pass_again, within=IDLE),
    Row("answers and no messages, idle, TLS", silence_subscription, DEAD, pass_again, within=IDLE, tls=True),
    Row("demoted master, idle", demote, "Redis: .*READONLY.*; trying again", promote, within=IDLE),
    Row("stalled at the door", stall, UNANSWERED.format("HELLO"), open_door),
    Row("stalled at the door, TLS", stall, "Redis: cannot connect: .*TLS.*; trying again", open_door, tls=True),
    Row("HELLO unanswered", ignore("HELLO"), UNANSWERED.format("HELLO"), behave, scripted=True),
    Row("SUBSCRIBE unanswered", ignore("SUBSCRIBE"), UNANSWERED.format("SUBSCRIBE"), behave, scripted=True),
    Row("the first probe unanswered", ignore("EVAL"), UNANSWERED.format("EVAL"), behave, scripted=True),
]


def goes_through(row, link):
    """One row, from its fault to its end; gives the words of what went wrong, or None."""
    link.mark()
    row.provoke(link)
    if row.speaks:
        link.meanwhile()
    link.said(row.says, row.within)
    if not row.speaks:
        link.meanwhile()
    row.mend(link)
    link.recovers(row.back)


def is_patient(link):
    """An answer that takes long, and in the middle of which a pause falls, is an answer."""
    attempts = len(link.proxy.attempts)
    link.mark()
    link.proxy.set(down="hold")
    link.meanwhile()
    time.sleep(7)
    link.proxy.set(down="pass")
    link.is_published("meanwhile")
    link.flows("after")
    link.keeps_its_promise()
    assert len(link.proxy.attempts) == attempts and "trying again" not in link.news, link.news


@dataclasses.dataclass(frozen=True)
class Slow:
    """A fault of the configuration: one attempt, and the next not before a minute is over."""

    name: str
    provoke: typing.Callable
    says: str
    mend: typing.Callable
    tls: bool = False
    scripted: bool = False
    comes_back: bool = True


def change_password(link):
    link.server.client().config_set("requirepass", "other")
    link.proxy.cut()


def take_password_away(link):
    # Whoever is logged in stays it; the witness is.
    link.server.password = "other"
    link.server.client().config_set("requirepass", "")
    link.server.password = None


def forbid(link):
    link.server.client().execute_command("ACL", "SETUSER", "default", "resetchannels")
    link.proxy.cut()


def permit(link):
    link.server.client().execute_command("ACL", "SETUSER", "default", "allchannels")
    link.witness.listen()


def use_up(link):
    link.proxy.answer("HELLO", b"-ERR max requests limit exceeded. Limit: 500000, Usage: 500000.\r\n")
    link.proxy.cut()


SLOW_ROWS = [
    Slow("password changed", change_password, "Redis: .*(NOAUTH|WRONGPASS).*; trying again", take_password_away),
    Slow("channel forbidden", forbid, "Redis: .*NOPERM.*; trying again", permit),
    Slow("certificate expired", None, "Redis: cannot connect: .*expired.*; trying again", None, tls=True),
    Slow("quota used up", use_up, "Redis: .*max requests limit.*", behave, scripted=True, comes_back=False),
]


def is_left_alone(row, link, certificates):
    link.mark()
    if row.tls:
        link.server.serve(certificates.server("expired"))
        link.proxy.cut()
    else:
        row.provoke(link)
    link.said(row.says)
    last = link.proxy.attempts[-1]
    link.meanwhile()
    if row.tls:
        link.server.serve(certificates.server("good"))
    else:
        row.mend(link)
    if not row.comes_back:
        time.sleep(SLOW - 30)
        assert link.proxy.attempts[-1] == last, "it tried again"
        return
    link.recovers(SLOW)
    again = next(attempt for attempt in link.proxy.attempts if attempt > last)
    assert again - last >= 60, f"tried again after {again - last} s"


class Hole:
    """The row of the black hole: a server whose packets vanish."""

    def __init__(self, name, speaks, says, within):
        self.name, self.speaks, self.says, self.within = name, speaks, says, within

    def link(self, network, server, make_node, number):
        node = make_node(f"hole{number}", {"redis_url": f"redis://{BlackHole.far_address}:{server.port}"}, start=False)
        node.wrapper = network.near
        node.start()
        link = Link(node, server)
        link.promise = Promise(server, node)
        return link


# Keep-alive finds an idle link; what was sent is found missing by its deadline.
# The first after 20 s without a packet, and 15 s later at the latest it is enough.
HOLES = [
    Hole("black hole, idle", False, BROKE, 20 + 15 + 20),
    Hole("black hole", True, f"{UNANSWERED.format('EVALSHA')}|{BROKE}", SPOKEN),
]


def vanishes(hole, link):
    link.mark()
    if hole.speaks:
        link.meanwhile()
    link.said(hole.says, hole.within)
    if not hole.speaks:
        link.meanwhile()
    # Nobody at the door either, and not refused.
    link.said(f"{CANNOT[:-14]}.*no answer.*; trying again")


def test_a_link_that_is_dead_without_a_word_is_found_dead_and_replaced(
    request, make_link, make_redis, make_node, certificates
):
    links = [
        (row.name, goes_through, (row, make_link(tls=row.tls, scripted=row.scripted, name=f"row{number}")))
        for number, row in enumerate(ROWS)
    ]
    links += [
        (slow.name, is_left_alone, (slow, make_link(tls=slow.tls, scripted=slow.scripted, name=f"slow{n}"), certificates))
        for n, slow in enumerate(SLOW_ROWS)
    ]
    links += [
        (f"slow answers, {way}", is_patient, (make_link(tls=way == "tls", name=way),)) for way in ("plain", "tls")
    ]
    failures = {}
    with concurrent.futures.ThreadPoolExecutor(len(links)) as pool:
        running = {name: pool.submit(function, *arguments) for name, function, arguments in links}
        for name, future in running.items():
            if (error := future.exception()) is not None:
                failures[name] = f"{type(error).__name__}: {error}"
    assert not failures, "\n".join(f"--- {name}: {error}" for name, error in failures.items())


def test_a_link_whose_packets_vanish_is_found_dead_and_replaced(make_redis, make_node, black_hole):
    server = make_redis()
    server.kill()
    server.wrapper = black_hole.far
    server.options = ("--bind", "127.0.0.1", BlackHole.far_address, "--protected-mode", "no")
    server.start()
    links = [hole.link(black_hole, server, make_node, number) for number, hole in enumerate(HOLES)]
    black_hole.swallow()
    with concurrent.futures.ThreadPoolExecutor(len(links)) as pool:
        found = [pool.submit(vanishes, hole, link) for hole, link in zip(HOLES, links)]
    errors = {hole.name: future.exception() for hole, future in zip(HOLES, found) if future.exception()}
    assert not errors, errors
    black_hole.release()
    for link in links:
        link.connected(60)
    links[0].flows("after")
    Promise.of_all(links).kept()
