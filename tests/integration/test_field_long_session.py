"""A long conversation with the demo model: the turns after an overflow find their prompt computed."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from edge_llm.bundle import TOKENIZER, Bundle
from edge_llm.config import EngineSettings, HouseSettings, SamplingSettings, SessionsSettings
from edge_llm.contract.frames import Done, Usage
from edge_llm.contract.requests import Request
from edge_llm.engine.engine import Engine
from edge_llm.engine.onnx.loading import LoadingModel
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.reply import Asked, Reply
from edge_llm.host.power.source import Unavailable
from edge_llm.mqtt.message import Message
from edge_llm.node.acts.acting import Acting
from edge_llm.node.responder import Responder
from edge_llm.node.sessions import SessionStore
from edge_llm.telemetry.energy import EnergyMeter
from edge_llm.telemetry.reply_stats import ReplyStats
from tests.common import eventually

TURNS = 40


class Node:
    """Engine, responder and sessions of one process, asked from the test's thread."""

    def __init__(self, bundle: Bundle, sessions: Path, tokenizer: str | None = None) -> None:
        settings = EngineSettings(context_tokens=512, slots=1, grace_s=0)
        self.engine = Engine(LoadingModel(bundle, settings), settings)
        self.sessions = SessionStore(
            SessionsSettings(file=sessions), tokenizer or bundle.manifest.sha256[TOKENIZER]
        )
        stats = ReplyStats(EnergyMeter(Unavailable("a test has none")))
        self.responder = Responder(
            self.engine, bundle.manifest, SamplingSettings(), self.sessions, stats, Acting(HouseSettings())
        )
        self.in_flight = InFlight()
        self.engine.start()

    def ask(self, number: int) -> Usage:
        request = Request(
            id=f"r{number}",
            text=f"In room {number} the lamp is on and the window is open. What should I do there?",
            session="s",
            system="You are the assistant of a house. Answer in one sentence.",
            max_tokens=16,
        )
        reply = Reply(
            "n", Asked("request", "c", request, Message("t", b"", qos1=True)), self.in_flight.changed
        )
        self.responder.submit(reply)
        self.responder.prepare(reply)
        frames = eventually(lambda: [each for each in reply.drain(flowing=True) if each.type == "done"])
        done = frames[0]
        assert isinstance(done, Done), done
        self.responder.complete(reply, done)
        return done.usage

    def close(self) -> None:
        self.engine.stop()
        self.sessions.close()


@pytest.fixture
def node(int8: Bundle, tmp_path: Path) -> Iterator[Node]:
    node = Node(int8, tmp_path / "s.db")
    yield node
    node.close()


@pytest.mark.long
def test_turns_after_an_overflow_are_warm(node: Node) -> None:
    usages = [node.ask(number) for number in range(TURNS)]
    computed = [usage.prompt_tokens - usage.cached_tokens for usage in usages]
    dropped = [usage.dropped_messages for usage in usages]
    cuts = [turn for turn in range(1, TURNS) if dropped[turn] > dropped[turn - 1]]
    assert 3 < cuts[0] < 15
    assert len(cuts) < (TURNS - cuts[0]) / 3
    assert dropped[-1] > TURNS
    warm = [tokens for turn, tokens in enumerate(computed) if turn not in cuts]
    assert max(warm[1:]) < 50
    assert median(computed[cuts[0] :]) <= 1.2 * median(computed[1 : cuts[0]])


def test_a_session_of_another_tokenizer_goes_on_from_its_text(
    node: Node, int8: Bundle, tmp_path: Path
) -> None:
    """As far as the store knows, the bundle has been replaced; then it comes back."""
    before = [node.ask(number) for number in range(2)][-1]
    other = Node(int8, tmp_path / "s.db", tokenizer="another one's hash")
    try:
        after = other.ask(2)
        assert not any(hasattr(turn, "token_ids") for turn in other.sessions.load("c", "s")[:4])
    finally:
        other.close()
    assert after.prompt_tokens > before.prompt_tokens
    assert after.dropped_messages == 0
