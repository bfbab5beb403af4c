"""What comes twice, too often, or under another's id: answered once, and refused with a code."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization
from tests.conftest import TOPICS, Broker, Hub, Service, eventually, fresh_broker

STORY = {"text": "Tell me a story.", "max_tokens": 12}
# Greedy decoding of this one goes round in circles for as long as it may.
LONG = {"text": "What is the capital of Italy?", "max_tokens": 1500}


broker = fresh_broker


@pytest.fixture
def service(
    request: pytest.FixtureRequest,
    broker: Broker,
    bundle: Callable[[Quantization], Bundle],
    tmp_path: Path,
) -> Iterator[Service]:
    """One with room for two replies and two that wait, and with what else the test says."""
    settings = {
        "EDGE_LLM_SESSIONS__FILE": str(tmp_path / "state.db"),
        "EDGE_LLM_ENGINE__QUEUE_LIMIT": "2",
        "EDGE_LLM_MQTT__REQUESTS_PER_MINUTE": "6000",
    }
    service = Service(
        broker.port, bundle("int8"), tmp_path / "log", **settings | getattr(request, "param", {})
    )
    service.wait_connected()
    yield service
    service.stop(signal.SIGKILL)


@pytest.fixture
def hub(service: Service, broker: Broker) -> Iterator[Hub]:
    hub = Hub(broker.port, TOPICS.reply("+"), TOPICS.stream("+"))
    yield hub
    hub.close()


def replies(hub: Hub, client: str, count: int) -> list[dict[str, Any]]:
    payloads = eventually(lambda: len(found := hub.on(TOPICS.reply(client))) >= count and found)
    return [json.loads(payload) for payload in payloads]


def ask(hub: Hub, client: str, **fields: Any) -> None:
    hub.publish(TOPICS.request(client), json.dumps(fields))


def test_a_finished_request_that_comes_again_gets_the_reply_it_had(hub: Hub, service: Service) -> None:
    """Also from the process that follows, and though sampling would give another reply."""
    for count in (1, 2):
        ask(hub, "again", id="q1", **STORY, temperature=1.5)
        replies(hub, "again", count)
    ask(hub, "other", text="Hi", max_tokens=1)
    replies(hub, "other", 1)  # by now the broker has the acknowledgements of those before
    service.stop(signal.SIGKILL)
    service.start()
    ask(hub, "again", id="q1", **STORY, temperature=1.5)
    found = replies(hub, "again", 3)
    assert [reply["replayed"] for reply in found] == [False, True, True]
    assert len({reply["text"] for reply in found}) == 1


def test_a_request_in_flight_that_comes_again_is_told_how_far_it_is(hub: Hub) -> None:
    ask(hub, "eager", id="q1", **LONG)
    eventually(lambda: [p for p in hub.on(TOPICS.stream("eager")) if b'"delta"' in p])
    ask(hub, "eager", id="q1", **LONG)
    states = [json.loads(p).get("state") for p in hub.on(TOPICS.stream("eager"))]
    eventually(lambda: sum(b'"decode"' in p for p in hub.on(TOPICS.stream("eager"))) == 2)
    assert states.count("prefill") == 1
    hub.publish(TOPICS.cancel("eager"), "q1")
    assert [reply["finish_reason"] for reply in replies(hub, "eager", 1)] == ["cancelled"]


def test_another_request_under_the_same_id_is_refused(hub: Hub) -> None:
    ask(hub, "mixed", id="q1", **STORY)
    ask(hub, "mixed", id="q1", text="Something else.")
    ask(hub, "other", id="q1", text="Hi", max_tokens=2)
    kinds = {reply.get("code", "done") for reply in replies(hub, "mixed", 2)}
    assert kinds == {"done", "id_conflict"}
    assert replies(hub, "other", 1)[0]["type"] == "done"


@pytest.mark.parametrize("service", [{"EDGE_LLM_MQTT__REQUESTS_PER_MINUTE": "1"}], indirect=True, ids=[""])
def test_who_asks_too_often_is_told_when_to_ask_again(hub: Hub) -> None:
    for number in range(7):
        ask(hub, "hasty", id=f"q{number}", text="Hi", max_tokens=1)
    refused = [reply for reply in replies(hub, "hasty", 7) if reply.get("code") == "rate_limited"]
    assert refused
    assert all(reply["retryable"] and 0 < reply["retry_after_ms"] <= 60_000 for reply in refused)


def test_one_client_gets_half_of_the_room_and_another_the_rest(hub: Hub) -> None:
    for number in range(3):
        ask(hub, "greedy", id=f"q{number}", **LONG)
    busy = replies(hub, "greedy", 1)[0]
    assert (busy["id"], busy["code"], busy["retryable"]) == ("q2", "busy", True)
    ask(hub, "modest", id="q0", text="Hi", max_tokens=2)
    hub.publish(TOPICS.cancel("greedy"), "q0")
    assert replies(hub, "modest", 1)[0]["type"] == "done"
    hub.publish(TOPICS.cancel("greedy"), "*")
    replies(hub, "greedy", 3)
