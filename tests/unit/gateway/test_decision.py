"""What is decided on each message, without a broker, a model or a thread."""

import math
import time
from typing import Any

import pytest

from edge_llm.contract.requests import Request, digest
from edge_llm.gateway.decision import (
    Admit,
    Cancel,
    Ignore,
    LookUp,
    Refuse,
    Repeat,
    Replay,
)
from edge_llm.gateway.request_log import RequestRecord
from edge_llm.mqtt.message import Message
from edge_llm.state import clock
from tests.unit.gateway.desk import ROUTE, Desk, code


def test_a_new_request_is_admitted_until_its_time_is_over() -> None:
    before = time.monotonic()
    decision = Desk().ask({"id": "1", "text": "hi", "ttl_s": 5})
    assert isinstance(decision, Admit)
    assert (decision.asked.client, decision.asked.kind, decision.record.id) == ("c", "request", "1")
    assert before + 4.9 < decision.expires_at <= time.monotonic() + 5


def test_plain_text_is_a_prompt_and_gets_an_id() -> None:
    decision = Desk().ask(b"Say hello.")
    assert isinstance(decision, Admit)
    assert isinstance(decision.asked.request, Request)
    assert (decision.asked.request.text, len(decision.record.id)) == ("Say hello.", 32)


def test_what_is_retained_or_on_a_foreign_topic_is_ignored() -> None:
    desk = Desk()
    assert desk.ask({"text": "hi"}, retained=True) == Ignore("retained")
    for topic in ("edge_llm/other/request/c", "edge_llm/n/request/c/d", "x"):
        assert desk.admission.decide(Message(topic, b"hi")) == Ignore("unknown topic")


def test_the_pool_is_asked_as_the_node_is() -> None:
    decision = Desk().admission.decide(Message("edge_llm/pool/p/request/c", b"hi"))
    assert isinstance(decision, Admit)
    assert decision.asked.kind == "request"


@pytest.mark.parametrize("payload", [b"7", b'{"id": "7"}', b'{"id": 7}'])
def test_a_cancel_names_an_id(payload: bytes) -> None:
    assert Desk().ask(payload, kind="cancel") == Cancel("c", "7")


