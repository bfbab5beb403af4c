"""The model at work: loads a bundle, and generates replies on a thread of its own, pinned to its cores.

Knows nothing of MQTT, clients or sessions. The service, `edge-llm bench` and the tests use this one.
"""

from collections.abc import Iterable
from collections.abc import Sequence as Turns
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from edge_llm.bundle import Bundle
from edge_llm.config import EngineSettings
from edge_llm.contract.node import Pinning
from edge_llm.contract.turns import Turn
from edge_llm.engine.constraint.constraint import Constraint
from edge_llm.engine.constraint.grammars import Grammars
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.onnx.loading import LoadingModel
from edge_llm.engine.prefix_cache import PrefixCache
from edge_llm.engine.prefix_store import PrefixStore
from edge_llm.engine.scheduler import Scheduler
from edge_llm.engine.sequence import RequestStatus, Sequence
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.types import Completion, Failure, GenerationRequest
from edge_llm.errors import RequestError
from edge_llm.host.cpu import PinningPlan
from edge_llm.host.cpu_list import format_cpu_list
from edge_llm.host.memory import lock_memory
from edge_llm.host.pinning import allowed_cpus, pin_this_thread


class Engine:
    """One bundle's model, its caches and its thread."""

    def __init__(self, model: LoadingModel, settings: EngineSettings) -> None:
        """Load the tokenizer, and wait until the model is ready.

        Raises:
            BundleError: the bundle cannot be served.
            ConfigError: the settings ask for more locked memory than the host allows.
        """
        bundle, manifest = model.bundle, model.bundle.manifest
        self._model = model
        self._cache = model.cache
        self._grace_s = settings.grace_s
        self.tokenizer = ChatTokenizer(bundle)
        decoder = model.ready()
        self._prefixes = _prefix_cache(settings, bundle, self._cache)
        self._grammars = Grammars(self.tokenizer, manifest.eos_token_ids)
        if settings.constraints == "preload":
            self._grammars.preload().result()
        self._scheduler = Scheduler(
            decoder, self.tokenizer, manifest.eos_token_ids, settings.queue_limit, self._prefixes
        )
        self._thread = Thread(target=self._run, name="engine")
        self._running = Event()
        if settings.mlock:
            lock_memory()

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()
        self._running.wait()

    def _run(self) -> None:
        if self._model.plan.mode == "pinned":
            pin_this_thread(self._model.plan.cores[0])
        self._running.set()
        self._scheduler.run()

    def submit(self, sequence: Sequence) -> None:
        """Queue a request, from any thread; its ``emit`` is called until it ends in Completion or Failure.

        Raises:
            RequestError: the queue is full (busy), or the engine stops (unavailable).
        """
        self._scheduler.submit(sequence)
        if sequence.request.constrained:
            self._grammars.make(sequence.request, lambda made: self._constrain(sequence, made))

    def prefill(self, turns: Turns[Turn]) -> None:
        """Compute the beginning of later prompts, and keep it; returns when that is done, or cannot be."""
        done = Event()

        def emit(event: object) -> None:
            if isinstance(event, Completion | Failure):
                done.set()

        with suppress(RequestError):  # the queue is full: it will be computed with the first prompt
            self.submit(Sequence(GenerationRequest(tuple(turns), 0, prefill_only=True), emit))
            done.wait()

    def preload_constraints(self) -> None:
        """Begin to load what grammars need, before a request needs it; does not wait."""
        self._grammars.preload()

    def _constrain(self, sequence: Sequence, made: Constraint | RequestError) -> None:
        if isinstance(made, Constraint):
            self._scheduler.constrain(sequence, made)
        else:
            self._scheduler.cancel(sequence, made)

    def release(self, sequence: Sequence, history: Turns[Turn]) -> None:
        """Bring the turns that a request ``awaits_history`` for: from now on it may begin."""
        self._scheduler.release(sequence, history)

    def cancel(self, sequence: Sequence, error: RequestError | None = None) -> None:
        """End a request within one step, as cancelled or in ``error``; without effect once it is over."""
        self._scheduler.cancel(sequence, error)

    def progress(self, sequence: Sequence) -> tuple[int, float | None]:
        """Tokens computed so far, and the time.monotonic() instant of the reply's first; for any thread."""
        if sequence.status in (RequestStatus.PREFILL, RequestStatus.DECODE):
            return self._cache.length(sequence.slot) - sequence.cached_tokens, sequence.first_token
        return 0, sequence.first_token

    @property
    def steps(self) -> int | None:
        """Step counter for the watchdog: None when idle, constant when the engine has died."""
        return self._scheduler.steps if self._thread.is_alive() else 0

    @property
    def prefill_refused(self) -> str | None:
        """Why prompts do not go through a prefill graph; None if they do."""
        return self._model.prefill_refused

    @property
    def pinning(self) -> Pinning:
        """The cores that the engine's threads run on; from ``start`` to ``stop``."""
        engine = self._thread.native_id
        assert engine
        return effective_pinning(self._model.plan, {engine, *self._model.workers})

    @property
    def inference_cores(self) -> tuple[int, ...]:
        """Logical CPUs that the engine's threads are planned for."""
        return self._model.plan.cores

    @property
    def context_tokens(self) -> int:
        """Maximum length of prompt and reply together."""
        return self._cache.capacity

    @property
    def kv_bytes(self) -> int:
        """Size of the KV pool."""
        return self._cache.bytes

    @property
    def prefix_cache_bytes(self) -> int:
        """Memory of the prefix cache."""
        return self._prefixes.bytes if self._prefixes else 0

    @property
    def prefix_store_problem(self) -> str | None:
        """Reason why prefixes are not kept over a restart, although they should be; else None."""
        return self._prefixes.store_problem if self._prefixes else None

    def stop(self) -> None:
        """Finish the replies in progress within ``engine.grace_s``; the rest ends with ``unavailable``."""
        self._scheduler.stop(self._grace_s)
        self._grammars.stop()
        self._thread.join()
        self._model.huge_pages.stop()
        if self._prefixes:
            self._prefixes.stop()


def _prefix_cache(settings: EngineSettings, bundle: Bundle, cache: KVCache) -> PrefixCache | None:
    """Make the prefix cache that is configured; the concat format keeps its own past and has none."""
    if settings.prefix_cache_mb == 0 or bundle.manifest.graph_format == "concat":
        return None
    budget, kv = settings.prefix_cache_mb * 10**6, bundle.manifest.kv
    store = None
    if settings.prefix_store:
        shape = (2 * kv.layers, kv.kv_heads, kv.head_dim)
        store = PrefixStore(settings.prefix_store, bundle.hash, shape, budget)
    return PrefixCache(cache, budget, store)


def effective_pinning(plan: PinningPlan, threads: Iterable[int], root: Path = Path("/")) -> Pinning:
    """The plan of the engine's ``threads`` and where they may run; a thread that has ended is left out."""
    allowed = allowed_cpus(threads, root)
    # Each graph's session has a worker for each core.
    as_planned = sorted(set(allowed)) == [(core,) for core in plan.cores]
    return Pinning(
        requested=plan.requested,
        effective=format_cpu_list(cpu for cpus in allowed for cpu in cpus),
        mode="none" if plan.mode == "none" else "pinned" if as_planned else "denied",
    )
