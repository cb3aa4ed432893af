"""What must hold when the chaos is over, and the counts that are printed."""

import collections

LEGACY = "legacy "


def repeats(texts):
    return [text for text, count in collections.Counter(texts).items() if count > 1]


def shown(texts):
    """The first few of many, and not the whole of a long one."""
    few = [text[:40] for text in list(texts)[:10]]
    return f"{few}{' …' if len(texts) > 10 else ''}"


class Verdict:
    def __init__(self, chaos):
        self.chaos = chaos
        self.wrong = []
        self.accepted = [sent for sender in chaos.senders for sent in sender.accepted]
        self.unknown = {text for sender in chaos.senders for text in sender.unknown}
        self.stream = chaos.stream()
        self.lost = self.repeated = self.losses = self.legacy_lost = 0

    def must(self, holds, text):
        if not holds:
            self.wrong.append(text)

    def judge(self):
        self.judge_stream()
        for node, reader in zip(self.chaos.nodes, self.chaos.readers):
            entries = self.chaos.queue(node)
            self.judge_queue(node, entries)
            # Once to the agent that got them as they came, too.
            self.must(entries == reader.entries, f"{node.name}: what was got as it came is not what the queue holds")
        return self

    def judge_stream(self):
        """Redis has every accepted message with its id, each sender's in the order of sending."""
        texts = [text for text, _ in self.stream]
        ids = dict(self.stream)
        absent = [text for text, identifier in self.accepted if ids.get(text) != identifier]
        self.must(not absent, f"accepted and not in the stream with their ids: {len(absent)}: {shown(absent)}")
        may = {text for text, _ in self.accepted} | self.unknown
        strange = [text for text in texts if text not in may]
        self.must(not strange, f"in the stream, and nobody sent it: {shown(strange)}")
        self.must(not repeats(texts), f"stored twice: {shown(repeats(texts))}")
        at = {text: index for index, text in reversed(list(enumerate(texts)))}
        for sender in self.chaos.senders:
            order = [at[text] for text, _ in sender.accepted if text in at]
            self.must(order == sorted(order), f"{sender.name}: not in the order of sending")

    def judge_queue(self, node, entries):
        losses = [entry for entry in entries if "lost" in entry]
        self.losses += len(losses)
        self.must(not losses, f"{node.name}: losses {losses[:10]}")
        messages = [entry for entry in entries if "lost" not in entry]
        texts = [message["text"] for message in messages]
        modern = [text for text in texts if not text.startswith(LEGACY)]
        twice = repeats(texts)
        self.repeated += len(twice)
        self.must(not twice, f"{node.name}: twice {shown(twice)}")
        # In the order of the first copy; a Counter keeps it.
        due = list(collections.Counter(text for text, _ in self.stream))
        missing = set(due) - set(modern)
        first_missing = shown([text for text in due if text in missing])
        self.lost += len(missing)
        self.must(not missing, f"{node.name}: missing {len(missing)}: {first_missing}")
        self.must(set(modern) <= set(due), f"{node.name}: in the queue and not in the stream")
        if not missing and not twice:
            wrong = next((index for index, pair in enumerate(zip(due, modern)) if pair[0] != pair[1]), None)
            self.must(wrong is None, f"{node.name}: not in the stream's order from number {wrong} on")
        ids = dict(self.stream)
        self.must(
            all(message.get("id") == ids[message["text"]] for message in messages if message["text"] in ids),
            f"{node.name}: a message came with another's id",
        )
        unheard = [text for text in self.chaos.legacy.promised if text not in set(texts)]
        self.legacy_lost += len(unheard)
        self.must(not unheard, f"{node.name}: published while both links were ready, and not here: {shown(unheard)}")

    @property
    def summary(self):
        chaos = self.chaos
        lines = [
            f"seed {chaos.seed} (OPENCLAW_BUS_TEST_SEED), {chaos.elapsed:.0f} s",
            f"messages: {chaos.sent} sent, {len(self.accepted)} accepted, {len(self.unknown)} killed while sending, "
            f"{len(self.stream)} in the stream",
            f"lost {self.lost}, repeated {self.repeated}, loss records {self.losses}",
            f"legacy: {chaos.legacy.number} published, {len(chaos.legacy.promised)} of them in the calm, "
            f"{self.legacy_lost} of these lost",
            f"faults: {chaos.struck}, killed senders not counted",
        ]
        lines += [f"  {count:4} {kind}" for kind, count in sorted(chaos.counts.items())]
        return "\n".join(lines)
