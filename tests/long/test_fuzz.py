"""Thousands of bad payloads, and floods of thousands: a node lives, and does not grow."""

import json

from hypothesis import given, settings

from edge_llm.config import EngineSettings
from tests.common import TOPICS
from tests.conftest import fresh_broker
from tests.conversation import Conversation, Hub
from tests.fuzzing import KIND, NO_LIMIT, PAYLOAD, STORY, Floods, ask, fill, parse_anything, send_bad_payloads
from tests.processes import Broker, Nodes

broker = fresh_broker
PAYLOADS = 2000
WARM_UP, BATCHES = 15, 10  # the heap needs some to find its size: it grows by less and less


@settings(max_examples=400)
@given(kind=KIND, payload=PAYLOAD)
def test_a_parser_raises_nothing_but_a_request_error(kind: str, payload: bytes) -> None:
    parse_anything(kind, payload)


def test_a_node_survives_20000_bad_payloads(broker: Broker, node: Nodes) -> None:
    service = node(**NO_LIMIT)
    hub = Hub(broker.port, TOPICS.reply("sane"))
    sane = Conversation(hub, "sane")
    fill(sane)
    sizes = send_bad_payloads(broker, service, sane, batches=WARM_UP + BATCHES, size=PAYLOADS)
    hub.close()
    lines = map(json.loads, service.log_text().splitlines())
    refused = sum(line["count"] for line in lines if line["event"] == "gateway.refused")
    assert refused > (WARM_UP + BATCHES) * PAYLOADS / 8
    print("MB of its own after each batch:", [size // 10**6 for size in sizes])
    assert max(sizes) - max(sizes[:WARM_UP]) < 20e6


def test_floods_of_one_client_do_not_hold_up_another(broker: Broker, node: Nodes) -> None:
    """5,000 requests as fast as they go, three times."""
    service = node(engine__prefix_cache_mb=10)
    hub = Hub(broker.port, TOPICS.reply("+"), "test/settled")
    fill(Conversation(hub, "sane"))
    ask(Conversation(hub, "calm"), "q", **STORY)
    floods = Floods(broker, service, hub, size=5000)
    for number in range(3):
        floods.run(number)
    hub.close()
    print(floods.answers(), "MB of its own after each flood:", [size // 10**6 for size in floods.sizes])
    assert floods.sizes[-1] - floods.sizes[0] < 20e6
    assert max(floods.overtaken) <= 2 * EngineSettings().slots
