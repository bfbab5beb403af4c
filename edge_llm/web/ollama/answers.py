"""Writes frames as Ollama's replies: a line of JSON for each piece."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from edge_llm.client import Call, Delta, Done, RequestError, ToolCall
from edge_llm.client.asynchronous import Frame, Reply
from edge_llm.web.errors import Problem, ollama_body

LINES = "application/x-ndjson"
_NS_PER_MS = 1_000_000


def whole(done: Done, model: str) -> dict[str, Any]:
    """The whole reply."""
    return _message(model, done.text, done.calls or ()) | _end(done)


def loaded(model: str) -> dict[str, Any]:
    """The reply to a request without messages, by which clients load a model."""
    return _message(model, "") | {"done": True, "done_reason": "load"}


async def lines(reply: Reply, first: Frame, model: str) -> AsyncIterator[bytes]:
    """The reply in pieces, from its first frame on."""
    frame = first
    try:
        while not isinstance(frame, Done):
            if isinstance(frame, Delta):
                yield line(_message(model, frame.text))
            elif isinstance(frame, Call):
                yield line(_message(model, "", (frame.call,)))
            frame = await reply.next()
    except RequestError as error:
        yield line(ollama_body(Problem.of(error)))
        return
    yield line(_message(model, "") | _end(frame))


def line(content: dict[str, Any]) -> bytes:
    """A line of JSON."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _message(model: str, text: str, calls: tuple[ToolCall, ...] = ()) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        said["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": call.arguments}} for call in calls
        ]
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {"model": model, "created_at": now, "message": said, "done": False}


def _end(done: Done) -> dict[str, Any]:
    timing = done.timing_ms
    decode_ms = max(0.0, timing.total - timing.queue - timing.prefill)
    sources = {"edge_llm": done.custom} if done.custom else {}
    return {
        "done": True,
        "done_reason": "length" if done.finish_reason == "length" else "stop",
        "total_duration": round(timing.total * _NS_PER_MS),
        "load_duration": 0,
        "prompt_eval_count": done.usage.prompt_tokens,
        "prompt_eval_duration": round(timing.prefill * _NS_PER_MS),
        "eval_count": done.usage.completion_tokens,
        "eval_duration": round(decode_ms * _NS_PER_MS),
        **sources,
    }
