"""One engine that makes calls of tools, as a process of its own, asked in JSON as ``benchmarks.contender``.

Run as ``python -m benchmarks.calls.contender KIND MODEL THREADS CONTEXT_TOKENS`` from the checkout. This file
imports the standard library only, for the interpreters of other engines.

    in   {"messages": [["role", "content"], …], "max_tokens": N}, and for edge_llm
         {"tools": […], "tool_choice", "schema", "free": true for N tokens whatever they are, "timeout_s"},
         for llama.cpp {"ids": […] of the prompt and the opening of a call, "call_schema"}
    out  {"version"} when ready, then for each request what ``ours.start`` or ``_llama_cpp`` tells
"""

import ctypes
import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.contender import Answer, serve

Choose = Callable[[Any, list[int], str], Iterator[int]]
"""Decodes greedily: gets llama-cpp-python's model, the prompt's ids and a grammar as GBNF."""


def edge_llm(model: Path, threads: int, context_tokens: int) -> Answer:
    """Run a bundle with edge_llm's engine."""
    from benchmarks.calls import ours  # noqa: PLC0415 - the other interpreters lack edge_llm

    return ours.start(model, threads, context_tokens)


def llama_cpp(model: Path, threads: int, context_tokens: int) -> Answer:
    """Run a GGUF file with llama-cpp-python's own loop: the grammar is asked about every token there is."""
    grammars = import_module("llama_cpp").LlamaGrammar

    def choose(llama: Any, ids: list[int], grammar: str) -> Iterator[int]:
        made = grammars.from_string(grammar, verbose=False)
        return iter(llama.generate(ids, temp=0.0, repeat_penalty=1.0, grammar=made))

    return _llama_cpp(model, threads, context_tokens, choose)


def llama_cpp_checked(model: Path, threads: int, context_tokens: int) -> Answer:
    """Run a GGUF file as llama.cpp's server does: its grammar is asked about the token that the model likes.

    Only if that is refused it is asked about all of them.
    """
    lib, np = import_module("llama_cpp"), import_module("numpy")
    held: list[int] = []

    def choose(llama: Any, ids: list[int], grammar: str) -> Iterator[int]:
        sampler = lib.llama_sampler_init_grammar(llama._model.vocab, grammar.encode(), b"root")  # noqa: SLF001 - it has no other name
        fed = ids[-1:] if held == ids else ids
        llama.n_tokens = len(ids) - len(fed)
        held[:] = ids
        try:
            while True:
                llama.eval(fed)
                pointer = llama._ctx.get_logits_ith(-1)  # noqa: SLF001 - it has no other name
                logits = np.ctypeslib.as_array(pointer, shape=(llama.n_vocab(),))
                token = int(logits.argmax())
                if not masked(sampler, [token], logits)[0] > -np.inf:
                    token = int(masked(sampler, range(len(logits)), logits).argmax())
                lib.llama_sampler_accept(sampler, token)
                yield token
                fed = [token]
        finally:
            lib.llama_sampler_free(sampler)

    def masked(sampler: Any, tokens: Any, logits: Any) -> Any:
        """Logits of ``tokens``, minus infinity where the grammar refuses one."""
        entries = np.zeros(
            len(tokens), np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        )
        entries["id"] = tokens
        entries["logit"] = logits[entries["id"]]
        data = ctypes.cast(entries.ctypes.data, ctypes.POINTER(lib.llama_token_data))
        lib.llama_sampler_apply(sampler, lib.llama_token_data_array(data, len(entries), -1, False))  # noqa: FBT003 - C
        return entries["logit"]

    return _llama_cpp(model, threads, context_tokens, choose)


def _llama_cpp(model: Path, threads: int, context_tokens: int, choose: Choose) -> Answer:
    """Answer with ``call_ms``, from the request to its whole call, with that call and the tokens it took."""
    lib = import_module("llama_cpp")
    llama = lib.Llama(
        str(model), n_ctx=context_tokens, n_threads=threads, n_threads_batch=threads, verbose=False
    )
    made: dict[str, str] = {}

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        schema = json.dumps(asked["call_schema"])
        grammar = made.get(schema) or made.setdefault(schema, lib.llama_grammar.json_schema_to_gbnf(schema))
        started = monotonic()
        text = b""
        for count, token in zip(
            range(1, asked["max_tokens"] + 1), choose(llama, asked["ids"], grammar), strict=False
        ):
            text += llama.detokenize([token])
            if call := _whole(text):
                return {"call_ms": 1000 * (monotonic() - started), "tokens": count, "calls": [call]}
        return {"failed": f"no whole call in {asked['max_tokens']} tokens"}

    return answer


def _whole(text: bytes) -> Any:
    """The JSON of a text, None until it is whole."""
    try:
        return json.loads(text) if text.rstrip().endswith(b"}") else None
    except ValueError:
        return None


if __name__ == "__main__":
    serve(
        {
            "edge_llm": (edge_llm, "onnxruntime"),
            "llama_cpp": (llama_cpp, "llama-cpp-python"),
            "llama_cpp_checked": (llama_cpp_checked, "llama-cpp-python"),
        }
    )
