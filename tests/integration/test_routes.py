"""A hub's own topics: mapped to requests, answered where the route says."""

import json
from functools import partial

import pytest

from tests.common import eventually
from tests.conversation import Hub
from tests.processes import Nodes, Service

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


@pytest.fixture(scope="module", autouse=True)
def service(module_node: Nodes) -> Service:
    return module_node(routes=json.dumps(ROUTES))


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
        eventually(partial(hub.on, f"home/{room}/answer"))
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
    hub.publish("home/living room/ask", "  ")
    assert eventually(lambda: hub.on("home/living room/answer"))[0] == b"the prompt is empty"
