"""A client whose node is a script: what it sends is kept, and what it hears the test has written."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edge_llm.client import Client, Done, MqttSettings, ToolCall
from edge_llm.contract.frames import Act, AnyFrame, Call, Delta, Sessions, TimingMs, Usage
from edge_llm.contract.requests import Inbound, SessionCommand, parse
from edge_llm.contract.topics import Topics

HEADER: dict[str, Any] = {"id": "1", "node": "n"}


def delta(seq: int, text: str) -> Delta:
    return Delta(**HEADER, seq=seq, text=text)


def call(seq: int, index: int, made: ToolCall) -> Call:
    return Call(**HEADER, seq=seq, index=index, call=made)


def forgotten() -> Sessions:
    return Sessions(**HEADER, seq=0, op="delete", sessions=())


def done(text: str, *calls: ToolCall, seq: int = 99, act: Act | None = None) -> Done:
    return Done(
        **HEADER,
        seq=seq,
        text=text,
        calls=calls or None,
        act=act,
        finish_reason="tool_calls" if calls else "stop",
        model="m",
        usage=Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=1),
        timing_ms=TimingMs(queue=0, prefill=0, ttft=0, total=0),
        tokens_per_second=1.0,
    )


class Script:
    """In place of an Exchange: answers each request with the next list of frames."""

    def __init__(self, replies: Sequence[Sequence[AnyFrame]]) -> None:
        self.asked: list[Inbound] = []
        self._replies = list(replies)

    def topics_of(self, node: str) -> Topics:
        return Topics("edge_llm", node)

    def frames(
        self, request: Any, topic: Callable[[], str], timeout_s: float, *, retry: bool = True, **_: Any
    ) -> Iterator[AnyFrame]:
        kind = "session" if isinstance(request, SessionCommand) else "request"
        payload = request.model_dump_json(exclude_none=True, by_alias=True).encode()
        self.asked.append(parse(kind, payload, 2**20))
        yield from self._replies.pop(0)


def client_of(script: Script) -> Client:
    client = Client(MqttSettings(), "n", "c")
    client._exchange = script  # type: ignore[assignment] # all of an exchange that a client uses
    return client
