"""A Redis that does not let us store as we should: without the rights, without the memory."""

import signal

from bus import wait_until
from faults_promise import STREAM
from faults_stream import store

# Rights


def test_without_the_right_to_scripts_everything_is_stored_and_arrives(make_link, redis_server):
    redis_server.client().execute_command(
        "ACL", "SETUSER", "bus", "on", ">pass", "~*", "&*", "+@all", "-eval", "-evalsha", "-script"
    )
    link = make_link(server=redis_server, login="bus:pass@")
    link.flows("before")
    link.said("script|EVAL")
    link.promise.stores_once = False
    for number in range(20):
        link.node.send(f"without a script {number}")
        link.peer.send(f"with a script {number}")
    link.keeps_its_promise()
    link.node.stop(signal.SIGKILL)
    link.node.send("while it was dead")
    link.node.start()
    link.mark()
    link.kick()
    link.meanwhile()
    link.recovers()


def test_a_message_that_may_be_stored_and_not_published_arrives_everywhere(make_link, redis_server):
    redis_server.client().execute_command("ACL", "SETUSER", "bus", "on", ">pass", "~*", "&*", "+@all", "-publish")
    link = make_link(server=redis_server, login="bus:pass@", start=False)
    link.node.launch()
    wait_until("subscribed", lambda: redis_server.subscribers() == 3)
    link.node.send("stored, not published")
    link.said("NOPERM|permission")
    link.arrives("stored, not published")
    # The other side hears of it with the next message.
    link.peer.send("published")
    link.arrives("published")
    link.keeps_its_promise()
    assert not link.node.outbox("failed")


# Memory


def test_a_redis_without_memory_is_waited_for(make_link):
    link = make_link()
    link.flows("before")
    link.server.client().config_set("maxmemory", 1)
    link.meanwhile()
    link.said("OOM")
    assert link.waits("meanwhile")
    link.server.client().config_set("maxmemory", 0)
    link.flows("after")
    link.keeps_its_promise()


def test_a_stream_that_fills_the_memory_is_trimmed_by_a_quarter(make_link):
    link = make_link(config={"queue_bytes": 64 * 1024 * 1024})
    link.flows("before")
    client = link.server.client()
    for number in range(800):
        store(link.server, {"from": "eve", "text": f"{number} " + "x" * 4000, "ts": 1.0})
    link.arrives("799 " + "x" * 4000)
    length = client.xlen(STREAM)
    client.config_set("maxmemory", client.info("memory")["used_memory"] - 400_000)
    link.meanwhile()
    # It looks twice, each time after 5 to 15 s: others may be about to do the same.
    link.said("oldest .* messages of the stream were removed", patience=45)
    # Nobody had to mend anything.
    link.is_published("meanwhile", patience=60)
    assert client.xlen(STREAM) <= length * 3 // 4 + 110
    client.config_set("maxmemory", 0)
    link.flows("after")
    link.keeps_its_promise()
