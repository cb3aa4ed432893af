"""The promise that is checked after every fault: what either side accepted is in every queue, once, in one order."""

import collections
import json
import signal
import time

from bus import CHANNEL, wait_until

STREAM = f"{{{CHANNEL}}}:stream"
META = f"{{{CHANNEL}}}:meta"


def stream_entries(server, after="-"):
    """Id of the entry and of its message, in the stream's order."""
    entries = server.client().xrange(STREAM, min=after)
    return [(entry.decode(), json.loads(fields[b"m"]).get("id")) for entry, fields in entries]


def whole_queue(node):
    """All that the queue holds, messages and losses, whoever has read it."""
    return node.get("--from", "1", "--all", "--unfiltered")


class Promise:
    """Made where all the nodes are connected and nothing of theirs is under way: it is about what comes afterwards."""

    def __init__(self, server, *nodes):
        self.server = server
        self.nodes = nodes
        entries = stream_entries(server)
        # Of a server that others have used before, too.
        self.after = f"({entries[-1][0]}" if entries else "-"
        # Losses that are due, as (reason, count), by the name of the node that must tell them.
        self.losses = collections.defaultdict(list)
        # Without scripts nobody looks whether an earlier try has stored a message. In the queue it is once even so.
        self.stores_once = True

    @classmethod
    def of_all(cls, links):
        """What was promised to each of several links to the same server, taken together."""
        together = cls.__new__(cls)
        together.__dict__.update(links[0].promise.__dict__)
        together.nodes = [link.node for link in links]
        return together

    @property
    def accepted(self):
        """The ids of what was accepted, in the order of sending, for each node."""
        return [[identifier for identifier, _ in node.sent] for node in self.nodes]

    def kept(self, patience=90):
        """Waits until all that was accepted has arrived everywhere, and judges what has."""
        due = {identifier for ids in self.accepted for identifier in ids}
        hurried = collections.Counter()

        def complete():
            for node in self.nodes:
                self.hurry(node, hurried)
            return all(due <= {entry.get("id") for entry in whole_queue(node)} for node in self.nodes)

        try:
            wait_until("all that was accepted is in every queue", complete, patience, pause=0.1)
        except AssertionError as error:
            missing = {
                node.name: due - {entry.get("id") for entry in whole_queue(node)} for node in self.nodes
            }
            texts = {identifier: text[:60] for node in self.nodes for identifier, text in node.sent}
            told = {name: [texts[identifier] for identifier in ids] for name, ids in missing.items()}
            raise AssertionError(f"{error}; missing: {told}") from None
        wait_until(
            "the outboxes are empty", lambda: not any(node.outbox("new") for node in self.nodes), patience, pause=0.1
        )
        self.judge(due)

    @staticmethod
    def hurry(node, hurried):
        """A node that waits long before it tries again is told to try now."""
        hurried[node] += 1
        status = node.status_or_none()
        waits = status is not None and status["redis"]["state"] == "waiting" and status["daemon"]["pid"] == node.pid
        if waits and hurried[node] % 10 == 0:
            node.send_signal(signal.SIGHUP)

    def judge(self, due):
        stored = [identifier for _, identifier in stream_entries(self.server, self.after) if identifier]
        order = [identifier for identifier in collections.Counter(stored) if identifier in due]
        assert len(stored) == len(set(stored)) or not self.stores_once, f"stored twice: {stored}"
        told = []
        for node in self.nodes:
            entries = whole_queue(node)
            losses = [(entry["reason"], entry["lost"]) for entry in entries if "lost" in entry]
            assert losses == self.losses[node.name], f"{node.name} tells of losses: {losses}"
            ids = [entry["id"] for entry in entries if entry.get("id") in due]
            assert len(ids) == len(set(ids)), f"{node.name} has a message twice: {collections.Counter(ids)}"
            # What was trimmed since is in no stream to compare with.
            in_stream = set(order)
            assert [identifier for identifier in ids if identifier in in_stream] == order, f"{node.name}: another order"
            told.append(ids)
        assert all(ids == told[0] for ids in told), "the queues differ in their order"
        for ids in self.accepted:
            mine = set(ids)
            assert [identifier for identifier in told[0] if identifier in mine] == ids, "not in the order of sending"
        # Nor does it come again a little later.
        assert all(len(whole_queue(node)) == count for node, count in self.counts()), "something came afterwards"

    def counts(self):
        counts = [(node, len(whole_queue(node))) for node in self.nodes]
        time.sleep(0.2)
        return counts
