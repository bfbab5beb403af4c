"""A responder on an engine that holds what it is given, until the test lets it end."""

from types import SimpleNamespace
from typing import Any, cast

from edge_llm.bundle import Manifest, Sampling
from edge_llm.config import HouseSettings, SamplingSettings, SessionsSettings
from edge_llm.contract.frames import Done, Error, FinishReason, Sessions, TimingMs, Usage
from edge_llm.contract.requests import Request, parse
from edge_llm.contract.tools import ToolCall
from edge_llm.engine.engine import Engine
from edge_llm.engine.sequence import Sequence
from edge_llm.engine.types import Completion, Queued
from edge_llm.errors import RequestError
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.reply import Asked, Reply
from edge_llm.host.power.source import Unavailable
from edge_llm.mqtt.message import Message
from edge_llm.node.acts.acting import Acting
from edge_llm.node.responder import Responder
from edge_llm.node.sessions import SessionStore
from edge_llm.telemetry.energy import EnergyMeter
from edge_llm.telemetry.reply_stats import ReplyStats


class FakeEngine:
    """Holds what it is given, until the test lets it end."""

    def __init__(self) -> None:
        self.sequences: list[Sequence] = []
        self.histories: dict[Sequence, Any] = {}
        self.cancelled: dict[Sequence, RequestError | None] = {}
        self.full = False

    def submit(self, sequence: Sequence) -> None:
        if self.full:
            raise RequestError("busy", "full")
        self.sequences.append(sequence)
        sequence.emit(Queued(0))

    def release(self, sequence: Sequence, history: Any) -> None:
        self.histories[sequence] = history

    def cancel(self, sequence: Sequence, error: RequestError | None = None) -> None:
        self.cancelled[sequence] = error

    def progress(self, _sequence: Sequence) -> tuple[int, float | None]:
        return 0, None


class Node:
    """A responder and what stands around it."""

    def __init__(
        self,
        sessions: SessionsSettings | None = None,
        sampling: SamplingSettings | None = None,
        recommended: Sampling | None = None,
        *,
        constrained: bool = True,
    ) -> None:
        self.engine = FakeEngine()
        self.sessions = SessionStore(sessions or SessionsSettings())
        self.stats = ReplyStats(EnergyMeter(Unavailable("a test has none")))
        engine = cast(Engine, self.engine)
        defaults = sampling or SamplingSettings(max_tokens=9)
        model = cast(Manifest, SimpleNamespace(name="tiny", sampling=recommended))
        self.responder = Responder(
            engine,
            model,
            defaults,
            self.sessions,
            self.stats,
            Acting(HouseSettings()),
            constrained=constrained,
        )
        self.in_flight = InFlight()

    def submit(self, kind: str, body: bytes, client: str = "c") -> Reply:
        asked = Asked(kind, client, parse(kind, body, 9999), Message("t", b"", qos1=True))
        reply = Reply("n", asked, self.in_flight.changed)
        self.responder.submit(reply)
        return reply

    def ask(self, text: str, session: str | None = None) -> Reply:
        """Submit, and prepare as the publisher does then."""
        request = Request(text=text, session=session)
        reply = self.submit("request", request.model_dump_json(exclude_none=True).encode())
        self.responder.prepare(reply)
        return reply

    def end(
        self,
        number: int,
        text: str,
        token_ids: tuple[int, ...] | None = (7, 8),
        calls: tuple[ToolCall, ...] = (),
    ) -> None:
        usage = Usage(prompt_tokens=5, cached_tokens=1, completion_tokens=2)
        timing = TimingMs(queue=1, prefill=2, ttft=3, total=13)
        reason: FinishReason = "tool_calls" if calls else "stop"
        self.engine.sequences[number].emit(Completion(text, reason, usage, timing, token_ids, calls))

    def terminal(self, reply: Reply) -> Any:
        """What the publisher sends in the end."""
        frame = reply.drain(flowing=True)[-1]
        assert isinstance(frame, Done | Error | Sessions)
        return self.responder.complete(reply, frame)
