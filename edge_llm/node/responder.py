"""Joins the contract and the engine: a gateway's backend, and the owner of the engine's thread."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Thread
from threading import enumerate as enumerate_threads
from time import monotonic
from typing import TypeVar, cast

from edge_llm.bundle import MODEL_DATA, Bundle, read_manifest, verify_files
from edge_llm.config import EngineSettings, SamplingSettings
from edge_llm.contract import requests as contract
from edge_llm.contract.frames import Code, TimingMs, Usage
from edge_llm.contract.node import Pinning
from edge_llm.engine import types
from edge_llm.engine.decoder import Decoder, load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.pinning import effective_pinning
from edge_llm.engine.prefix_cache import PrefixCache
from edge_llm.engine.prefix_store import PrefixStore
from edge_llm.engine.scheduler import Scheduler
from edge_llm.engine.sequence import Sequence
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.warm_up import warm_up
from edge_llm.errors import ConfigError
from edge_llm.event_log import EventLog
from edge_llm.gateway.reply import Reply
from edge_llm.host.cpu import PinningPlan, plan_pinning
from edge_llm.host.memory import lock_memory, release_free_memory
from edge_llm.host.pinning import pin_this_thread, thread_ids
from edge_llm.node.sessions import SessionStore, StoredMessage
from edge_llm.telemetry.reply_energy import Progress, ReplyEnergyMeter, final_progress
from edge_llm.telemetry.reply_stats import ReplyStats

log = EventLog(__name__)


class Engine:
    """Loads a bundle, and answers a gateway's requests from it."""

    def __init__(
        self,
        settings: EngineSettings,
        defaults: SamplingSettings,
        sessions: SessionStore,
        stats: ReplyStats,
    ) -> None:
        """Load the bundle and warm the model up; takes as long as reading the model's file.

        Raises:
            BundleError: the bundle cannot be served.
            ConfigError: the configuration asks for more context than the model has, for cores that cannot
                be had, or for more locked memory than the host allows.
        """
        self._plan = plan_pinning(settings.inference_cores)
        self.bundle: Bundle = read_manifest(settings.bundle)
        manifest = self.bundle.manifest
        if settings.context_tokens > manifest.context_tokens:
            raise ConfigError(
                f"engine.context_tokens: {manifest.name} has {manifest.context_tokens},"
                f" not {settings.context_tokens}"
            )
        self._defaults = defaults
        self._sessions = sessions
        self._stats = stats
        self._grace_s = settings.grace_s
        verify_files(self.bundle, manifest.sha256.keys() - {MODEL_DATA})
        # First: parsing it takes a lot of memory for a moment, which must not come on top of the model's.
        tokenizer = ChatTokenizer(self.bundle)
        release_free_memory()
        self._cache = cache = KVCache(manifest.kv, settings.slots, settings.context_tokens)
        decoder, self._workers = _verified_decoder(self.bundle, cache, self._plan)
        warm_up(decoder)
        self._prefixes = prefixes = _prefix_cache(settings, self.bundle, cache)
        self._scheduler = Scheduler(
            decoder, tokenizer, manifest.eos_token_ids, settings.queue_limit, prefixes
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
        if self._plan.mode == "pinned":
            pin_this_thread(self._plan.cores[0])
        self._running.set()
        self._scheduler.run()

    @property
    def pinning(self) -> Pinning:
        """Where the engine's threads run; from ``start`` to ``stop``."""
        engine = self._thread.native_id
        assert engine
        return effective_pinning(self._plan, {engine, *self._workers})

    @property
    def inference_cores(self) -> tuple[int, ...]:
        """The logical CPUs that are planned for."""
        return self._plan.cores

    @property
    def kv_bytes(self) -> int:
        """Memory of the KV cache."""
        return self._cache.bytes

    @property
    def prefix_cache_bytes(self) -> int:
        """Memory of the prefix cache."""
        return self._prefixes.bytes if self._prefixes else 0

    @property
    def progress(self) -> int | None:
        """A number that varies while work gets on; None while there is none."""
        return self._scheduler.progress if self._thread.is_alive() else 0

    def stop(self) -> None:
        """Finish the replies in the making, for ``engine.grace_s``; the rest ends with ``unavailable``."""
        self._scheduler.stop(self._grace_s)
        self._thread.join()

    def submit(self, request: contract.Inbound, reply: Reply) -> None:
        """See ``gateway.Backend.submit``."""
        if isinstance(request, contract.SessionCommand):
            self._manage(request, reply)
            return
        messages = tuple(types.Message(turn.role, turn.content) for turn in request.conversation())
        if isinstance(request, contract.Request):
            generation = self._generation(request, messages, reply)
        else:
            greedy = types.SamplingParams(temperature=0, top_k=0, top_p=1, seed=None)
            generation = types.GenerationRequest(messages, 0, greedy, prefill_only=True)
        sequence: Sequence | None = None  # for the moment until the scheduler has made it
        meter = ReplyEnergyMeter(lambda: self._progress(sequence) if sequence else (0, None))
        sequence = self._scheduler.submit(generation, lambda event: self._report(event, reply, meter))
        reply.cancel = lambda: self._scheduler.cancel(sequence)

    def _generation(
        self, request: contract.Request, messages: tuple[types.Message, ...], reply: Reply
    ) -> types.GenerationRequest:
        defaults, session, client = self._defaults, request.session, reply.client
        remembered = partial(self._history, client, session, request.id) if session else tuple
        return types.GenerationRequest(
            messages=messages,
            max_tokens=_either(request.max_tokens, defaults.max_tokens),
            sampling=types.SamplingParams(
                temperature=_either(request.temperature, defaults.temperature),
                top_k=_either(request.top_k, defaults.top_k),
                top_p=_either(request.top_p, defaults.top_p),
                seed=request.seed,
            ),
            stop=request.stop,
            deadline=monotonic() + _either(request.timeout_s, defaults.timeout_s),
            expires_at=reply.expires_at,
            owner=reply.client,
            redelivered=reply.redelivered,
            session=session and (client, session),
            history=remembered,
        )

    def _history(self, client: str, session: str, request_id: str) -> tuple[types.Message, ...]:
        """The turns of a session for the engine, without those of the request itself, if it is made again."""
        turns = self._sessions.load(client, session, request_id)
        return tuple(types.Message(cast(types.Role, t.role), t.content, t.token_ids) for t in turns)

    def _remember(self, reply: Reply, completion: types.Completion) -> None:
        """Add a request's turns and its reply to its session."""
        request = reply.request
        if not isinstance(request, contract.Request) or request.session is None or not completion.text:
            return
        asked = [StoredMessage(t.role, t.content) for t in request.conversation() if t.role != "system"]
        answered = StoredMessage("assistant", completion.text, completion.token_ids)
        self._sessions.append(reply.client, request.session, request.id, *asked, answered)

    def _manage(self, command: contract.SessionCommand, reply: Reply) -> None:
        client, session = reply.client, command.session or ""
        if command.op in ("reset", "delete"):
            self._sessions.delete(client, session)
        messages = None
        if command.op == "get":
            messages = tuple(
                contract.ChatMessage.model_validate({"role": turn.role, "content": turn.content})
                for turn in self._sessions.load(client, session)
            )
        reply.answer(op=command.op, sessions=self._sessions.list(client), messages=messages)

    def _progress(self, sequence: Sequence) -> Progress:
        """How much is computed for a reply that is being made; for any thread."""
        fed = self._cache.lengths[sequence.slot] - sequence.cached_tokens if sequence.slot >= 0 else 0
        return fed, sequence.first_token

    def _report(self, event: types.Event, reply: Reply, meter: ReplyEnergyMeter) -> None:
        match event:
            case types.TokenEvent(text):
                reply.delta(text)
            case types.Queued(position):
                self._stats.begin(meter)
                reply.status("queued", position=position)
            case types.Started(prompt_tokens):
                meter.start()
                reply.status("prefill", prompt_tokens=prompt_tokens)
            case types.Completion(text, finish_reason, stats):
                self._remember(reply, event)
                usage = Usage(
                    prompt_tokens=stats.prompt_tokens,
                    cached_tokens=stats.cached_tokens,
                    completion_tokens=stats.completion_tokens,
                    draft_tokens=stats.draft_tokens,
                    accepted_tokens=stats.accepted_tokens,
                    dropped_messages=event.dropped_messages,
                )
                timing_ms = TimingMs(
                    queue=stats.queue_ms, prefill=stats.prefill_ms, ttft=stats.ttft_ms, total=stats.total_ms
                )
                meter.close(final_progress(usage, timing_ms))
                reply.energy = lambda: self._stats.completed(meter, usage, timing_ms)
                reply.done(
                    text=text,
                    finish_reason=finish_reason,
                    model=self.bundle.manifest.name,
                    usage=usage,
                    timing_ms=timing_ms,
                    tokens_per_second=stats.tokens_per_second,
                )
            case types.Failure(code, message, text):
                self._stats.failed(meter, cast(Code, code))
                reply.error(code, message, text=text)


def _verified_decoder(bundle: Bundle, cache: KVCache, plan: PinningPlan) -> tuple[Decoder, frozenset[int]]:
    """Load the decoder while another core compares the weights, which are most of the bundle.

    Returns also the threads that ONNX Runtime has started for it.

    Raises:
        BundleError: the weights are not those of the manifest, or ONNX Runtime refuses the graph.
    """
    with ThreadPoolExecutor(1, "checksum") as pool:
        verified = pool.submit(verify_files, bundle, bundle.manifest.sha256.keys() & {MODEL_DATA})
        others = thread_ids()
        try:
            decoder = load_decoder(bundle, cache, plan)
        finally:
            verified.result()  # where it fails too, it says better why
        return decoder, thread_ids() - others - {thread.native_id for thread in enumerate_threads()}


def _prefix_cache(settings: EngineSettings, bundle: Bundle, cache: KVCache) -> PrefixCache | None:
    """The prefix cache that is configured; the concat graph_format keeps its own past and has none."""
    if settings.prefix_cache_mb == 0 or bundle.manifest.graph_format == "concat":
        return None
    budget, kv = settings.prefix_cache_mb * 10**6, bundle.manifest.kv
    store = None
    if settings.prefix_store:
        shape = (2 * kv.layers, kv.kv_heads, kv.head_dim)
        store = PrefixStore(settings.prefix_store, bundle.hash, shape, budget)
    return PrefixCache(cache, budget, store)


Value = TypeVar("Value")


def _either(asked: Value | None, default: Value) -> Value:
    return default if asked is None else asked
