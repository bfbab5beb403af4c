"""One engine as a process of its own: JSON lines on standard input and output, one answer per request.

Run as ``python -P benchmarks/contender.py KIND MODEL THREADS CONTEXT_TOKENS`` by any interpreter that has the
library of its kind. This file imports the standard library only: none but the kinds of edge_llm need that.
No kind reuses an earlier prompt: caches of prefixes are off.

    in   {"messages": [["role", "content"], …], "ids": […], "max_tokens": N}
    out  {"version"} when ready, then {"ttft_ms", "tokens_per_second"} for each request
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

PROMPT_CHUNK = 512
"""Tokens of a prompt that a graph of Optimum gets at a time: it has logits for each, 0.3 GB in a chunk."""
WHOLE_PROMPT = 2**31
"""More tokens at a time than any prompt has: OpenVINO GenAI's pipeline never divides one by itself."""
Generate = Callable[[list[int], int, Callable[[], None]], None]
"""Decodes greedily: gets the prompt's ids, the number of tokens, and a function to call at each token."""
Answer = Callable[[dict[str, Any]], dict[str, Any]]
"""Answers a request."""
Kinds = Mapping[str, tuple[Callable[[Path, int, int], Answer], str]]
"""Each kind's function, and the distribution whose version it reports."""


def edge_llm(model: Path, threads: int, context_tokens: int) -> Answer:
    """Run a bundle with edge_llm's engine."""
    return _edge_llm(model, threads, {"context_tokens": context_tokens})


def edge_llm_decode_graph(model: Path, threads: int, context_tokens: int) -> Answer:
    """Run a bundle with edge_llm's engine, prompts through the decode graph, too."""
    return _edge_llm(model, threads, {"context_tokens": context_tokens, "prefill_graph": False})


def edge_llm_mlock(model: Path, threads: int, context_tokens: int) -> Answer:
    """Run a bundle with edge_llm's engine, its weights held in pages of 2 MB."""
    return _edge_llm(model, threads, {"context_tokens": context_tokens, "mlock": True})


def _edge_llm(model: Path, threads: int, settings: dict[str, Any]) -> Answer:
    # Imported here: the interpreters of the other contenders lack edge_llm.
    from edge_llm.bench.local_engine import LocalEngine  # noqa: PLC0415 - the other interpreters lack edge_llm
    from edge_llm.bundle import open_bundle  # noqa: PLC0415 - the other interpreters lack edge_llm
    from edge_llm.config import EngineSettings  # noqa: PLC0415 - the other interpreters lack edge_llm
    from edge_llm.contract.turns import Turn  # noqa: PLC0415 - the other interpreters lack edge_llm

    engine = LocalEngine(
        open_bundle(model), threads, EngineSettings(slots=1, prefix_cache_mb=0, **settings)
    ).__enter__()

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        messages = [Turn(role=role, content=content) for role, content in request["messages"]]
        completion = engine.run(messages, request["max_tokens"]).completion
        return {"ttft_ms": completion.timing_ms.ttft, "tokens_per_second": completion.tokens_per_second}

    return answer


def llama_cpp(model: Path, threads: int, context_tokens: int) -> Answer:
    """Run a GGUF file with llama-cpp-python."""
    llama = import_module("llama_cpp").Llama(
        str(model), n_ctx=context_tokens, n_threads=threads, n_threads_batch=threads, verbose=False
    )

    def generate(ids: list[int], count: int, on_token: Callable[[], None]) -> None:
        tokens = llama.generate(ids, temp=0.0, repeat_penalty=1.0, reset=False)
        llama.reset()  # forget the previous prompt
        for _ in zip(range(count), tokens, strict=False):
            on_token()

    return _timed(generate)


def optimum(model: Path, threads: int, _context_tokens: int) -> Answer:
    """Run a graph that Optimum exported in ONNX Runtime: past in, present out."""
    np, ort = import_module("numpy"), import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")  # do not spin while others run
    session = ort.InferenceSession(str(model / "model.onnx"), options, providers=["CPUExecutionProvider"])
    inputs = {entry.name: entry.shape for entry in session.get_inputs()}
    pasts = [name for name in inputs if name.startswith("past_key_values.")]
    outputs = ["logits", *(name.replace("past_key_values", "present") for name in pasts)]
    value = ort.OrtValue.ortvalue_from_numpy

    def generate(ids: list[int], count: int, on_token: Callable[[], None]) -> None:
        past = [value(np.zeros((1, inputs[name][1], 0, inputs[name][3]), np.float32)) for name in pasts]
        chunks = [ids[start : start + PROMPT_CHUNK] for start in range(0, len(ids), PROMPT_CHUNK)]
        held = 0
        while count:
            fed = chunks.pop(0)
            held += len(fed)
            own = {
                "input_ids": np.array([fed], np.int64),
                "attention_mask": np.ones((1, held), np.int64),
                "position_ids": np.arange(held - len(fed), held, dtype=np.int64)[None],
            }
            feeds = {name: value(own[name]) for name in own if name in inputs}
            logits, *past = session.run_with_ort_values(outputs, feeds | dict(zip(pasts, past, strict=True)))
            if not chunks:
                chunks = [[int(logits.numpy()[0, -1].argmax())]]
                on_token()
                count -= 1

    return _timed(generate)


