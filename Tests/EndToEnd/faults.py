"""What the tables of faults share: a daemon whose way to Redis can be spoilt, and what the daemon has to say of it.

Each row of a table says what is provoked, what the daemon says, and what mends it. Whatever the row, afterwards the
same process is connected again, and what was accepted on either side before, during and after the fault is in both
queues, once and in one order (`faults_promise.py`).
"""

import collections
import json
import re

from bus import CHANNEL, stays_away, wait_until
from faults_promise import Promise

# The daemon's words for what may befall a link, one for each way in which it ends.
CLOSED = r"Redis: Redis closed the connection; trying again"
# The same, before it has answered anything.
UNHEARD_OF = r"Redis: the server closed the connection before it answered.*; trying again"
BROKE = r"Redis: the connection broke: .*; trying again"
CANNOT = r"Redis: cannot connect: .*; trying again"
# Any end of a connection, where chance decides which.
ENDED = f"{CLOSED}|{UNHEARD_OF}|{BROKE}|{CANNOT}"
UNANSWERED = r"Redis: Redis did not answer {} within 10 s; trying again"
DEAD = r"Redis: a probe did not come back: the subscription is dead; trying again"
NOT_REDIS = r"Redis: what came is not Redis's protocol: .*; trying again"
# What contradicts the protocol although each byte of it is right.
OUT_OF_STEP = (
    r"Redis: (what came is not Redis's protocol: .*|Redis sent a reply that nothing asked for"
    r"|Redis answered HELLO without a known protocol|Redis sent a message that is not whole"
    r"|Redis ended the subscription); trying again"
)
# What only a person mends is not tried again soon.
LATER = r"; trying again in [0-9]+ s"
HELD = r"Redis: .*{}.*; messages wait"
TOO_FEW_RIGHTS = "Redis does not let us probe the connection as we should"
CONNECTED = "connected to Redis, subscribed to "


class Witness:
    """Listens to the channel at the server itself: by it is known what was published, whoever missed it."""

    def __init__(self, server):
        self.server = server
        self.texts = []
        self.listen()

    def listen(self):
        self.subscription = self.server.client().pubsub(ignore_subscribe_messages=True)
        self.subscription.subscribe(CHANNEL)
        self.subscription.get_message(timeout=10)

    def heard(self):
        """The texts up to now, repeats of an unknown outcome among them."""
        while (message := self.subscription.get_message()) is not None:
            self.texts.append(json.loads(message["data"]).get("text"))
        return self.texts


class Link:
    """A daemon, its Redis, and what stands between them; and on the other side a peer, whose own way is never spoilt."""

    def __init__(self, node, server, proxy=None, tls=False, peer=None):
        self.node = node
        self.server = server
        self.proxy = proxy
        self.tls = tls
        self.peer = peer
        self.promise = Promise(server, node, peer) if peer else None
        self.witness = Witness(server)
        self.got = []
        self.mark_at = 0

    # What the daemon says

    def mark(self):
        """What was said up to now does not count any more."""
        self.mark_at = len(self.node.log)

    @property
    def news(self):
        return self.node.log[self.mark_at :]

    def said(self, pattern, patience=12):
        """Waits until the log has said this since the mark; gives the line."""

        def line():
            assert self.node.is_running(), f"clawd ended:\n{self.node.log}"
            return next((line for line in self.news.splitlines() if re.search(pattern, line)), None)

        try:
            return wait_until(f"the log says {pattern!r}", line, patience, pause=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said: {self.news}") from None

    def times(self, pattern):
        return len(re.findall(pattern, self.news))

    def connected(self, patience=12):
        """Waits until the daemon has connected since the mark, and is ready."""
        self.said(CONNECTED, patience)
        wait_until("ready", self.node.is_ready, patience)

    def redis(self):
        return self.node.status()["redis"]

    def repeats_itself(self):
        """Whether a change of state was told twice in a row."""
        told = [line.split(" ", 1)[-1] for line in self.news.splitlines() if "Redis" in line]
        told = [re.sub(r"^\S*\d\d:\d\d\S* ", "", line) for line in told]
        return any(one == other for one, other in zip(told, told[1:]))

    # Messages

    def arrives(self, *texts, patience=12):
        """Waits until these are in the daemon's queue, in this order."""

        def complete():
            self.got += [message.get("text") for message in self.node.get("--all")]
            return set(texts) <= set(self.got)

        wait_until(f"{texts} in {self.got}", complete, patience, pause=0.1)
        first = collections.Counter(self.got)
        assert [text for text in first if text in texts] == list(texts), self.got

    def is_published(self, *texts, patience=12):
        """Waits until Redis was given these, in this order; one whose outcome was unknown may have been given twice."""
        wait_until(f"{texts} in {self.witness.texts}", lambda: set(texts) <= set(self.witness.heard()), patience, 0.1)
        first = collections.Counter(self.witness.texts)
        assert [text for text in first if text in texts] == list(texts), self.witness.texts

    def flows(self, word):
        """A message goes to Redis and back, one comes from the other side, and one of another sender is heard."""
        self.node.send(f"{word}: sent")
        self.arrives(f"{word}: sent")
        if self.peer:
            self.peer.send(f"{word}: from the other side")
            self.arrives(f"{word}: from the other side")
        self.server.publish({"from": "old", "text": f"{word}: heard"})
        self.arrives(f"{word}: heard")

    def meanwhile(self):
        """While the fault lasts, both sides send."""
        self.node.send("meanwhile")
        if self.peer:
            self.peer.send("meanwhile, on the other side")

    def keeps_its_promise(self, patience=90):
        """The end of every row: nothing was lost, nothing came twice."""
        self.promise.kept(patience)

    def waits(self, text):
        """This message stays in the outbox."""
        wait_until("it waits", lambda: self.node.outbox("new"))
        return stays_away(lambda: not self.node.outbox("new") or text in self.witness.heard())

    # The daemon's connections, as the server sees them

    def clients(self):
        """The daemon's connections: by whether they subscribe."""
        found = {True: [], False: []}
        for client in self.server.client().client_list():
            if not client["addr"].startswith("/"):
                found[client["sub"] != "0"].append(client)
        return found

    def kick(self, subscription=True, commands=True):
        """Redis ends the connections."""
        clients = self.clients()
        wanted = (clients[True] if subscription else []) + (clients[False] if commands else [])
        for client in wanted:
            self.server.client().client_kill_filter(_id=client["id"])

    def subscription(self):
        """A test of the proxy's connections: is it the one that subscribes?"""
        ports = {int(client["addr"].rpartition(":")[2]) for client in self.clients()[True]}
        assert len(ports) == 1, ports
        return lambda connection: connection.port in ports

    def commands(self):
        ports = {int(client["addr"].rpartition(":")[2]) for client in self.clients()[False]}
        assert len(ports) == 1, ports
        return lambda connection: connection.port in ports

    # The end of every row

    def recovers(self, patience=60):
        """What was accepted meanwhile is published, and the link is as good as ever."""
        self.connected(patience)
        self.is_published("meanwhile", patience=patience)
        self.flows("after")
        assert not self.repeats_itself(), self.news
        if self.promise:
            self.promise.kept(patience)
