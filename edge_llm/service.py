"""The composition root: builds the parts, wires them, starts and stops them."""

import logging
import signal
import sys
from dataclasses import asdict
from functools import partial
from threading import Event, Thread
from time import monotonic
from types import FrameType
from typing import TypeVar, cast

from edge_llm import __version__
from edge_llm.config import EngineSettings, SamplingSettings, Settings
from edge_llm.engine import types
from edge_llm.engine.decoder import load_decoder
from edge_llm.engine.kv_cache import KVCache
from edge_llm.engine.prefix_cache import PrefixCache
from edge_llm.engine.prefix_store import PrefixStore
from edge_llm.engine.scheduler import Scheduler
from edge_llm.engine.tokenizer import ChatTokenizer
from edge_llm.engine.warm_up import warm_up
from edge_llm.errors import ConfigError
from edge_llm.host.cpu import plan_pinning
from edge_llm.host.memory import lock_memory
from edge_llm.host.pinning import EffectivePinning, effective_pinning, pin_this_thread, thread_ids
from edge_llm.models.bundle import Bundle, open_bundle
from edge_llm.mqtt import contract
from edge_llm.mqtt.client import Connection
from edge_llm.mqtt.gateway import Gateway, Reply
from edge_llm.sessions import SessionStore, StoredMessage

log = logging.getLogger(__name__)


class Engine:
    """A gateway's backend: translates between the contract and the engine, and owns the engine's thread."""

    def __init__(self, settings: EngineSettings, defaults: SamplingSettings, sessions: SessionStore) -> None:
        """Load the bundle and warm the model up; takes as long as reading the model's file.

        Raises:
            BundleError: the bundle cannot be served.
            ConfigError: the configuration asks for more context than the model has, for cores that cannot
                be had, or for more locked memory than the host allows.
        """
        self._plan = plan_pinning(settings.inference_cores)
        self.bundle: Bundle = open_bundle(settings.bundle)
        manifest = self.bundle.manifest
        if settings.context_tokens > manifest.context_tokens:
            raise ConfigError(
                f"engine.context_tokens: {manifest.name} has {manifest.context_tokens},"
                f" not {settings.context_tokens}"
            )
        self._defaults = defaults
        self._sessions = sessions
        cache = KVCache(manifest.kv, settings.slots, settings.context_tokens)
        others = thread_ids()
        decoder = load_decoder(self.bundle, cache, self._plan)
        self._workers = thread_ids() - others
        warm_up(decoder)
        tokenizer = ChatTokenizer(self.bundle)
        prefixes = _prefix_cache(settings, self.bundle, cache)
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
    def pinning(self) -> EffectivePinning:
        """Where the engine's threads run; from ``start`` to ``stop``."""
        engine = self._thread.native_id
        assert engine
        return effective_pinning(self._plan, {engine, *self._workers})

    def stop(self) -> None:
        """End what is being generated with ``unavailable``."""
        self._scheduler.stop()
        self._thread.join()

    def submit(self, request: contract.Inbound, reply: Reply) -> None:
        """See ``gateway.Backend.submit``."""
        if isinstance(request, contract.SessionCommand):
            self._manage(request, reply)
            return
        messages = tuple(types.Message(turn.role, turn.content) for turn in request.conversation())
        if isinstance(request, contract.Request):
            generation = self._generation(request, messages, reply.client)
        else:
            greedy = types.SamplingParams(temperature=0, top_k=0, top_p=1, seed=None)
            generation = types.GenerationRequest(messages, 0, greedy, prefill_only=True)
        sequence, position = self._scheduler.submit(generation, lambda event: self._report(event, reply))
        reply.cancel = lambda: self._scheduler.cancel(sequence)
        if position:
            reply.status("queued", position=position)

    def _generation(
        self, request: contract.Request, messages: tuple[types.Message, ...], client: str
    ) -> types.GenerationRequest:
        defaults, session = self._defaults, request.session
        remembered = partial(self._history, client, session) if session else tuple
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
            session=session and (client, session),
            history=remembered,
        )

    def _history(self, client: str, session: str) -> tuple[types.Message, ...]:
        """The turns of a session for the engine."""
        turns = self._sessions.load(client, session)
        return tuple(types.Message(cast(types.Role, t.role), t.content, t.token_ids) for t in turns)

    def _remember(self, reply: Reply, completion: types.Completion) -> None:
        """Add a request's turns and its reply to its session."""
        request = reply.request
        if not isinstance(request, contract.Request) or request.session is None or not completion.text:
            return
        asked = [StoredMessage(t.role, t.content) for t in request.conversation() if t.role != "system"]
        answered = StoredMessage("assistant", completion.text, completion.token_ids)
        self._sessions.append(reply.client, request.session, *asked, answered)

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

    def _report(self, event: types.Event, reply: Reply) -> None:
        match event:
            case types.TokenEvent(text):
                reply.delta(text)
            case types.Started(prompt_tokens):
                reply.status("prefill", prompt_tokens=prompt_tokens)
            case types.Completion(text, finish_reason, stats):
                self._remember(reply, event)
                reply.done(
                    text=text,
                    finish_reason=finish_reason,
                    model=self.bundle.manifest.name,
                    usage=contract.Usage(
                        prompt_tokens=stats.prompt_tokens,
                        cached_tokens=stats.cached_tokens,
                        completion_tokens=stats.completion_tokens,
                        draft_tokens=stats.draft_tokens,
                        accepted_tokens=stats.accepted_tokens,
                        dropped_messages=event.dropped_messages,
                    ),
                    timing_ms=contract.TimingMs(
                        queue=stats.queue_ms,
                        prefill=stats.prefill_ms,
                        ttft=stats.ttft_ms,
                        total=stats.total_ms,
                    ),
                    tokens_per_second=stats.tokens_per_second,
                )
            case types.Failure(code, message, text):
                reply.error(code, message, text=text)