def pytorch(model: Path, threads: int, _context_tokens: int) -> Answer:
    """Run a Hugging Face directory with ``generate`` of transformers, in float32."""
    torch, transformers = import_module("torch"), import_module("transformers")
    torch.set_num_threads(threads)
    network = transformers.AutoModelForCausalLM.from_pretrained(str(model), dtype=torch.float32).eval()

    class Streamer:
        """Reports each token; the first call hands over the prompt's ids and is ignored."""

        def __init__(self, on_token: Callable[[], None]) -> None:
            self._next: Callable[[], None] = lambda: setattr(self, "_next", on_token)

        def put(self, _ids: Any) -> None:
            self._next()

        def end(self) -> None:
            pass

    def generate(ids: list[int], count: int, on_token: Callable[[], None]) -> None:
        prompt = torch.tensor([ids])
        with torch.inference_mode():
            network.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                min_new_tokens=count,
                max_new_tokens=count,
                do_sample=False,
                pad_token_id=0,
                streamer=Streamer(on_token),
            )

    return _timed(generate)


def onnxruntime_genai(model: Path, threads: int, _context_tokens: int) -> Answer:
    """Run a directory that onnxruntime-genai's model builder wrote."""
    genai = import_module("onnxruntime_genai")
    config = genai.Config(str(model))
    config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
    network = genai.Model(config)

    def generate(ids: list[int], count: int, on_token: Callable[[], None]) -> None:
        length = len(ids) + count
        params = genai.GeneratorParams(network)
        params.set_search_options(do_sample=False, min_length=length, max_length=length)
        generator = genai.Generator(network, params)
        generator.append_tokens(ids)
        for _ in range(count):
            generator.generate_next_token()
            generator.get_next_tokens()
            on_token()

    return _timed(generate)


def openvino_genai(model: Path, threads: int, _context_tokens: int) -> Answer:
    """Run OpenVINO GenAI on a directory of its own, or on a GGUF file, which it converts while reading."""
    genai, np = import_module("openvino_genai"), import_module("numpy")
    tensor = import_module("openvino").Tensor
    scheduling = genai.SchedulerConfig()  # the pipeline's own, but for the cache of prefixes
    scheduling.max_num_batched_tokens = WHOLE_PROMPT
    scheduling.enable_prefix_caching = False
    options = {"scheduler_config": scheduling, "INFERENCE_NUM_THREADS": threads}
    pipeline = genai.LLMPipeline(str(model), "CPU", **options)

    def generate(ids: list[int], count: int, on_token: Callable[[], None]) -> None:
        prompt = np.array([ids], np.int64)
        config = genai.GenerationConfig(max_new_tokens=count, min_new_tokens=count, do_sample=False)

        class Streamer(genai.StreamerBase):  # type: ignore[misc, name-defined]  # imported by name
            def write(self, _token: int | list[int]) -> Any:
                on_token()
                return genai.StreamingStatus.RUNNING

            def end(self) -> None:
                pass

        tokens = genai.TokenizedInputs(tensor(prompt), tensor(np.ones_like(prompt)))
        pipeline.generate(tokens, config, Streamer())

    return _timed(generate)


def _timed(generate: Generate) -> Answer:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        times: list[float] = []
        started = monotonic()
        generate(request["ids"], request["max_tokens"], lambda: times.append(monotonic()))
        seconds = times[-1] - times[0]
        rate = (len(times) - 1) / seconds if seconds else 0.0
        return {"ttft_ms": 1000 * (times[0] - started), "tokens_per_second": rate}

    return answer


KINDS: Kinds = {
    "edge_llm": (edge_llm, "onnxruntime"),
    "edge_llm_decode_graph": (edge_llm_decode_graph, "onnxruntime"),
    "edge_llm_mlock": (edge_llm_mlock, "onnxruntime"),
    "llama_cpp": (llama_cpp, "llama-cpp-python"),
    "optimum": (optimum, "onnxruntime"),
    "pytorch": (pytorch, "torch"),
    "onnxruntime_genai": (onnxruntime_genai, "onnxruntime-genai"),
    "openvino_genai": (openvino_genai, "openvino-genai"),
}


def serve(kinds: Kinds) -> None:
    """Answer requests until standard input ends; the command line names the kind."""
    kind, model, threads, context_tokens = sys.argv[1:]
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what a library prints must not be read as an answer
        start, package = kinds[kind]
        answer = start(Path(model), int(threads), int(context_tokens))
        print(json.dumps({"version": f"{package} {version(package)}"}), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
    os._exit(0)  # the engine's thread still waits for requests


if __name__ == "__main__":
    serve(KINDS)
