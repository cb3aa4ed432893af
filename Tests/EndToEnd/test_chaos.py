"""Whatever goes wrong, at any moment, and again and again: nothing lost, nothing twice, one order for all."""

import pytest

import chaos
from chaos_verdict import Verdict

MESSAGES = 20_000
FAULTS = 200
FAULTS_OF_EACH_KIND = 10
# Of each kind, over all lanes. 14 kinds.
PLANNED = 16
STORMS = 28


@pytest.fixture
def make_world(make_tls_redis, make_proxy, make_node, certificates):
    """A server that forgets nothing, and two daemons, each on a way to it that can be spoilt."""

    def make(seed, messages, faults, storms):
        server = make_tls_redis("good", "--appendonly", "yes", "--appendfsync", "always")
        proxies = [make_proxy(server.tls_port) for _ in range(2)]
        nodes = [
            make_node(name, {
                "redis_url": f"rediss://127.0.0.1:{proxy.port}", "redis_ca_file": str(certificates.root), **chaos.ROOMY
            })
            for name, proxy in zip(("ada", "bob"), proxies)
        ]
        return chaos.Chaos(seed, server, nodes, proxies, messages, faults, storms)

    return make


def test_every_accepted_message_arrives_once_and_in_order_whatever_goes_wrong(make_world, record_property):
    world = make_world(chaos.chosen_seed(), MESSAGES, PLANNED, STORMS)
    print(f"OPENCLAW_BUS_TEST_SEED={world.seed}")
    world.run()
    verdict = Verdict(world).judge()
    print(verdict.summary)
    record_property("counts", verdict.summary)
    assert not verdict.wrong, "\n".join([*verdict.wrong, verdict.summary])
    # It was no fair weather.
    assert world.struck >= FAULTS, verdict.summary
    assert min(world.counts.values()) >= FAULTS_OF_EACH_KIND, verdict.summary
    assert len(world.counts) == 15, verdict.summary
    assert len(verdict.accepted) >= MESSAGES, verdict.summary
    assert len(world.legacy.promised) >= 5 * STORMS, verdict.summary
