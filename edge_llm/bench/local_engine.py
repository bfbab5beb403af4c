"""Runs the engine in this process, from request to completion, without a broker."""

from collections.abc import Sequence as Turns
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Self

from edge_llm.bench.prompts import Prompt
from edge_llm.bundle import Bundle
from edge_llm.config import EngineSettings
from edge_llm.contract.turns import Turn
from edge_llm.engine.engine import Engine
from edge_llm.engine.onnx.loading import LoadingModel
from edge_llm.engine.sequence import Sequence
from edge_llm.engine.types import (
    CallEvent,
    Completion,
    Event,
    Failure,
    GenerationRequest,
    SamplingParams,
)
from edge_llm.errors import EdgeLlmError
from edge_llm.host.cpu import read_topology
from edge_llm.host.cpu_list import format_cpu_list

GREEDY = SamplingParams(temperature=1.0, top_k=1, top_p=1.0, seed=0)
"""By top-k and not by temperature 0, which drafts: made-up prompts lead to replies in circles, which drafts
always get right, and the figures would be about that."""
DRAFTING = SamplingParams(temperature=0, top_k=0, top_p=1, seed=None)
"""As the service decodes greedily: the same tokens, with drafts."""


@dataclass(frozen=True)
class Reply:
    """A completion, and the time.monotonic() instants of its submission, its end and its calls."""

    completion: Completion
    submitted: float
    ended: float
    called: tuple[float, ...] = ()

    @property
    def first_token(self) -> float:
        """The time.monotonic() instant of its first token."""
        return self.submitted + self.completion.timing_ms.ttft / 1000


class LocalEngine:
    """The service's engine, asked from this process; a context manager."""

    def __init__(self, bundle: Bundle, threads: int, settings: EngineSettings) -> None:
        """Load the bundle; its ``threads`` run on one CPU each of the first physical cores.

        The cores that ``settings`` names are not asked.

        Raises:
            BundleError: it cannot be served.
            EdgeLlmError: there are fewer cores than ``threads``.
        """
        cores = [core[0] for core in read_topology().cores]
        if threads > len(cores):
            raise EdgeLlmError(f"--threads {threads}: this host has {len(cores)} physical cores")
        own = {"inference_cores": format_cpu_list(cores[:threads]), "grace_s": 0}
        self.bundle = bundle
        self.context_tokens = settings.context_of(bundle.manifest.name, bundle.manifest.context_tokens)
        settings = settings.model_copy(update=own)
        self._engine = Engine(LoadingModel(bundle, settings), settings)
        self.tokenizer = self._engine.tokenizer

    def __enter__(self) -> Self:
        """Start to serve."""
        self._engine.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the thread."""
        self._engine.stop()

    def run(self, prompt: Prompt | Turns[Turn], max_tokens: int, sampling: SamplingParams = GREEDY) -> Reply:
        """Generate one reply of ``max_tokens`` tokens.

        Raises:
            EdgeLlmError: the engine failed.
        """
        return self.submit(prompt, max_tokens, sampling).result()

    def submit(
        self, prompt: Prompt | Turns[Turn], max_tokens: int, sampling: SamplingParams = GREEDY
    ) -> Future[Reply]:
        """Queue a request; its reply is the future's result."""
        turns = prompt.messages if isinstance(prompt, Prompt) else tuple(prompt)
        # Whatever the model says, every reply has the length that was asked for.
        return self.generate(GenerationRequest(turns, max_tokens, sampling, ignore_eos=True))

    def generate(self, request: GenerationRequest) -> Future[Reply]:
        """Queue a request of any kind; its reply is the future's result."""
        future: Future[Reply] = Future()
        called: list[float] = []
        submitted = monotonic()

        def emit(event: Event) -> None:
            if isinstance(event, CallEvent):
                called.append(monotonic())
            elif isinstance(event, Completion):
                future.set_result(Reply(event, submitted, monotonic(), tuple(called)))
            elif isinstance(event, Failure):
                future.set_exception(EdgeLlmError(f"the engine failed: {event.message}"))

        self._engine.submit(Sequence(request, emit))
        return future