def _prefix_cache(settings: EngineSettings, bundle: Bundle, cache: KVCache) -> PrefixCache | None:
    """The prefix cache that is configured; the concat flavour keeps its own past and has none."""
    if settings.prefix_cache_mb == 0 or bundle.manifest.flavour == "concat":
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


def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT.

    Raises:
        EdgeLlmError: the bundle or the configuration cannot be used; nothing was started.
    """
    stop = Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        log.info("service.stopping signal=%s", signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    sessions = SessionStore(settings.sessions)
    engine = Engine(settings.engine, settings.sampling, sessions)
    topics = contract.Topics(settings.mqtt.base_topic, settings.node.id)
    gateway = Gateway(topics, engine)

    def announce() -> None:
        connection.publish(topics.info, _info(settings, engine, connection).encode(), retain=True)
        connection.publish(topics.state, contract.ONLINE, retain=True)

    connection = Connection(
        settings.mqtt,
        client_id=f"edge_llm-node-{settings.node.id}",
        subscriptions=topics.inbound,
        on_message=gateway.on_message,
        on_ready=announce,
        last_will=(topics.state, contract.OFFLINE),
    )
    publisher = Thread(target=gateway.publish, args=(connection,), name="publisher")
    engine.start()
    publisher.start()
    connection.start()
    model, cores = engine.bundle.manifest.name, engine.pinning
    log.info(
        "service.ready node=%s model=%r cores=%s pinning=%s", topics.node, model, cores.effective, cores.mode
    )
    stop.wait()
    engine.stop()
    gateway.stop()
    publisher.join()
    connection.stop(farewell=(topics.state, contract.OFFLINE))
    sessions.close()


def _info(settings: Settings, engine: Engine, connection: Connection) -> contract.Info:
    manifest = engine.bundle.manifest
    return contract.Info(
        version=__version__,
        node=settings.node.id,
        protocol=connection.protocol,
        model=manifest.name,
        architecture=manifest.architecture,
        quantization=manifest.quantization,
        bundle_hash=engine.bundle.hash,
        limits=contract.Limits(
            context_tokens=settings.engine.context_tokens, queue=settings.engine.queue_limit
        ),
        pinning=contract.Pinning(**asdict(engine.pinning)),
    )


def configure_logging() -> None:
    """One line a fact on standard error."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
