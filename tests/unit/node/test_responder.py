"""The responder with a fake engine: what it asks of it, sessions in order, and what a reply ends in."""

from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import Sampling
from edge_llm.config import SamplingSettings, SessionsSettings
from edge_llm.contract.frames import Done, Error, Sessions, Status
from edge_llm.contract.requests import SessionCommand
from edge_llm.contract.turns import GeneratedTurn, Turn
from edge_llm.engine.types import (
    GREEDY,
    Failure,
    SamplingParams,
    Started,
    TokenEvent,
)
from edge_llm.errors import RequestError
from tests.unit.node.fake_node import Node


@pytest.fixture
def node() -> Node:
    return Node()


def test_a_reply_is_streamed_and_ends_in_done_with_its_figures(node: Node) -> None:
    reply = node.ask("hi")
    emit = node.engine.sequences[0].emit
    emit(Started(5))
    emit(TokenEvent("Hel"))
    emit(TokenEvent("lo"))
    frames = reply.drain(flowing=True)
    states = [frame.state for frame in frames if isinstance(frame, Status)]
    assert (states, frames[-1].model_dump()["text"]) == (["queued", "prefill", "decode"], "Hello")
    node.end(0, "Hello")
    done = node.terminal(reply)
    assert isinstance(done, Done)
    assert (done.text, done.model, done.finish_reason) == ("Hello", "tiny", "stop")
    assert (done.usage.completion_tokens, done.timing_ms.total, done.tokens_per_second) == (2, 13, 100)
    assert done.energy
    assert done.energy.quality == "none"
    assert node.stats.requests_total == 1
    assert [record.usage for record in node.stats.drain()] == [done.usage]


def test_what_a_request_does_not_say_comes_from_the_settings(node: Node) -> None:
    node.submit("request", b'{"text": "hi", "temperature": 0.5, "top_k": 3}')
    request = node.engine.sequences[0].request
    assert (request.max_tokens, request.sampling.temperature, request.sampling.top_k) == (9, 0.5, 3)
    assert (request.owner, request.awaits_history, request.prefill_only) == ("c", False, False)
    node.submit("prefill", b"the rules")
    prefill = node.engine.sequences[1].request
    assert (prefill.turns, prefill.prefill_only) == ((Turn(role="system", content="the rules"),), True)


def test_a_refused_request_leaves_nothing_behind(node: Node) -> None:
    node.engine.full = True
    with pytest.raises(RequestError, match="full"):
        node.ask("hi")
    assert node.stats.requests_total == 0


def test_an_error_says_what_was_said_so_far(node: Node) -> None:
    reply = node.ask("hi")
    node.engine.sequences[0].emit(Failure("timeout", "too slow", "Hel"))
    error = node.terminal(reply)
    assert isinstance(error, Error)
    assert (error.code, error.text, error.retryable) == ("timeout", "Hel", False)
    assert [record.error for record in node.stats.drain()] == ["timeout"]


def test_cancelling_reaches_the_engine_until_the_reply_is_over(node: Node) -> None:
    reply = node.ask("hi")
    node.responder.cancel(reply)
    assert node.engine.cancelled == {node.engine.sequences[0]: None}
    node.end(0, "Hel")
    node.terminal(reply)
    node.engine.cancelled.clear()
    node.responder.cancel(reply)
    assert node.engine.cancelled == {}


def test_requests_of_one_session_begin_one_after_the_other_each_with_all_before(node: Node) -> None:
    replies = [node.ask(text, "s") for text in ("one", "two", "three")]
    other = node.ask("else", "t")
    first, second, third, apart = node.engine.sequences
    assert list(node.engine.histories) == [first, apart]
    assert node.engine.histories[first] == ()
    node.end(0, "1st")
    node.terminal(replies[0])
    answered = GeneratedTurn(role="assistant", content="1st", token_ids=(7, 8))
    assert node.engine.histories[second] == (Turn(role="user", content="one"), answered)
    assert third not in node.engine.histories
    node.end(1, "2nd", token_ids=None)  # cut by a stop string: the text alone is kept
    node.terminal(replies[1])
    assert node.engine.histories[third][2:] == (
        Turn(role="user", content="two"),
        Turn(role="assistant", content="2nd"),
    )
    node.end(3, "x")
    node.terminal(other)


