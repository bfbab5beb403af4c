"""llama-cpp-python as a process, asked in JSON as ``benchmarks.contender``: it needs no package of ours.

in   {"messages": [{"role", "content"}, …], "tools": [{"type", "function"}, …], "max_tokens": N}
out  {"text", "calls": [{"name", "arguments"}, …], "total_ms", "prompt_tokens", "completion_tokens"},
     or {"failed": why}
"""

import json
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.contender import Answer, serve


def llama_cpp(model: Path, threads: int, context_tokens: int) -> Answer:
    """Run a GGUF file with the chat format of llama-cpp-python that calls tools under a grammar."""
    llama = import_module("llama_cpp").Llama(
        str(model),
        n_ctx=context_tokens,
        n_threads=threads,
        n_threads_batch=threads,
        chat_format="chatml-function-calling",
        verbose=False,
    )

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        started = monotonic()
        try:
            reply = llama.create_chat_completion(
                messages=asked["messages"],
                tools=asked["tools"],
                tool_choice="auto",
                temperature=0.0,
                max_tokens=asked["max_tokens"],
            )
        except Exception as error:  # noqa: BLE001 - whatever its library raises is the contender's failure
            return {"failed": f"{type(error).__name__} in llama-cpp-python"}
        message, usage = reply["choices"][0]["message"], reply.get("usage") or {}
        return {
            "text": message.get("content") or "",
            "calls": [_call(call["function"]) for call in message.get("tool_calls") or ()],
            "total_ms": 1000 * (monotonic() - started),
            "prompt_tokens": usage.get("prompt_tokens", 0),
            "completion_tokens": usage.get("completion_tokens", 0),
        }

    return answer


def _call(function: dict[str, Any]) -> dict[str, Any]:
    """A call; one whose arguments are no JSON has no name, so that it counts as none."""
    try:
        return {"name": function["name"], "arguments": json.loads(function["arguments"] or "{}")}
    except ValueError:
        return {}


if __name__ == "__main__":
    serve({"llama_cpp": (llama_cpp, "llama-cpp-python")})
