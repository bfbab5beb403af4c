"""What is decided on names that people use, and what comes back with a refusal."""

import pytest

from edge_llm.contract.names import id_of
from edge_llm.contract.requests import Request
from edge_llm.gateway.decision import (
    Admit,
    Ignore,
    Refuse,
    Repeat,
)
from edge_llm.gateway.reply_to import ReplyTo
from edge_llm.mqtt.message import Message
from tests.unit.gateway.desk import ROUTE, Desk, code

NAMES = ["living room", "Küche", "a" * 65, "", "me@home", "$SYS", "x'y"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["request", "prefill", "session"])
def test_a_name_that_no_client_can_have_is_told_so_on_its_reply_topic(name: str, kind: str) -> None:
    body = {"id": "7", "transaction": "7", "text": "hi"}
    decision = Desk().ask(body, client=name, kind=kind, correlation=b"9")
    assert code(decision) == "bad_request"
    assert isinstance(decision, Refuse)
    assert "may have 1 to 64 of the characters" in str(decision.error)
    assert decision.asked.request.id == "7"
    assert decision.asked.reply_to == ReplyTo(f"edge_llm/n/reply/{name}", correlation=b"9")


@pytest.mark.parametrize("name", ["+", "a#", "a\x00b", "a\nb", "\ud800", "a" * 65530])
def test_a_name_that_cannot_be_published_to_is_ignored_and_shown_without_its_power(name: str) -> None:
    decision = Desk().ask({"text": "hi"}, client=name)
    assert isinstance(decision, Ignore)
    assert decision.reason.isascii()
    assert decision.reason.isprintable()
    assert len(decision.reason) < 120
    assert isinstance(Desk().ask(b"*", client=name, kind="cancel"), Ignore)


def test_a_cancel_of_a_name_that_is_none_is_ignored_with_the_name() -> None:
    assert Desk().ask(b"*", client="living room", kind="cancel") == Ignore("no client id: 'living room'")


def test_a_pools_request_is_told_so_by_the_node() -> None:
    decision = Desk().admission.decide(Message("edge_llm/pool/p/request/a b", b"hi"))
    assert isinstance(decision, Refuse)
    assert decision.asked.reply_to == ReplyTo("edge_llm/n/reply/a b")


@pytest.mark.parametrize("room", ["living room", "Küche"])
def test_a_route_has_a_conversation_for_any_room(room: str) -> None:
    decision = Desk(routes=(ROUTE,)).admission.decide(Message(f"home/{room}/ask", b"Is it warm?"))
    assert isinstance(decision, Admit)
    assert decision.asked.request.session == id_of(room)
    assert isinstance(decision.asked.request, Request)
    assert decision.asked.request.system == f"You are in the {room}."
    assert decision.asked.reply_to
    assert decision.asked.reply_to.topic == f"home/{room}/answer"


def test_a_number_as_id_is_the_same_request_as_its_digits() -> None:
    desk = Desk()
    reply = desk.admit(b'{"id": 42, "text": "hi"}')
    assert reply.asked.request.id == "42"
    assert desk.ask({"id": "42", "text": "hi"}) == Repeat(reply)
    assert code(desk.ask({"id": 42, "text": "ho"})) == "id_conflict"


def test_what_is_refused_comes_back_with_its_id_its_custom_and_its_correlation() -> None:
    decision = Desk().ask({"id": "7", "txt": "hi", "custom": {"room": "bath"}}, correlation=b"9")
    assert isinstance(decision, Refuse)
    request = decision.asked.request
    assert (request.id, request.custom, decision.asked.message.correlation) == ("7", {"room": "bath"}, b"9")
    command = Desk().ask({"op": "destroy", "transaction": "t"}, kind="session")
    assert isinstance(command, Refuse)
    assert command.asked.request.id == "t"


def test_a_request_that_the_node_fails_at_is_answered_under_its_id() -> None:
    desk = Desk(routes=(ROUTE,))
    for topic in ("edge_llm/n/request/c", "home/bath/ask"):
        decision = desk.admission.failed(Message(topic, b'{"id": "7", "text": "hi"}'))
        assert code(decision) == "internal"
        assert isinstance(decision, Refuse)
        assert decision.asked.request.id == "7"
        assert (decision.asked.reply_to is None) == topic.startswith("edge_llm")
    assert desk.admission.failed(Message("edge_llm/n/cancel/c", b"*")) == Ignore("failed")