def test_a_cancel_without_an_id_is_ignored_with_its_code() -> None:
    assert Desk().ask({"nothing": 1}, kind="cancel") == Ignore("bad_request")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"id": "7", "text": 5}, "bad_request"),
        (b"\xff", "bad_request"),
        ({"id": "7", "text": "hi", "v": 2}, "unsupported_version"),
        ({"id": "7", "text": "x" * 300}, "too_large"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_code(body: object, expected: str) -> None:
    decision = Desk(request_bytes=256).ask(body)
    assert code(decision) == expected
    assert isinstance(decision, Refuse)
    if not isinstance(body, bytes):
        assert decision.asked.request.id == "7"


def test_a_request_in_flight_that_comes_again_is_repeated_to_the_same_reply() -> None:
    desk = Desk()
    reply = desk.admit({"id": "1", "text": "hi"})
    assert desk.ask({"id": "1", "text": "hi"}) == Repeat(reply)
    assert isinstance(desk.ask({"id": "1", "text": "hi"}, client="other"), Admit)


def test_another_body_under_an_id_is_a_conflict_in_flight_and_afterwards() -> None:
    desk = Desk()
    reply = desk.admit({"id": "1", "text": "hi"})
    assert code(desk.ask({"id": "1", "text": "ho"})) == "id_conflict"
    desk.log.finish("c", "1", b"terminal")
    desk.in_flight.remove(("c", "1"))
    assert reply.record
    assert code(desk.ask({"id": "1", "text": "ho"})) == "id_conflict"


def test_a_finished_request_that_comes_again_gets_its_terminal_frame() -> None:
    desk = Desk()
    desk.admit({"id": "1", "text": "hi"})
    desk.log.finish("c", "1", b"terminal")
    desk.in_flight.remove(("c", "1"))
    decision = desk.ask({"id": "1", "text": "hi"})
    assert isinstance(decision, Replay)
    assert decision.terminal == b"terminal"


def test_a_request_that_ended_in_a_passing_error_may_come_again_under_its_id() -> None:
    desk = Desk()
    desk.admit({"id": "1", "text": "hi"})
    desk.log.forget("c", "1")
    desk.in_flight.remove(("c", "1"))
    assert isinstance(desk.ask({"id": "1", "text": "ho"}), Admit)


def test_a_nameless_request_that_the_broker_repeats_keeps_the_id_that_it_got() -> None:
    desk = Desk()
    reply = desk.admit(b"hi", packet_id=4)
    assert desk.ask(b"hi", packet_id=4, duplicate=True) == Repeat(reply)
    assert isinstance(desk.ask(b"hi", packet_id=5, duplicate=True), Admit)


@pytest.mark.parametrize(
    ("backlog_s", "fields"), [(61, {}), (0, {"expiry_s": 0}), (3, {"body": {"text": "hi", "ttl_s": 2}})]
)
def test_what_is_too_old_is_expired(backlog_s: float, fields: dict[str, Any]) -> None:
    body = fields.pop("body", {"text": "hi"})
    # An expiry of 0 s is what the broker had left of it, rounded down.
    decision = Desk().ask(body, backlog_s=backlog_s, **fields)
    if "expiry_s" in fields:
        assert isinstance(decision, Admit)
    else:
        assert code(decision) == "expired"


def test_a_message_that_says_its_age_is_not_taken_for_as_old_as_the_backlog() -> None:
    decision = Desk().ask({"text": "hi"}, backlog_s=3600, expiry_s=10)
    assert isinstance(decision, Admit)
    assert decision.expires_at <= time.monotonic() + 10


def test_an_age_that_cannot_be_known_is_old_unless_the_broker_says_for_how_long_it_is_of_use() -> None:
    desk = Desk()
    assert code(desk.ask({"id": "1", "text": "hi"}, backlog_s=math.inf)) == "expired"
    assert code(desk.ask({"id": "1", "text": "hi", "ttl_s": 86400}, backlog_s=math.inf)) == "expired"
    known = RequestRecord("2", digest("request", Request(text="hi")), 0, -math.inf)
    desk.log.keep("c", known)
    assert code(desk.ask({"id": "2", "text": "hi"})) == "expired"
    decision = desk.ask({"id": "2", "text": "hi"}, backlog_s=math.inf, expiry_s=10)
    assert isinstance(decision, Admit)
    assert time.monotonic() + 9 < decision.expires_at <= time.monotonic() + 10


@pytest.mark.parametrize("step_s", [-7200, 3600])
def test_a_step_of_the_clock_while_a_request_waits_is_not_its_age(
    step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    desk.admit({"id": "1", "text": "hi", "ttl_s": 30})
    desk.in_flight.remove(("c", "1"))  # the node was stopped; the broker sends it again
    set_clock = time.time() + step_s
    monkeypatch.setattr(clock, "time", lambda: set_clock)
    decision = desk.ask({"id": "1", "text": "hi", "ttl_s": 30}, duplicate=True)
    assert isinstance(decision, Admit)
    assert time.monotonic() + 29 < decision.expires_at <= time.monotonic() + 30


def test_one_client_may_hold_half_of_the_room() -> None:
    desk = Desk(capacity=4)
    for number in range(2):
        desk.admit({"id": str(number), "text": "hi"})
    refused = desk.ask({"id": "2", "text": "hi"})
    assert code(refused) == "busy"
    assert isinstance(refused, Refuse)
    assert refused.error.retry_after_ms == 2000
    assert isinstance(desk.ask({"id": "2", "text": "hi"}, client="other"), Admit)
    # One that the broker repeats was counted when it came first.
    assert isinstance(desk.ask({"id": "3", "text": "hi"}, duplicate=True), Admit)


def test_a_client_that_asks_too_often_is_told_when_to_ask_again() -> None:
    desk = Desk(capacity=100, requests_per_minute=1)
    decisions = [desk.ask({"id": str(number), "text": "hi"}) for number in range(6)]
    assert [isinstance(decision, Admit) for decision in decisions] == 5 * [True] + [False]
    refused = decisions[-1]
    assert code(refused) == "rate_limited"
    assert isinstance(refused, Refuse)
    assert 50_000 < (refused.error.retry_after_ms or 0) <= 60_001


def test_session_commands_are_looked_up_as_often_as_they_come() -> None:
    desk = Desk(requests_per_minute=1)
    for _ in range(10):
        assert isinstance(desk.ask(b"list", kind="session"), LookUp)
    assert code(desk.ask({"op": "get"}, kind="session")) == "bad_request"


def test_a_prefill_is_admitted_like_a_request() -> None:
    desk = Desk()
    reply = desk.admit({"id": "1", "system": "rules"}, kind="prefill")
    assert desk.ask({"id": "1", "system": "rules"}, kind="prefill") == Repeat(reply)
    assert code(desk.ask({"id": "1", "text": "rules"})) == "id_conflict"  # of another kind


def test_a_route_fills_in_what_the_request_does_not_say() -> None:
    desk = Desk(routes=(ROUTE,))
    decision = desk.admission.decide(Message("home/bath/ask", b"Is it warm?"))
    assert isinstance(decision, Admit)
    request = decision.asked.request
    assert isinstance(request, Request)
    assert (request.session, request.system, decision.asked.client) == (
        "bath",
        "You are in the bath.",
        "route",
    )
    assert decision.asked.reply_to
    assert (decision.asked.reply_to.topic, decision.asked.reply_to.plain) == ("home/bath/answer", True)


def test_a_response_topic_must_be_allowed_and_the_refusal_goes_to_the_own_topics() -> None:
    desk = Desk(response_topics=("replies/#",))
    allowed = desk.ask({"text": "hi"}, response_topic="replies/me", correlation=b"7")
    assert isinstance(allowed, Admit)
    assert allowed.asked.reply_to
    assert (allowed.asked.reply_to.topic, allowed.asked.reply_to.correlation) == ("replies/me", b"7")
    refused = desk.ask({"id": "1", "text": "hi"}, response_topic="lock/door")
    assert code(refused) == "bad_request"
    assert isinstance(refused, Refuse)
    assert (refused.asked.reply_to, refused.asked.request.id) == (None, "1")


def test_deciding_changes_nothing_but_the_rate() -> None:
    desk = Desk()
    one, two = (desk.ask({"id": "1", "text": "hi"}) for _ in range(2))
    assert isinstance(one, Admit)
    assert isinstance(two, Admit)
    assert one.record.digest == two.record.digest == digest("request", one.asked.request)
    assert len(desk.in_flight) == 0
    assert desk.log.find("c", "1") is None
