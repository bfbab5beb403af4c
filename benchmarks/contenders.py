"""The contenders of a comparison: which there are, and how each is started and asked."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol

from benchmarks import contender
from benchmarks.peer_models import PeerModels
from edge_llm.bench.prompts import Prompt
from edge_llm.bundle import PREFILL as PREFILL_GRAPH
from edge_llm.bundle import Bundle
from edge_llm.demo.processes import peak_rss_mb
from edge_llm.errors import SourceError


class Contender(Protocol):
    """An engine that runs."""

    name: str
    version: str

    def ask(self, prompt: Prompt, decode_tokens: int) -> tuple[float, float]:
        """Answer one prompt; returns the tokens per second of its prefill and of decoding behind it.

        Raises:
            SourceError: the engine failed.
        """

    def peak_rss_mb(self) -> float | None:
        """Peak memory of its process in MB; None if it has none of its own."""


@dataclass(frozen=True)
class Process:
    """A contender to start: its name, kind, interpreter, and a function that makes or finds its model."""

    name: str
    kind: str
    python: Callable[[], str]
    model: Callable[[], Path]

    @contextmanager
    def running(self, threads: int, context_tokens: int) -> Iterator[Contender]:
        """Start it and wait until it is ready; end it after the block.

        Raises:
            SourceError: it is not installed, has no model, or failed.
        """
        # By its path, as the interpreter may lack these packages; with -P, to import no file beside it.
        command = [self.python(), "-P", contender.__file__, self.kind, str(self.model())]
        with running(self.name, [*command, str(threads), str(context_tokens)]) as process:
            yield process


class Running:
    """A process of ``contender.py``, or of another that is asked in the same way."""

    def __init__(self, name: str, process: "subprocess.Popen[str]", words: Any) -> None:
        self.name = name
        self._process = process
        self._words = words
        self.version: str = self._read()["version"]

    def ask(self, prompt: Prompt, decode_tokens: int) -> tuple[float, float]:
        messages = [(turn.role, turn.content) for turn in prompt.messages]
        answer = self.exchange({"messages": messages, "ids": prompt.ids, "max_tokens": decode_tokens + 1})
        return 1000 * len(prompt.ids) / answer["ttft_ms"], answer["tokens_per_second"]

    def exchange(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Raises:
            SourceError: the process has ended.
        """
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it has ended: _read raises its last words
            print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._read()

    def peak_rss_mb(self) -> float | None:
        return peak_rss_mb(self._process.pid)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._words.seek(0)
            words = self._words.read().strip().splitlines() or ["it ended without a word"]
            raise SourceError(f"{self.name}: {words[-1]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def running(name: str, command: Sequence[str]) -> Iterator[Running]:
    """Start a process and wait until it is ready; end it after the block.

    Raises:
        SourceError: it failed.
    """
    with (
        TemporaryFile("w+") as words,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, text=True
        ) as process,
    ):
        try:
            yield Running(name, process, words)
        finally:
            process.kill()


@dataclass
class LlamaBench:
    """ik_llama.cpp's ``llama-bench`` on a GGUF file: a process for each prompt, of as many tokens as that."""

    name: str
    program: Path
    model: Callable[[], Path]
    version = "llama-bench -rtr 1"

    @contextmanager
    def running(self, threads: int, _context_tokens: int) -> Iterator[Contender]:
        """Find its model.

        Raises:
            SourceError: there is none.
        """
        self._command = [str(self.program), "-m", str(self.model()), "-t", str(threads), "-rtr", "1"]
        yield self

    def ask(self, prompt: Prompt, decode_tokens: int) -> tuple[float, float]:
        """Run it once. ``-gp N,M`` times M tokens behind N, ``-p N`` a prompt of N."""
        tokens = len(prompt.ids)
        what = ["-p", str(tokens), "-n", "0", "-gp", f"{tokens},{decode_tokens}", "-r", "1", "-o", "json"]
        try:
            done = subprocess.run([*self._command, *what], capture_output=True, text=True, check=False)
        except OSError as error:
            raise SourceError(f"{self.name}: cannot run {self.program}: {error.strerror}") from error
        if done.returncode:
            words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise SourceError(f"{self.name}: {words[-1]}")
        prefill, decode = json.loads(done.stdout)
        return prefill["avg_ts"], decode["avg_ts"]

    def peak_rss_mb(self) -> float | None:
        """Return None: its processes have ended."""
        return None


def our_contenders(bundles: Sequence[Bundle]) -> list[Process]:
    """Return edge_llm on each bundle, with ``engine.mlock``, and without its prefill graph if it has one."""
    found = []
    for bundle in bundles:
        path = bundle.path.resolve()
        name = f"edge_llm {path.name}"
        found.append(_ours(name, "edge_llm", path))
        found.append(_ours(f"{name}, mlock", "edge_llm_mlock", path))
        if PREFILL_GRAPH in bundle.manifest.sha256:
            found.append(_ours(f"{name}, no prefill graph", "edge_llm_decode_graph", path))
    return found


def _ours(name: str, kind: str, path: Path) -> Process:
    return Process(name, kind, lambda: sys.executable, lambda: path)


def peers(models: PeerModels) -> list[Process]:
    """Return the other engines; those that are not installed fail when they are started."""

    def peer(name: str, kind: str, module: str, model: Callable[[], Path]) -> Process:
        return Process(name, kind, lambda: models.python_with(module), model)

    def openvino(name: str, model: Callable[[], Path]) -> Process:
        return peer(f"OpenVINO GenAI {name}", "openvino_genai", "openvino_genai", model)

    return [
        openvino("int8", models.openvino_int8),
        openvino("Q8_0", lambda: models.gguf("Q8_0")),
        openvino("Q4_0", lambda: models.gguf("Q4_0")),
        peer("llama.cpp Q8_0", "llama_cpp", "llama_cpp", lambda: models.gguf("Q8_0")),
        peer("llama.cpp Q4_0", "llama_cpp", "llama_cpp", lambda: models.gguf("Q4_0")),
        peer("Optimum INT8 (seed)", "optimum", "optimum.onnxruntime", lambda: models.optimum("int8")),
        peer("PyTorch FP32 (seed)", "pytorch", "transformers", models.directory),
        peer(
            "onnxruntime-genai int4",
            "onnxruntime_genai",
            "onnxruntime_genai",
            lambda: models.genai("int4"),
        ),
    ]


def llama_benches(program: Path, files: Mapping[str, Path], models: PeerModels) -> list[LlamaBench]:
    """Return ik_llama.cpp on each of ``files``; without any on llama.cpp's own Q8_0 and Q4_0."""

    def made(kind: str) -> Callable[[], Path]:
        return lambda: models.gguf(kind)

    def given(path: Path) -> Callable[[], Path]:
        return lambda: path

    named = {name: given(path) for name, path in files.items()} or {k: made(k) for k in ("Q8_0", "Q4_0")}
    return [LlamaBench(f"ik_llama.cpp {name}", program, model) for name, model in named.items()]
