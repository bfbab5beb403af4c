"""The engine in this process, from request to completion: the scheduler's own loop, without a broker."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import Self

from edge_llm.bench.prompts import Prompt
from edge_llm.bundle import Bundle
from edge_llm.config import EngineSettings
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.prefix_cache import PrefixCache
from edge_llm.engine.scheduler import Scheduler
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import Completion, Event, Failure, GenerationRequest, Message, SamplingParams
from edge_llm.errors import EdgeLlmError

GREEDY = SamplingParams(temperature=1.0, top_k=1, top_p=1.0, seed=0)
"""Greedy by top-k. Temperature 0 would use drafts: replies to made-up prompts repeat themselves, drafts of
that are always right, and the figures would show just this."""
DRAFTING = SamplingParams(temperature=0, top_k=0, top_p=1, seed=None)
"""Greedy as in the service: the same tokens, with drafts."""


@dataclass(frozen=True)
class Reply:
    """A completion, and the instants (time.monotonic) at which it was submitted and ended."""

    completion: Completion
    submitted: float
    ended: float

    @property
    def first_token(self) -> float:
        """Instant (time.monotonic) of its first token."""
        return self.submitted + self.completion.stats.ttft_ms / 1000


class LocalEngine:
    """A scheduler on a thread of its own; a context manager."""

    def __init__(self, bundle: Bundle, threads: int, context_tokens: int, slots: int = 1) -> None:
        """Load the bundle.

        Raises:
            BundleError: it cannot be served.
        """
        self.bundle = bundle
        self.tokenizer = ChatTokenizer(bundle)
        self.context_tokens = context_tokens
        cache = KVCache(bundle.manifest.kv, slots, context_tokens)
        decoder = load_decoder(bundle, cache, threads)
        # As in the service: the concat graph_format keeps its own past.
        fused = bundle.manifest.graph_format == "fused"
        prefixes = PrefixCache(cache, EngineSettings().prefix_cache_mb * 10**6) if fused else None
        # Without tokens that end a reply, every reply has the length that was asked for.
        self._scheduler = Scheduler(decoder, self.tokenizer, (), 16, prefixes)
        self._thread = Thread(target=self._scheduler.run, name="engine")

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the thread."""
        self._scheduler.stop()
        self._thread.join()

    def run(
        self, prompt: Prompt | Sequence[Message], max_tokens: int, sampling: SamplingParams = GREEDY
    ) -> Reply:
        """Generate one reply of ``max_tokens`` tokens.

        Raises:
            EdgeLlmError: the engine failed.
        """
        return self.submit(prompt, max_tokens, sampling).result()

    def submit(
        self, prompt: Prompt | Sequence[Message], max_tokens: int, sampling: SamplingParams = GREEDY
    ) -> Future[Reply]:
        """Queue a request; the result of the future is its reply."""
        messages = prompt.messages if isinstance(prompt, Prompt) else tuple(prompt)
        future: Future[Reply] = Future()
        submitted = monotonic()

        def emit(event: Event) -> None:
            if isinstance(event, Completion):
                future.set_result(Reply(event, submitted, monotonic()))
            elif isinstance(event, Failure):
                future.set_exception(EdgeLlmError(f"the engine failed: {event.message}"))

        self._scheduler.submit(GenerationRequest(messages, max_tokens, sampling), emit)
        return future
