"""Paired runs of several engines: same weights, threads and prompt ids, alternating in every round."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from benchmarks import contender
from benchmarks.peer_models import PeerModels
from edge_llm.bench.figures import spread
from edge_llm.bench.prompts import Prompt, Prompts
from edge_llm.convert.progress import Advance, Progress
from edge_llm.demo import peak_rss_mb
from edge_llm.errors import EdgeLlmError, SourceError

OURS = "edge_llm"
DECODE, PREFILL, LONG_PREFILL = "decode tok/s", "TTFT 256 ms", "TTFT 1024 ms"
MEASURES = (DECODE, PREFILL, LONG_PREFILL)
PROMPT_TOKENS, LONG_PROMPT_TOKENS = 256, 1024


@dataclass(frozen=True)
class Peer:
    """Another engine: a kind of ``contender``, the module it needs, and how its model is made."""

    name: str
    kind: str
    module: str
    model: Callable[[PeerModels, str], Path]


PEERS = (
    Peer("llama.cpp Q8_0", "llama_cpp", "llama_cpp", lambda models, python: models.gguf(python, "Q8_0")),
    Peer("llama.cpp Q4_0", "llama_cpp", "llama_cpp", lambda models, python: models.gguf(python, "Q4_0")),
    Peer(
        "Optimum INT8 (seed)",
        "optimum",
        "optimum.onnxruntime",
        lambda models, python: models.optimum(python, "int8"),
    ),
    Peer("PyTorch FP32 (seed)", "pytorch", "transformers", lambda models, _: models.directory()),
    Peer(
        "onnxruntime-genai int4",
        "onnxruntime_genai",
        "onnxruntime_genai",
        lambda models, python: models.genai(python, "int4"),
    ),
    Peer(
        "OpenVINO GenAI Q4_0",
        "openvino_genai",
        "openvino_genai",
        lambda models, python: models.gguf(python, "Q4_0"),
    ),
)


@dataclass(frozen=True)
class Plan:
    """Rounds that are counted, and the tokens that each contender decodes in each of them."""

    rounds: int
    decode_tokens: int


@dataclass(frozen=True)
class Result:
    """One contender's values per measure, one per round; for a missing contender only the reason."""

    name: str
    version: str = ""
    values: dict[str, tuple[float, ...]] | None = None
    peak_rss_mb: float = 0.0
    missing: str = ""

    def to_json(self, ours: "Result") -> dict[str, Any]:
        """Medians, spreads, and the ratio of ours to this one in each round."""
        if self.values is None or ours.values is None:
            return {"name": self.name, "missing": self.missing}
        measures = {}
        for measure, values in self.values.items():
            ratios = [mine / its for mine, its in zip(ours.values[measure], values, strict=True)]
            measures[measure] = spread(values) | {"ours_to_this": spread(ratios)}
        known = {"name": self.name, "version": self.version, "peak_rss_mb": round(self.peak_rss_mb, 1)}
        return known | {"measures": measures}


def run_peers(
    bundle: Path, models: PeerModels, pythons: Sequence[str], prompts: Prompts, threads: int, plan: Plan
) -> list[Result]:
    """Run ours and every peer; returns ours first, missing peers last. Each round starts with another."""
    missing: dict[str, str] = {}
    with ExitStack() as stack, Progress() as progress:
        ours = _Process(OURS, sys.executable, OURS, bundle, threads)
        running = [stack.enter_context(ours.running())]
        advance = progress.stage("start the contenders", len(PEERS), "contenders")
        for peer in PEERS:
            try:
                python = _python_with(peer.module, pythons)
                its = _Process(peer.name, python, peer.kind, peer.model(models, python), threads)
                running.append(stack.enter_context(its.running()))
            except SourceError as error:
                missing[peer.name] = str(error)
            advance(peer.name)
        advance = progress.stage("peers", (plan.rounds + 1) * len(running), "steps")
        _play(running, prompts, plan, advance)
        results = [process.result() for process in running]
    return results + [Result(name, missing=reason) for name, reason in missing.items()]


def _play(running: list["_Process"], prompts: Prompts, plan: Plan, advance: Advance) -> None:
    """Run all rounds, after one that is not counted and warms every contender up."""
    for number in range(plan.rounds + 1):
        short, long = prompts.of(PROMPT_TOKENS), prompts.of(LONG_PROMPT_TOKENS)
        turn = number % len(running)
        for process in (*running[turn:], *running[:turn]):
            ttft_ms, rate = process.ask(short, plan.decode_tokens)
            long_ttft_ms, _ = process.ask(long, 1)
            if number:
                process.rounds.append((rate, ttft_ms, long_ttft_ms))
            advance(process.name)


class _Process:
    """The process of one contender."""

    def __init__(self, name: str, python: str, kind: str, model: Path, threads: int) -> None:
        self.name = name
        self.rounds: list[tuple[float, ...]] = []
        # By its path, as the interpreter may lack these packages; with -P, to import no file beside it.
        self._command = [python, "-P", contender.__file__, kind, str(model), str(threads)]
        self._version = ""

    @contextmanager
    def running(self) -> Iterator["_Process"]:
        """Start it and wait until it is ready; end it after the block.

        Raises:
            SourceError: it ended instead.
        """
        with (
            TemporaryFile("w+", encoding="utf-8", errors="replace") as self._words,
            subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                text=True,
            ) as self._process,
        ):
            try:
                self._version = self._read()["version"]
                yield self
            finally:
                self._process.kill()

    def ask(self, prompt: Prompt, max_tokens: int) -> tuple[float, float]:
        """Ask for one reply; returns its TTFT in ms and its tokens per second."""
        messages = [(turn.role, turn.content) for turn in prompt.messages]
        request = {"messages": messages, "ids": prompt.ids, "max_tokens": max_tokens}
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it has ended: _read raises its last words
            print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = self._read()
        return answer["ttft_ms"], answer["tokens_per_second"]

    def result(self) -> Result:
        """Return its values of all rounds."""
        values = dict(zip(MEASURES, zip(*self.rounds, strict=True), strict=True))
        return Result(self.name, self._version, values, peak_rss_mb(self._process.pid))

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._words.seek(0)
            words = self._words.read().strip().splitlines() or ["it ended without a word"]
            raise SourceError(f"{self.name}: {words[-1]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _python_with(module: str, pythons: Sequence[str]) -> str:
    """Return the first interpreter that finds ``module``.

    Raises:
        SourceError: none does.
    """
    for python in pythons:
        code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
        try:
            if subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0:
                return python
        except OSError as error:
            raise EdgeLlmError(f"cannot run {python}: {error.strerror}") from error
    raise SourceError(f"{module} is not installed: scripts/bench-peers installs the peers")
