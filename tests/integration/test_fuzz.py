"""Whatever is published to a node's topics: it lives, refuses with a code, and answers the next one."""

import json

from hypothesis import given, settings

from edge_llm.config import EngineSettings
from tests.common import TOPICS
from tests.conftest import fresh_broker
from tests.conversation import Conversation, Hub
from tests.fuzzing import KIND, NO_LIMIT, PAYLOAD, Floods, ask, parse_anything, send_bad_payloads, sending
from tests.processes import Broker, Nodes

broker = fresh_broker


@settings(max_examples=100)
@given(kind=KIND, payload=PAYLOAD)
def test_a_parser_raises_nothing_but_a_request_error(kind: str, payload: bytes) -> None:
    parse_anything(kind, payload)


def test_a_node_survives_bad_payloads(broker: Broker, node: Nodes, hub: Hub) -> None:
    send_bad_payloads(broker, node(**NO_LIMIT), Conversation(hub, "sane"), batches=2, size=150)
    refusals = [reply for reply in Conversation(hub, "fuzz").replies() if reply["type"] == "error"]
    assert len(refusals) > 2 * 150 / 8


def test_a_flood_on_topics_that_name_no_client_is_not_one_of_the_log(
    broker: Broker, node: Nodes, hub: Hub
) -> None:
    service = node(**NO_LIMIT)
    with sending(broker) as sender:
        for _ in range(2000):
            info = sender.publish(TOPICS.request("no client"), "Hi", qos=1)
        info.wait_for_publish(300)
    ask(Conversation(hub, "sane"), "s", text="Hi", max_tokens=1)
    lines = [json.loads(line) for line in service.log_text().splitlines()]
    assert 1 <= sum(line["event"] == "gateway.refused" for line in lines) < 100


def test_a_flood_of_one_client_does_not_hold_up_another(broker: Broker, node: Nodes) -> None:
    service = node(engine__prefix_cache_mb=10)
    hub = Hub(broker.port, TOPICS.reply("+"), "test/settled")
    floods = Floods(broker, service, hub, size=300)
    floods.run(0)
    hub.close()
    print(floods.answers())
    assert max(floods.overtaken) <= 2 * EngineSettings().slots
