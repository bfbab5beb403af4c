"""A hub's own topics: mapped to requests, answered where the route says."""

import json
from collections.abc import Callable, Iterator

import pytest

from edge_llm.bundle import Bundle
from edge_llm.convert.prepare import Quantization
from tests.conftest import Broker, Hub, Service, eventually

ROUTES = [
    {
        "topic": "home/{room}/ask",
        "answer": "home/{room}/answer",
        "system": "You are in the {room}.",
        "session": "{room}",
        "max_tokens": 8,
    },
    {"topic": "home/{room}/json", "answer": "home/json", "format": "json", "client": "panel"},
]


@pytest.fixture(scope="module")
def service(
    broker: Broker, bundle: Callable[[Quantization], Bundle], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("service") / "log"
    service = Service(broker.port, bundle("int8"), log, EDGE_LLM_ROUTES=json.dumps(ROUTES))
    service.wait_connected()
    yield service
    assert service.stop() == 0


@pytest.fixture
def hub(broker: Broker, service: Service) -> Iterator[Hub]:
    hub = Hub(broker.port, "home/#")
    yield hub
    hub.close()


def test_words_are_answered_with_words(hub: Hub) -> None:
    hub.publish("home/kitchen/ask", "Say hello.")
    answer = eventually(lambda: hub.on("home/kitchen/answer"))[0].decode()
    assert answer
    assert not answer.startswith("{")


def test_a_route_brings_its_system_prompt_session_and_limits(hub: Hub) -> None:
    """The session of one room goes on, and is not that of another."""
    sizes = []
    for number, room in enumerate(["bath", "bath", "attic"]):
        hub.publish(f"home/{room}/ask", json.dumps({"text": "Say hello.", "id": f"n{number}"}))
        eventually(lambda room=room: hub.on(f"home/{room}/answer"))  # type: ignore[misc]  # bound
        hub.messages.clear()
        hub.publish("home/x/json", json.dumps({"text": "Say hello.", "id": f"j{number}", "session": room}))
        done = json.loads(eventually(lambda: hub.on("home/json"))[0])
        assert (done["type"], done["id"], done["session"]) == ("done", f"j{number}", room)
        sizes.append(done["usage"]["prompt_tokens"])
        hub.messages.clear()
    assert sizes[0] < sizes[1]
    assert sizes[2] == sizes[0]


def test_what_cannot_be_answered_is_said_on_the_same_topic(hub: Hub) -> None:
    hub.publish("home/kitchen/ask", b"\xff\xfe")
    assert eventually(lambda: hub.on("home/kitchen/answer"))[0] == b"not UTF-8 at byte 0"
    hub.publish("home/living room/ask", "Say hello.")
    answer = eventually(lambda: hub.on("home/living room/answer"))[0]
    assert answer == b"this topic's levels cannot name a session"
