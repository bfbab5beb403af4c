"""The gateway with a fake responder: what it does with a decision, and when it fails itself."""

import json
import time
from typing import Any

import pytest

from edge_llm.config import MqttSettings
from edge_llm.contract.frames import Error
from edge_llm.contract.topics import Topics
from edge_llm.gateway.decision import Admission
from edge_llm.gateway.gateway import Gateway
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.reply import Reply
from edge_llm.gateway.request_log import RequestLog
from edge_llm.gateway.routes import Routes
from edge_llm.mqtt.message import Message
from edge_llm.state import clock
from edge_llm.state.database import StateDatabase

TOPICS = Topics("edge_llm", "n")


class FakeResponder:
    """Takes requests, or fails at them."""

    def __init__(self) -> None:
        self.submitted: list[Reply] = []
        self.fails = False

    def submit(self, reply: Reply) -> None:
        if self.fails:
            raise ZeroDivisionError
        self.submitted.append(reply)

    def cancel(self, reply: Reply) -> None:
        self.submitted.remove(reply)

    def prepare(self, reply: Reply) -> None: ...

    def complete(self, reply: Reply, terminal: Any) -> Any:
        return terminal


class Node:
    """A gateway with what stands around it, and no broker."""

    def __init__(self, database: StateDatabase | None = None) -> None:
        self.log = RequestLog(database)
        self.in_flight = InFlight()
        self.responder = FakeResponder()
        admission = Admission(MqttSettings(), TOPICS, Routes(()), self.log, self.in_flight, 8)
        self.gateway = Gateway("n", admission, self.in_flight, self.log, self.responder)
        self.acknowledged: list[Message] = []

    def take(self, payload: object, kind: str = "request", client: str = "c", **fields: Any) -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        topic = f"edge_llm/n/{kind}/{client}"
        message = Message(topic, body, qos1=True, on_acknowledge=self.acknowledged.append, **fields)
        self.gateway.on_message(message)

    def errors(self) -> list[tuple[str, str]]:
        """Id and code of each refusal, as it would go out."""
        with self.in_flight.changed:
            frames = [frame for _, _, frame in self.in_flight.pending_frames(flowing=True)]
        return [(frame.id, frame.code) for frame in frames if isinstance(frame, Error)]


def test_a_request_that_the_node_fails_at_is_answered_internal(caplog: pytest.LogCaptureFixture) -> None:
    node = Node()
    node.responder.fails = True
    node.take({"id": "7", "text": "private words"})
    assert node.errors() == [("7", "internal")]
    assert [record.message.split()[0] for record in caplog.records] == ["gateway.failed"]
    assert "private" not in caplog.text
    node.responder.fails = False
    node.take({"id": "8", "text": "hi"})
    assert [reply.asked.request.id for reply in node.responder.submitted] == ["8"]


def test_where_even_that_fails_the_message_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    monkeypatch.setattr("edge_llm.gateway.decision.parse", lambda *_: 1 / 0)
    monkeypatch.setattr("edge_llm.gateway.decision.unreadable", lambda *_: 1 / 0)
    node.take({"id": "7", "text": "hi"})
    assert node.errors() == []
    assert len(node.acknowledged) == 1


def test_a_damaged_answer_in_the_log_is_an_error_under_the_id() -> None:
    node = Node()
    node.take({"id": "7", "text": "hi"})
    node.log.finish("c", "7", b"\xff torn")
    node.in_flight.remove(("c", "7"))
    node.take({"id": "7", "text": "hi"})
    assert node.errors() == [("7", "internal")]


def test_a_name_that_is_none_is_in_the_log_without_its_power(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    node = Node()
    node.take({"id": "7", "text": "hi"}, client="living\u202e room\x1b[31m" + 100 * "x")
    node.take({"id": "8", "text": "hi"}, client="living room")
    node.take(b"*", kind="cancel", client="Küche")
    assert [each for each, _ in node.errors()] == ["8"]
    assert "living room" in caplog.text or "living\\u202e room" in caplog.text
    assert "\x1b" not in caplog.text
    assert "\u202e" not in caplog.text
    assert len(caplog.text) < 600


def test_a_backlog_of_unknown_age_is_old_until_the_marker_comes(tmp_path: Any) -> None:
    """A file that is new, and a broker that has kept a session: nobody knows since when."""
    node = Node(StateDatabase(tmp_path / "state.db"))
    node.gateway.on_connected(session_present=True)
    node.take({"id": "stale", "text": "hi", "ttl_s": 86400})
    node.take({"id": "timed", "text": "hi"}, expiry_s=30)
    node.take(node.gateway.marker.encode(), kind="cancel", client="n")
    node.take({"id": "fresh", "text": "hi"})
    assert node.errors() == [("stale", "expired")]
    assert [reply.asked.request.id for reply in node.responder.submitted] == ["timed", "fresh"]


@pytest.mark.parametrize("step_s", [-7200, 7200])
def test_a_clock_that_is_set_between_two_connections_ages_no_request(
    monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    node = Node()
    node.log.alive()
    wall = time.time() + step_s
    monkeypatch.setattr(clock, "time", lambda: wall)
    node.gateway.on_connected(session_present=True)
    node.take({"id": "fresh", "text": "hi"})
    since_boot = clock.boottime() + 120
    monkeypatch.setattr(clock, "boottime", lambda: since_boot)
    node.gateway.on_connected(session_present=True)
    node.take({"id": "stale", "text": "hi"})
    assert [reply.asked.request.id for reply in node.responder.submitted] == ["fresh"]
    assert node.errors() == [("stale", "expired")]
