"""Measures of the service as a process behind a broker: start, memory, idle load, and the cost of MQTT."""

from contextlib import ExitStack
from tempfile import TemporaryDirectory
from threading import Event
from time import monotonic, sleep, time

import psutil

from edge_llm.bench.figures import Rounds
from edge_llm.bench.local_engine import DRAFTING, LocalEngine
from edge_llm.bench.measures import OWN_TOKENS, Plan
from edge_llm.bench.prompts import Prompt, Prompts
from edge_llm.client import Client
from edge_llm.config import MqttSettings
from edge_llm.contract.frames import Done
from edge_llm.contract.topics import ONLINE, Topics
from edge_llm.contract.turns import Turn
from edge_llm.convert.progress import Advance
from edge_llm.demo.processes import NODE, peak_rss_mb, running_demo
from edge_llm.errors import EdgeLlmError
from edge_llm.host.usage import read_resident_bytes
from edge_llm.mqtt.connection import Connection
from edge_llm.mqtt.message import Message as Arrived
from edge_llm.mqtt.subscriptions import Subscription

RESTARTS = 2
PROMPT = "Tell me a long story about a lighthouse keeper and his cat."
"""A prompt whose reply is longer than the tokens that are asked for here."""
_SETTLE_S = 1.0
_PAUSE_S = 3.0


def steps(plan: Plan) -> int:
    """Count the steps that ``measure_service`` reports."""
    return _starts(plan) + 2 * plan.rounds + 2


def _starts(plan: Plan) -> int:
    return 1 + min(RESTARTS, plan.rounds)


def measure_service(engine: LocalEngine, plan: Plan, rounds: Rounds, advance: Advance) -> None:
    """Start the service several times with the engine's bundle; measure the last one busy and idle."""
    prompts = Prompts(engine.tokenizer, seed=3)
    known, again = prompts.with_prefix(plan.prefix_tokens, OWN_TOKENS)
    with ExitStack() as last, TemporaryDirectory(prefix="edge_llm-bench-") as store:
        for start in range(_starts(plan)):
            last.close()
            mqtt, service = last.enter_context(running_demo(engine.bundle.path, prefix_store=store))
            _wait_online(mqtt)
            rounds.add("time to ready", "ms", 1000 * (time() - service.create_time()))
            client = last.enter_context(Client(mqtt, NODE, "bench"))
            if start:
                fresh, _ = prompts.with_prefix(plan.prefix_tokens, OWN_TOKENS)
                _measure_restart(client, fresh, again, plan.prefix_tokens, rounds)
            else:
                client.prefill(system=known.messages[0].content)
            advance("start")
        _measure_overhead(engine, client, plan, rounds, advance)
        _measure_after_pause(client, plan, rounds, advance)
        rounds.add("peak memory of the service", "MB", peak_rss_mb(service.pid))
        for kind, size in read_resident_bytes(service.pid).items():
            rounds.add(f"memory of the service, {kind}", "MB", size / 1e6)
        advance("memory")
        rounds.add("idle CPU of the service", "% of a core", _idle_percent(service, plan.idle_s))
        advance("idle")


def _measure_restart(client: Client, fresh: Prompt, known: Prompt, at: int, rounds: Rounds) -> None:
    """Measure TTFT with a prefix that an earlier process stored on disk, and with a new one."""
    done = _first_token(client, known)
    cold = _ttft_ms(client, fresh)
    cached = f"{done.usage.cached_tokens} of {done.usage.prompt_tokens} tokens from disk"
    rounds.add("TTFT after a restart, from disk", "ms", done.timing_ms.ttft, at, cached)
    rounds.add("cold / from disk", "times", cold / done.timing_ms.ttft, at)


def _measure_after_pause(client: Client, plan: Plan, rounds: Rounds, advance: Advance) -> None:
    """Measure the time that a pause adds to the first token: threads have slept, caches are cold."""
    prompt = Prompt((Turn(role="user", content=PROMPT),), ())
    for _ in range(plan.rounds):
        at_once = _ttft_ms(client, prompt)
        sleep(min(_PAUSE_S, plan.idle_s))
        rounds.add("first token after a pause, extra", "ms", _ttft_ms(client, prompt) - at_once)
        advance("pause")


def _ttft_ms(client: Client, prompt: Prompt) -> float:
    return _first_token(client, prompt).timing_ms.ttft


def _first_token(client: Client, prompt: Prompt) -> Done:
    return client.ask(messages=prompt.messages, max_tokens=1)


def _wait_online(mqtt: MqttSettings) -> None:
    online = Event()

    def on_message(message: Arrived) -> None:
        if message.payload == ONLINE:
            online.set()

    state = Topics(mqtt.base_topic, NODE).state
    watcher = Connection(mqtt, "edge_llm-bench", {state: Subscription(on_message)})
    watcher.start()
    try:
        if not online.wait(30):
            raise EdgeLlmError("the service did not come online within 30 s")
    finally:
        watcher.stop()


def _measure_overhead(
    engine: LocalEngine, client: Client, plan: Plan, rounds: Rounds, advance: Advance
) -> None:
    """Measure the same reply through the broker and from the engine alone, alternating."""
    tokens, _ = _ask(client, plan.decode_tokens)  # greedy: the same again in every round
    for number in range(plan.rounds):
        if number % 2:  # each goes first as often as the other
            alone = _alone(engine, tokens)
        _, through = _ask(client, tokens)
        if not number % 2:
            alone = _alone(engine, tokens)
        rounds.add("decode through the broker", "tokens/s", through, note=f"{tokens} tokens a reply")
        rounds.add("decode of the engine alone", "tokens/s", alone)
        rounds.add("through the broker / alone", "%", 100 * through / alone)
        advance("broker")


def _alone(engine: LocalEngine, tokens: int) -> float:
    completion = engine.run((Turn(role="user", content=PROMPT),), tokens, DRAFTING).completion
    return completion.tokens_per_second


def _ask(client: Client, tokens: int) -> tuple[int, float]:
    """Ask once; returns the reply's tokens, and tokens per second including the cost of MQTT.

    The time runs from the request to the terminal frame, less the node's own TTFT: decoding and MQTT remain.
    """
    started = monotonic()
    for frame in client.stream(text=PROMPT, max_tokens=tokens, temperature=0, repetition_penalty=1):
        if isinstance(frame, Done) and frame.usage.completion_tokens > 1:
            steps, seconds = frame.usage.completion_tokens - 1, monotonic() - started
            return steps + 1, steps / (seconds - frame.timing_ms.ttft / 1000)
    raise EdgeLlmError(f"this bundle has no reply to {PROMPT!r} that could be timed")


def _idle_percent(service: psutil.Process, idle_s: float) -> float:
    sleep(min(_SETTLE_S, idle_s))
    before, start = _cpu_s(service), monotonic()
    sleep(idle_s)
    return 100 * (_cpu_s(service) - before) / (monotonic() - start)


def _cpu_s(service: psutil.Process) -> float:
    times = service.cpu_times()
    seconds: float = times.user + times.system
    return seconds
