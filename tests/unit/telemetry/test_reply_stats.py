"""Totals of replies, and times and speeds over the last ones."""

import pytest

from edge_llm.contract.frames import Energy, TimingMs, Usage
from edge_llm.host.power.source import Instant, PowerSource, Reading, Unavailable
from edge_llm.telemetry.energy import CpuSeconds, EnergyMeter
from edge_llm.telemetry.reply_energy import ReplyEnergyMeter, final_progress
from edge_llm.telemetry.reply_stats import WINDOW, Counters, ReplyRecord, ReplyStats


def new_stats() -> ReplyStats:
    return ReplyStats(EnergyMeter(Unavailable("-"), lambda: CpuSeconds(0, 0)))


def new_meter() -> ReplyEnergyMeter:
    return ReplyEnergyMeter(lambda: (0, None))


def usage(tokens: int = 11) -> Usage:
    return Usage(prompt_tokens=30, cached_tokens=20, completion_tokens=tokens)


def timing(ttft_s: float) -> TimingMs:
    return TimingMs(queue=0, prefill=0, ttft=1000 * ttft_s, total=1000 * (ttft_s + 2))


def reply(ttft_s: float, tokens: int = 11, joules: float | None = None) -> ReplyRecord:
    energy = Energy(joules=joules, quality="measured" if joules else "none")
    return ReplyRecord(usage(tokens), timing(ttft_s), energy)


def test_what_never_happened_is_unknown_and_not_0() -> None:
    figures = Counters().figures(new_stats(), rejected_total=0)
    assert (figures.requests_total, figures.completion_tokens_total) == (0, 0)
    unknown = figures.tokens_per_second, figures.ttft_ms_p50, figures.ttft_ms_p95, figures.joules_per_token
    assert (*unknown, figures.energy_joules_total) == (None,) * 5


def test_a_request_is_queued_then_active_then_counted() -> None:
    stats, totals = new_stats(), Counters()
    first, second = new_meter(), new_meter()
    for meter in (first, second):
        stats.wake.clear()
        stats.begin(meter)
        assert stats.wake.is_set()
    first.start()
    figures = totals.figures(stats, rejected_total=3)
    assert (figures.active, figures.queued, figures.requests_total, figures.rejected_total) == (1, 1, 2, 3)
    first.close((41, None))
    stats.completed(first, usage(), timing(0.5))
    stats.failed(second, "timeout")
    totals.add(stats.drain())
    assert stats.drain() == ()
    figures = totals.figures(stats, rejected_total=3)
    assert (figures.active, figures.queued, figures.errors_total) == (0, 0, 1)
    tokens = figures.prompt_tokens_total, figures.cached_tokens_total, figures.completion_tokens_total
    assert tokens == (30, 20, 11)


def test_times_and_speeds_are_of_the_last_replies() -> None:
    totals = Counters()
    totals.add(tuple(reply(9.0) for _ in range(WINDOW)))
    totals.add(tuple(reply(number / 1000) for number in range(1, WINDOW + 1)))
    figures = totals.figures(new_stats(), rejected_total=0)
    assert (figures.ttft_ms_p50, figures.ttft_ms_p95) == (50, 95)
    assert figures.tokens_per_second == 5.0
    assert figures.completion_tokens_total == 2 * WINDOW * 11


def test_joules_per_token_are_of_replies_that_were_measured() -> None:
    totals = Counters()
    totals.add((reply(1, 10, joules=30.0), reply(1, 30, joules=10.0), reply(1, 1000)))
    figures = totals.figures(new_stats(), rejected_total=0)
    assert (figures.joules_per_token, figures.energy_joules_total) == (1.0, 40.0)


def test_a_reply_is_answered_and_counted_whatever_a_sensor_does(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(PowerSource):
        name = method = "broken"

        def read(self, now: Instant) -> Reading:
            raise RuntimeError("no such device")

    stats, totals = ReplyStats(EnergyMeter(Broken(), lambda: CpuSeconds(0, 0))), Counters()
    meter = new_meter()
    stats.begin(meter)
    meter.close((41, None))
    assert stats.completed(meter, usage(), timing(0.5)) == Energy(quality="none")
    assert caplog.messages == ["energy.failed"]
    assert "no such device" in caplog.text
    totals.add(stats.drain())
    assert totals.figures(stats, rejected_total=0).completion_tokens_total == 11


def test_the_final_progress_is_what_was_computed_and_when_decoding_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge_llm.telemetry.reply_energy.monotonic", lambda: 100.0)
    assert final_progress(usage(), timing(0.5)) == (30 - 20 + 11, 98.0)
    assert final_progress(usage(0), timing(0.5)) == (30 - 20, None)
