"""Who is asked when: sessions, cancels, what is too much, stops and faults."""

from typing import Any

import pytest

from edge_llm.client import Delta, RequestError
from edge_llm.contract.frames import Error
from edge_llm.documents import responder as module
from edge_llm.documents.passage import Found
from tests.common import eventually
from tests.unit.documents.answering.desk import HEADER, PASSAGE, Desk, done, terminal


def test_a_request_in_progress_is_cancelled_on_the_node(desk: Desk) -> None:
    reply = desk.ask(text="What is E15?")
    desk.node.says(Delta(**HEADER, text="It "))
    eventually(lambda: reply._said)
    desk.responder.cancel(reply)
    assert desk.node.cancelled == [desk.node.asked[0]["id"]]
    desk.node.says(done("It ", finish_reason="cancelled"))
    assert terminal(reply).finish_reason == "cancelled"


def test_a_request_that_waits_is_cancelled_at_once(desk: Desk) -> None:
    desk.ask(text="What is E15?", session="s")
    desk.node.says()
    second = desk.ask(text="What is E15?", session="s", id="2")
    desk.responder.cancel(second)
    assert terminal(second).finish_reason == "cancelled"
    desk.node.says(done())
    assert len(desk.node.asked) == 1


def test_a_busy_node_is_not_asked_again_for_what_was_cancelled(desk: Desk) -> None:
    reply = desk.ask(text="What is E15?")
    desk.node.says(RequestError("busy", "full", retry_after_ms=60_000))
    desk.responder.cancel(reply)
    assert terminal(reply).finish_reason == "cancelled"


def test_requests_of_one_session_are_asked_one_after_the_other(desk: Desk) -> None:
    replies = [desk.ask(text=f"E15 {number}", session="s", id=str(number)) for number in range(3)]
    others = [desk.ask(text="E15 other", id="9"), desk.ask(text="E15 d", session="s", client="d")]
    eventually(lambda: len(desk.node.asked) == 3)
    assert [each["text"] for each in desk.node.asked if each["session"]] in (
        ["E15 0", "E15 d"],
        ["E15 d", "E15 0"],
    )
    for number in range(5):
        desk.node.says(done(), number=number)
    assert {terminal(reply).type for reply in (*replies, *others)} == {"done"}
    asked = [each["text"] for each in desk.node.asked]
    assert [text for text in asked if text[-1].isdigit()] == ["E15 0", "E15 1", "E15 2"]


def test_a_client_that_asks_a_lot_does_not_hold_up_another(desk: Desk) -> None:
    for number in range(20):
        desk.ask(text=f"E15 {number}", id=str(number))
    eventually(lambda: len(desk.node.asked) == module.SHARE)
    desk.ask(text="E15 other", client="d")
    eventually(lambda: len(desk.node.asked) == module.SHARE + 1)
    assert desk.node.asked[-1]["text"] == "E15 other"
    for number in range(module.SHARE):
        desk.node.says(done(), number=number)
    eventually(lambda: len(desk.node.asked) == 2 * module.SHARE + 1)


def test_too_many_at_once_are_busy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 2)
    for number in range(3):
        desk.ask(text="What is E15?", session="s", id=str(number))
        eventually(lambda: desk.node.asked)
    with pytest.raises(RequestError, match="2 requests wait already"):
        desk.ask(text="What is E15?", session="s", id="4")


def test_sessions_are_looked_at_and_forgotten_on_the_node_and_never_listed(desk: Desk) -> None:
    reply = desk.ask(text="What is E15?", session="s")
    desk.node.says(done())
    terminal(reply)
    session = desk.node.asked[0]["session"]
    desk.node.sessions = (session,)
    answer = terminal(desk.ask(kind="session", op="get", session="s", transaction="t"))
    assert (answer.id, answer.sessions, answer.messages[0].content) == ("t", ("s",), "Hi")
    assert desk.node.commands == [("get", session)]
    desk.node.knows_sessions = False
    error = terminal(desk.ask(kind="session", op="get", session="s", transaction="u"))
    assert (error.code, "pool" in error.message) == ("bad_request", True)
    with pytest.raises(RequestError, match="cannot be listed"):
        desk.responder.submit(desk.reply("session", op="list"))
    with pytest.raises(RequestError, match="prefill: passages come with their question"):
        desk.responder.submit(desk.reply("prefill", system="Hi"))


def test_a_stop_leaves_what_has_no_answer_to_the_next_process(desk: Desk) -> None:
    active, waiting = (desk.ask(text="What is E15?", session="s", id=each) for each in "12")
    eventually(lambda: desk.node.asked)
    desk.responder.stop(0)
    for reply in (active, waiting):
        assert (terminal(reply).code, reply.told) == ("unavailable", False)
    with pytest.raises(RequestError, match="the service is stopping"):
        desk.responder.submit(desk.reply(text="Hi"))


def test_a_stop_lets_an_answer_end(desk: Desk) -> None:
    reply = desk.ask(text="What is E15?")
    desk.node.says(done())
    desk.responder.stop(60)
    assert terminal(reply).type == "done"


def test_a_fault_ends_one_request_alone_and_quotes_nothing(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(text: str, _characters: int) -> Any:
        raise ValueError(text)

    desk.responder._find = broken
    error = terminal(desk.ask(text="What is E15?"))
    assert isinstance(error, Error)
    assert (error.code, error.message) == ("internal", "the request failed; the service's log says more")
    assert "What is E15?" not in caplog.text
    desk.responder._find = lambda _text, _characters: Found((PASSAGE,), (PASSAGE,))
    reply = desk.ask(text="What is E15?", id="2")
    desk.node.says(done())
    assert terminal(reply).type == "done"
