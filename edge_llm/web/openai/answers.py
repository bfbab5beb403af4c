"""Writes frames as OpenAI's chat completions, whole and in chunks."""

import json
from collections.abc import AsyncIterator
from time import time
from typing import Any

from edge_llm.client import Call, Delta, Done, RequestError, ToolCall
from edge_llm.client.asynchronous import Frame, Reply
from edge_llm.web.errors import Problem, openai_body
from edge_llm.web.events import message

_END = message(b"[DONE]")


def completion(done: Done, model: str) -> dict[str, Any]:
    """The whole reply."""
    said: dict[str, Any] = {"role": "assistant", "content": done.text or None if done.calls else done.text}
    if done.calls:
        said["tool_calls"] = [_call(call) for call in done.calls]
    return {
        "id": f"chatcmpl-{done.id}",
        "object": "chat.completion",
        "created": int(time()),
        "model": model,
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": _finish_reason(done)}],
        "usage": _usage(done),
        "edge_llm": _figures(done),
    }


async def chunks(reply: Reply, first: Frame, model: str, *, usage: bool) -> AsyncIterator[bytes]:
    """The reply as server-sent events, from its first frame on."""
    header = {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion.chunk",
        "created": int(time()),
        "model": model,
    }

    def chunk(delta: dict[str, Any], finish_reason: str | None = None, **fields: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _json({**header, "choices": [choice], **({"usage": None} if usage else {}), **fields})

    yield chunk({"role": "assistant", "content": ""})
    frame = first
    try:
        while not isinstance(frame, Done):
            if isinstance(frame, Delta):
                yield chunk({"content": frame.text})
            elif isinstance(frame, Call):
                yield chunk({"tool_calls": [{"index": frame.index, **_call(frame.call)}]})
            frame = await reply.next()
    except RequestError as error:
        yield _json(openai_body(Problem.of(error)))
        return
    yield chunk({}, _finish_reason(frame), edge_llm=_figures(frame))
    if usage:
        yield _json({**header, "choices": [], "usage": _usage(frame)})
    yield _END


def _json(content: dict[str, Any]) -> bytes:
    return message(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _finish_reason(done: Done) -> str:
    return "stop" if done.finish_reason == "cancelled" else done.finish_reason


def _usage(done: Done) -> dict[str, Any]:
    used = done.usage
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.prompt_tokens + used.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens},
    }


def _figures(done: Done) -> dict[str, Any]:
    """What the node measured, and sources of an answer from the papers; OpenAI has no place for it."""
    names = {"node", "timing_ms", "tokens_per_second", "energy"}
    return done.model_dump(mode="json", include=names, exclude_none=True) | (done.custom or {})
