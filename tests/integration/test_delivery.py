"""What comes twice, too often, or under another's id: answered once, and refused with a code."""

from typing import Any

import pytest

from edge_llm.contract.topics import Topics
from tests.conversation import LONG, Conversation, Hub
from tests.processes import Nodes, Service

STORY: dict[str, Any] = {"text": "Tell me a story.", "max_tokens": 12}


@pytest.fixture(scope="module")
def service(module_node: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """One with room for two replies and two that wait."""
    file = tmp_path_factory.mktemp("state") / "state.db"
    return module_node(sessions__file=file, engine__queue_limit=2, mqtt__requests_per_minute=6000)


def test_a_finished_request_that_comes_again_gets_the_reply_it_had(service: Service, hub: Hub) -> None:
    """Also from the process that follows, and though sampling would give another reply."""
    again = Conversation(hub, "again")
    for count in (1, 2):
        again.send(id="q1", **STORY, temperature=1.5)
        again.answered(count)
    again.settle()  # by now the broker has the acknowledgements of those before
    service.kill()
    service.start()
    again.send(id="q1", **STORY, temperature=1.5)
    again.answered(3)
    again.settle()
    found = again.replies()
    assert [reply["replayed"] for reply in found] == [False, True, True]
    assert len({reply["text"] for reply in found}) == 1


def test_a_request_in_flight_that_comes_again_is_told_how_far_it_is(service: Service, hub: Hub) -> None:
    eager = Conversation(hub, "eager")
    eager.send(id="q1", **LONG)
    eager.begun()
    eager.send(id="q1", **LONG)
    eager.settle()
    assert eager.states() == ["queued", "prefill", "decode", "decode"]
    eager.cancel("q1")
    eager.ended()
    eager.settle()
    assert [reply["finish_reason"] for reply in eager.replies()] == ["cancelled"]
    assert eager.states().count("prefill") == 1


def test_another_request_under_the_same_id_is_refused(service: Service, hub: Hub) -> None:
    mixed, other = Conversation(hub, "mixed"), Conversation(hub, "other")
    mixed.send(id="q1", **STORY)
    mixed.send(id="q1", text="Something else.")
    other.send(id="q1", text="Hi", max_tokens=2)
    kinds = {reply.get("code", "done") for reply in mixed.answered(2)}
    assert kinds == {"done", "id_conflict"}
    assert other.answered(1)[0]["type"] == "done"


def test_who_asks_too_often_is_told_when_to_ask_again(node: Nodes, hub: Hub) -> None:
    node(node__id="strict-pc", mqtt__requests_per_minute=1, engine__queue_limit=2)
    hasty = Conversation(hub, "hasty", Topics("edge_llm", "strict-pc"))
    for number in range(7):
        hasty.send(id=f"q{number}", text="Hi", max_tokens=1)
    refused = [reply for reply in hasty.answered(7) if reply.get("code") == "rate_limited"]
    assert refused
    assert all(reply["retryable"] and 0 < reply["retry_after_ms"] <= 60_000 for reply in refused)


def test_one_client_gets_half_of_the_room_and_another_the_rest(service: Service, hub: Hub) -> None:
    greedy, modest = Conversation(hub, "greedy"), Conversation(hub, "modest")
    for number in range(3):
        greedy.send(id=f"q{number}", **LONG)
    busy = greedy.answered(1)[0]
    assert (busy["id"], busy["code"], busy["retryable"]) == ("q2", "busy", True)
    modest.send(id="q0", text="Hi", max_tokens=2)
    greedy.cancel("q0")
    assert modest.answered(1)[0]["type"] == "done"
    greedy.cancel()
    greedy.answered(3)