def test_a_session_goes_on_behind_a_request_that_failed_or_was_cancelled_in_the_queue(node: Node) -> None:
    replies = [node.ask(text, "s") for text in ("one", "two", "three")]
    first, second, third = node.engine.sequences
    second.emit(Failure("expired", "too late", ""))
    node.terminal(replies[1])
    assert third not in node.engine.histories
    first.emit(Failure("timeout", "too slow", ""))
    node.terminal(replies[0])
    assert node.engine.histories[third] == ()


def test_a_reply_that_is_over_before_its_history_was_read_does_not_hold_the_session(node: Node) -> None:
    early = node.submit("request", b'{"text": "one", "session": "s"}')
    node.engine.sequences[0].emit(Failure("expired", "too late", ""))
    node.terminal(early)
    node.responder.prepare(early)
    node.ask("two", "s")
    assert node.engine.histories[node.engine.sequences[1]] == ()


def test_a_session_that_cannot_be_read_ends_the_request_in_an_error(node: Node) -> None:
    node.sessions.close()
    node.ask("hi", "s")
    error = node.engine.cancelled[node.engine.sequences[0]]
    assert error
    assert error.code == "internal"


@pytest.mark.parametrize(
    ("body", "sessions", "turns"),
    [
        (b'{"op": "list"}', ("s",), None),
        (b'{"op": "get", "session": "s"}', ("s",), 2),
        (b'{"op": "reset", "session": "s"}', (), None),
    ],
)
def test_session_commands_are_answered_by_the_publishers_thread(
    node: Node, body: bytes, sessions: tuple[str, ...], turns: int | None
) -> None:
    asked = node.ask("hi", "s")
    node.end(0, "Hello")
    node.terminal(asked)
    reply = node.submit("session", body)
    assert isinstance(reply.asked.request, SessionCommand)
    assert reply.drain(flowing=True) == []
    node.responder.prepare(reply)
    answer = node.terminal(reply)
    assert isinstance(answer, Sessions)
    assert answer.sessions == sessions
    assert (answer.messages and len(answer.messages)) == turns
    assert b"token_ids" not in answer.encode()


def test_a_session_command_that_fails_is_answered_with_an_error(node: Node) -> None:
    node.sessions.close()
    reply = node.submit("session", b"list")
    node.responder.prepare(reply)
    assert node.terminal(reply).code == "internal"


def test_a_request_that_is_made_again_does_not_find_itself_in_its_session(tmp_path: Path) -> None:
    """Killed after its turns were stored and before its reply was delivered."""
    settings = SessionsSettings(file=tmp_path / "s.db")
    node = Node(settings)
    body = b'{"id": "1", "text": "hi", "session": "s"}'
    reply = node.submit("request", body)
    node.responder.prepare(reply)
    node.end(0, "Hello")
    node.terminal(reply)
    again = Node(settings)
    again.responder.prepare(again.submit("request", body))
    assert again.engine.histories[again.engine.sequences[0]] == ()


QWEN = Sampling(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.1)


@pytest.mark.parametrize(
    ("settings", "recommended", "asked", "expected"),
    [
        ({}, None, "", GREEDY),
        ({}, QWEN, "", SamplingParams(0.7, 20, 0.8, None, 0, 1.1)),
        ({}, QWEN, ', "temperature": 0', SamplingParams(0, 20, 0.8, None, 0, 1.1)),
        ({"temperature": 0}, QWEN, "", SamplingParams(0, 20, 0.8, None, 0, 1.1)),
        (
            {"temperature": 0, "min_p": 0.1},
            QWEN,
            ', "temperature": 1',
            SamplingParams(1, 20, 0.8, None, 0.1, 1.1),
        ),
        ({"repetition_penalty": 1.2, "top_k": 0}, QWEN, "", SamplingParams(0.7, 0, 0.8, None, 0, 1.2)),
        (
            {"presence_penalty": 1},
            None,
            ', "min_p": 0.2, "repetition_penalty": 1.3, "frequency_penalty": -1, "presence_penalty": 0',
            SamplingParams(0, 0, 1, None, 0.2, 1.3, -1, 0),
        ),
    ],
)
def test_sampling_is_the_requests_then_the_configurations_then_the_models(
    settings: dict[str, Any], recommended: Sampling | None, asked: str, expected: SamplingParams
) -> None:
    node = Node(sampling=SamplingSettings(**settings), recommended=recommended)
    node.submit("request", f'{{"text": "hi"{asked}}}'.encode())
    assert node.engine.sequences[0].request.sampling == expected
