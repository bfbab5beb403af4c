"""A responder with a node that says what a test wants, without a broker."""

import json
import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any, cast

from edge_llm.client import Client, Done, Status, ToolCall
from edge_llm.contract.frames import Sessions, TimingMs, Usage
from edge_llm.contract.requests import parse
from edge_llm.contract.turns import Turn
from edge_llm.documents.passage import Found, Passage
from edge_llm.documents.prompt import Prompt
from edge_llm.documents.responder import Responder
from edge_llm.documents.words import words_of
from edge_llm.gateway.in_flight import InFlight
from edge_llm.gateway.reply import Asked, Reply
from edge_llm.mqtt.message import Message
from tests.common import eventually

PASSAGE = Passage("dishwasher.pdf", "Dishwasher", "Error codes", 12, "E15: the inlet is blocked.")
SOURCE = {"document": "dishwasher.pdf", "title": "Dishwasher", "heading": "Error codes", "page": 12}
HEADER: dict[str, Any] = {"id": "n", "node": "kitchen-pc", "seq": 0}
ON = ToolCall(id="call_1", name="HassTurnOn", arguments={"name": "lamp"})


def done(text: str = "Yes.", *, prompt_tokens: int = 9, **fields: Any) -> Done:
    return Done(
        **HEADER,
        text=text,
        model="m",
        usage=Usage(prompt_tokens=prompt_tokens, cached_tokens=0, completion_tokens=1),
        timing_ms=TimingMs(queue=0, prefill=0, ttft=0, total=0),
        tokens_per_second=1.0,
        **{"finish_reason": "stop", **fields},
    )


class FakeNode:
    """In place of a client: what it is asked waits for the test to say what comes back."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.commands: list[tuple[str, str | None]] = []
        self.cancelled: list[str] = []
        self.sessions: tuple[str, ...] = ()
        self.knows_sessions = True
        self._frames: list[SimpleQueue[Any]] = []

    def stream(self, text: str | None, **fields: Any) -> Iterator[Any]:
        frames: SimpleQueue[Any] = SimpleQueue()
        self._frames.append(frames)
        self.asked.append({"text": text, **fields})
        while True:
            frame = frames.get()
            if isinstance(frame, Exception):
                raise frame
            yield frame
            if isinstance(frame, Done):
                return

    def says(self, *frames: Any, number: int = 0) -> None:
        eventually(lambda: len(self._frames) > number)
        for frame in frames:
            self._frames[number].put(frame)

    def cancel(self, request_id: str) -> None:
        self.cancelled.append(request_id)

    def command(self, op: str, session: str | None) -> Sessions:
        self.commands.append((op, session))
        if not self.knows_sessions:
            raise ValueError("this client asks a pool")
        turns = (Turn(role="user", content="Hi"),)
        return Sessions(**HEADER, op="get", sessions=(*self.sessions, "another"), messages=turns)


class Desk:
    """A responder with what stands around it; passages are found for what names E15."""

    def __init__(self, *, quotes: bool = False) -> None:
        self.node = FakeNode()
        self.in_flight = InFlight()
        self.complete = True
        self.found = Found((PASSAGE,), (PASSAGE,))
        prompt = Prompt(words_of("en"), 700, quotes=quotes)
        self.responder = Responder(
            lambda text, _characters: self.found if "E15" in text else Found(),
            lambda: self.complete,
            prompt,
            cast("Client", self.node),
            timeout_s=60,
            ttl_s=60,
        )
        self.responder.start()

    def reply(self, kind: str = "request", client: str = "c", ttl_s: float = 60, **fields: Any) -> Reply:
        request = parse(kind, json.dumps(fields).encode(), 65536)
        message = Message(f"edge_llm/documents/{kind}/{client}", b"", qos1=True)
        asked = Asked(kind, client, request, message)
        reply = Reply("documents", asked, self.in_flight.changed, expires_at=time.monotonic() + ttl_s)
        self.in_flight.add(reply)
        return reply

    def ask(self, kind: str = "request", **fields: Any) -> Reply:
        reply = self.reply(kind, **{"id": "1", **fields} if kind == "request" else fields)
        self.responder.submit(reply)
        return reply


def terminal(reply: Reply) -> Any:
    return eventually(lambda: reply._terminal)


def frames(reply: Reply) -> list[Any]:
    """All frames of a reply that has ended, without its status frames."""
    terminal(reply)
    with reply._changed:
        return [frame for frame in reply.drain(flowing=True) if not isinstance(frame, Status)]
