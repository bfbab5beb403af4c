"""The replies in flight: found by client and id, counted, and drained in order."""

from edge_llm.contract.requests import EVERYTHING, Request
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.reply import Asked, Reply
from edge_llm.gateway.request_log import RequestRecord
from edge_llm.mqtt.message import Message


def reply(in_flight: InFlight, client: str, request_id: str, *, admitted: bool = True) -> Reply:
    request = Request(id=request_id, text="hi")
    asked = Asked("request", client, request, Message("t", b""))
    record = RequestRecord(request_id, b"", 0, 0.0) if admitted else None
    return Reply("n", asked, in_flight.changed, record)


def test_replies_are_found_by_client_and_id_and_refusals_are_not() -> None:
    in_flight = InFlight()
    one = reply(in_flight, "anna", "1")
    key = in_flight.add(one, "1")
    in_flight.add(reply(in_flight, "anna", "1", admitted=False))  # a refusal under the same id
    in_flight.add(reply(in_flight, "ben", "1"), "1")
    assert in_flight.find("anna", "1") is one
    assert in_flight.find("anna", "2") is None
    assert (len(in_flight), in_flight.admitted(), in_flight.admitted("anna")) == (3, 2, 1)
    in_flight.remove(key)
    assert in_flight.find("anna", "1") is None
    assert in_flight.admitted("anna") == 0


def test_a_client_asks_for_its_own_by_id_or_for_all() -> None:
    in_flight = InFlight()
    replies = {name: reply(in_flight, *name.split()) for name in ("anna 1", "anna 2", "ben 1")}
    for name, each in replies.items():
        in_flight.add(each, name.split()[1])
    assert in_flight.asked("anna", "2") == [replies["anna 2"]]
    assert in_flight.asked("anna", EVERYTHING) == [replies["anna 1"], replies["anna 2"]]
    assert in_flight.asked("stranger", EVERYTHING) == []


def test_what_was_submitted_is_handed_out_once() -> None:
    in_flight = InFlight()
    one = reply(in_flight, "c", "1")
    in_flight.submitted(one)
    with in_flight.changed:
        assert in_flight.drain_submitted() == [one]
        assert in_flight.drain_submitted() == []


def test_pending_frames_come_by_reply_in_order() -> None:
    in_flight = InFlight()
    one, two = reply(in_flight, "c", "1"), reply(in_flight, "c", "2")
    for each in (one, two):
        in_flight.add(each, each.asked.request.id)
        each.status("queued", position=0)
    two.delta("hi")
    with in_flight.changed:
        frames = [(key, frame.type) for key, _, frame in in_flight.pending_frames(flowing=True)]
        assert in_flight.pending_frames(flowing=True) == []
    assert frames == [
        (("c", "1"), "status"),
        (("c", "2"), "status"),
        (("c", "2"), "status"),
        (("c", "2"), "delta"),
    ]
