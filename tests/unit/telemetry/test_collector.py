"""The telemetry thread hands out figures each period, survives a failure, and ends when it is told to."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from edge_llm.config import TelemetrySettings
from edge_llm.contract.frames import TimingMs, Usage
from edge_llm.contract.node import Pinning, Telemetry
from edge_llm.host.power.source import Unavailable
from edge_llm.telemetry import collector
from edge_llm.telemetry.collector import Collector
from edge_llm.telemetry.energy import EnergyMeter
from edge_llm.telemetry.reply_energy import ReplyEnergyMeter
from edge_llm.telemetry.reply_stats import ReplyRecord, ReplyStats

PINNING = Pinning(requested="auto", effective="0", mode="pinned")


@dataclass
class Engine:
    inference_cores: tuple[int, ...] = (0,)
    kv_bytes: int = 7
    prefix_cache_bytes: int = 5
    pinning: Pinning = PINNING


@dataclass
class Sink:
    fails: bool = False
    emitted: list[tuple[Telemetry, tuple[ReplyRecord, ...]]] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    def emit(self, telemetry: Telemetry, replies: tuple[ReplyRecord, ...]) -> None:
        self.emitted.append((telemetry, replies))
        self.came.set()
        if self.fails:
            raise OSError("gone")


Start = Callable[..., tuple[ReplyStats, Sink]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a collector of a short period; it is stopped, and must have ended, when the test has."""
    started = list[Collector]()

    def start(*, fails: bool = False, period_s: float = 0.01) -> tuple[ReplyStats, Sink]:
        monkeypatch.setattr(collector, "_FIRST_S", 0.0)
        settings = TelemetrySettings.model_construct(period_s=period_s, active_period_s=None)
        stats, sink = ReplyStats(EnergyMeter(Unavailable("no sensor"))), Sink(fails)
        started.append(Collector(settings, "kitchen-pc", stats, Engine(), lambda: 3, lambda: None, (sink,)))
        started[-1].start()
        return stats, sink

    yield start
    asked_s = time.monotonic()
    for each in started:
        each.stop()
    assert time.monotonic() - asked_s < collector._IDLE_SAMPLE_S / 2
    assert "telemetry" not in {thread.name for thread in threading.enumerate()}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_it_is_numbered_and_has_the_figures_of_host_engine_and_replies(start: Start) -> None:
    _, sink = start()
    until(lambda: len(sink.emitted) >= 3)
    emitted = [telemetry for telemetry, _ in sink.emitted]
    assert [each.seq for each in emitted[:3]] == [0, 1, 2]
    first = emitted[0]
    assert first.boot_time == emitted[1].boot_time < first.time
    assert (first.node, first.pinning, first.llm.rejected_total) == ("kitchen-pc", PINNING, 3)
    assert (first.memory.kv_bytes, first.memory.prefix_cache_bytes) == (7, 5)
    assert (first.power.quality, first.power.source) == ("none", None)


def test_a_reply_that_ended_is_handed_out_once(start: Start) -> None:
    stats, sink = start()
    meter = ReplyEnergyMeter(lambda: (0, None))
    stats.begin(meter)
    meter.close((41, None))
    usage = Usage(prompt_tokens=30, cached_tokens=0, completion_tokens=11)
    stats.completed(meter, usage, TimingMs(queue=0, prefill=1, ttft=1, total=2))
    until(lambda: any(replies for _, replies in sink.emitted))
    seen = len(sink.emitted)
    until(lambda: len(sink.emitted) > seen + 1)
    assert [reply.usage for _, replies in sink.emitted for reply in replies] == [usage]
    assert sink.emitted[-1][0].llm.completion_tokens_total == 11


def test_a_clock_that_is_set_sets_the_time_of_the_machines_start(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sink = start()
    until(lambda: sink.emitted)
    offset_s = collector._clock_offset_s()
    monkeypatch.setattr(collector, "_clock_offset_s", lambda: offset_s + 3600)
    monkeypatch.setattr("psutil.boot_time", lambda: 1_000_000.0)
    until(lambda: sink.emitted[-1][0].boot_time.timestamp() == 1_000_000.0)


def test_a_period_that_fails_is_logged_and_the_next_one_goes_on(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    _, sink = start(fails=True)
    until(lambda: len(sink.emitted) >= 2)
    assert caplog.messages[0] == "telemetry.failed"


def test_it_ends_at_once_within_a_long_period(start: Start) -> None:
    _, sink = start(period_s=3600)
    assert sink.came.wait(5)
    time.sleep(0.01)  # it waits for the next one


def test_one_that_was_not_started_can_be_stopped() -> None:
    stats = ReplyStats(EnergyMeter(Unavailable("no sensor")))
    Collector(TelemetrySettings(), "kitchen-pc", stats, Engine(), lambda: 0, lambda: None, ()).stop()
